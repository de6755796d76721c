"""The panels of a report: fenced blocks of its Markdown, and the questions that each of them asks.

    ```chart
    filter: task = 'asr' and tags.stage = 'final'
    metrics: val_wer, train_loss
    ```

The first line names the kind, the others give `key: value`. A list has commas between its values, which are written
%2C within one. The page draws them (logic/panel_form.ts); here they say what a link to the report may ask.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote

from starlette.datastructures import QueryParams

_FENCE = re.compile(r"(?P<indent> {0,3})(?P<fence>`{3,}|~{3,})[ \t]*(?P<info>.*?)[ \t]*\Z")
_PAIR = re.compile(r"[ \t]*(?P<key>\w+)[ \t]*:[ \t]*(?P<value>.*?)[ \t]*\Z")
_COUNT = re.compile(r"[0-9]{1,4}\Z")
_USUAL_LIMITS = {"leaderboard": 50, "runs": 20, "chart": 10}
_MOST = 200
_RUN_FIELDS = frozenset({"id", "name", "status", "experiment", "started_at", "created_at", "duration"})
"""What is shown of runs without any columns being named."""
_COLUMNS = {"params": "config", "metrics": "metrics", "tags": "tags"}
"""What stands before the dot of a column → the field of a run that has it."""

Allowed = Callable[[str], bool]
Questions = Mapping[str, Mapping[str, Allowed]]
"""Route below /api/v1 → parameter → which of its values may be asked; no other parameter may be given."""


class Panel(NamedTuple):
    """values: by their keys, as they were written."""

    kind: str
    values: Mapping[str, str]

    @property
    def as_of(self) -> str | None:
        return self.values.get("as_of") or None

    def text(self, key: str) -> str:
        return self.values.get(key, "")

    def listed(self, key: str) -> tuple[str, ...]:
        parts = (unquote(each.strip()) for each in self.text(key).split(","))
        return tuple(each for each in parts if each)

    @property
    def limit(self) -> int:
        """Runs or systems that it shows at most."""
        given = self.text("limit")
        usual = _USUAL_LIMITS.get(self.kind, _MOST)
        return min(int(given), _MOST) if _COUNT.match(given) else usual

    @property
    def filter(self) -> str:
        """Of runs; a chart may name them by their ids."""
        if ids := self.listed("runs"):
            return f"id in ({', '.join(map(_quoted, ids))})"
        return self.text("filter")


def panels_in(body: str) -> list[Panel]:
    """The panels of a report's Markdown, in their order: fenced blocks at the left edge whose first line is a kind."""
    return [Panel(kind, _pairs(lines)) for kind, lines in _blocks(body) if kind in _QUESTIONS]


def _blocks(body: str) -> Iterator[tuple[str, list[str]]]:
    """The fenced blocks, with what stands behind their first fence; empty where that is not at the left edge."""
    fence, info, lines = "", "", list[str]()
    for line in body.splitlines():
        found = _FENCE.match(line)
        if not fence:
            if found and not (found["fence"][0] == "`" and "`" in found["info"]):
                fence, lines = found["fence"], []
                info = "" if found["indent"] else found["info"]
        elif found and not found["info"] and found["fence"].startswith(fence):
            yield info, lines
            fence = ""
        else:
            lines.append(line)
    if fence:
        yield info, lines


def _pairs(lines: list[str]) -> dict[str, str]:
    return {found["key"].lower(): found["value"] for found in map(_PAIR.match, lines) if found}


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that came by a link: its route below /api/v1, the id in its path, its query."""

    route: str
    id: str
    query: QueryParams


def asks(panel: Panel, asked: Asked) -> bool:
    """Whether this is a question of the panel's own. Of which runs a chart with a filter is, only the filter tells."""
    allowed = _QUESTIONS[panel.kind](panel).get(asked.route)
    if allowed is None:
        return False
    given = [*asked.query.multi_items(), *([("{id}", asked.id)] if asked.id else [])]
    named = {name for name, _ in given}
    return all(
        name in _ANYWAY or (name in allowed and allowed[name](value)) for name, value in given
    ) and all(name in named or may("") for name, may in allowed.items())


_ANYWAY = frozenset({"as_of", "share"})


def _any(value: str) -> bool:
    return True


def _is(*values: str) -> Allowed:
    """Of these alone; what must not be empty must be given."""
    known = set(values) or {""}
    return lambda value: value.strip() in known


def _up_to(most: int) -> Allowed:
    return lambda value: _COUNT.match(value) is not None and int(value) <= most


def _fields(columns: tuple[str, ...]) -> Allowed:
    known = _RUN_FIELDS | {"test_sets" if "[" in each else _field(each) for each in columns}
    return lambda value: bool(value) and set(value.split(",")) <= known


def _field(column: str) -> str:
    root, dot, _ = column.partition(".")
    return _COLUMNS.get(root, root) if dot else root


def _of_leaderboard(panel: Panel) -> Questions:
    asked = {
        "filter": _is(panel.filter),
        "test_set": _is(*panel.listed("sets")),
        "limit": _up_to(panel.limit),
    }
    if metric := panel.text("metric"):
        return {"/leaderboard": {**asked, "metric": _is(metric)}}
    return {"/scores": {**asked, "profile": _is(panel.text("profile")), "intervals": _any}}


def _of_runs(panel: Panel) -> Questions:
    asked = {
        "filter": _is(panel.filter),
        "order_by": _is(panel.text("order")),
        "limit": _up_to(panel.limit),
        "fields": _fields(panel.listed("columns")),
    }
    return {"/runs": asked}


def _of_chart(panel: Panel) -> Questions:
    runs = panel.listed("runs")
    curves = {
        "run": _is(*runs) if runs else _any,
        "key": _is(*panel.listed("metrics")),
        **dict.fromkeys(("points", "axis", "begin", "end"), _any),
    }
    return {**_of_runs(panel), "/curves": curves}


def _of_matrix(panel: Panel) -> Questions:
    asked = {
        "evaluation": _is(*panel.listed("evaluations")),
        "by": _is(*panel.listed("by")),
        "profile": _is(panel.text("profile")),
        **dict.fromkeys(("order", "limit", "intervals"), _any),
    }
    return {"/breakdown": asked}


def _of_alignment(panel: Panel) -> Questions:
    evaluations = _is(*panel.listed("evaluations"))
    one = {"utterance": _is(panel.text("utterance")), "profile": _is(panel.text("profile"))}
    return {
        "/alignment": {**one, "evaluation": evaluations},
        "/evaluations/{id}/recording": {**one, "{id}": evaluations},
        "/artifacts/{id}/content": {"{id}": _any},  # whose id a recording has told; it never changes
    }


_QUESTIONS: Mapping[str, Callable[[Panel], Questions]] = {
    "leaderboard": _of_leaderboard,
    "runs": _of_runs,
    "chart": _of_chart,
    "matrix": _of_matrix,
    "alignment": _of_alignment,
}


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
