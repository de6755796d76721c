"""`speech-tracker runs`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.markup import escape

from .at import At, asked, command, say_vector
from .output import MISSING, age, clip, console, duration, number, print_json, short_id, status, table
from .server import connect

app = typer.Typer(add_completion=False)
_MOST_RESULTS = 5
_GAP = 3
_TOOK = 10 + _GAP
_FIXED = 8 + 12 + 10 + 5 * _GAP + _TOOK
"""Width of id, status, started, took and the gaps."""
_NARROW = 96
"""Below this width `took` is left out."""
_NAMES, _RESULT = 30, 13
"""Width that names should have at least, and that a result is reckoned with."""


@app.command()
def runs(
    filter: Annotated[  # noqa: A002 - the name that help shows
        str, typer.Argument(help="Which runs, in the filter language; all of them if left out.")
    ] = "",
    order_by: Annotated[
        str | None, typer.Option("--order-by", "-o", help="Order: `metrics.val_wer desc, name`.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1_000, help="At most so many runs.")] = 20,
    at: At = None,
    deleted: Annotated[bool, typer.Option("--deleted", help="Deleted runs instead (admins).")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False,
) -> None:
    """Search runs with the filter language, newest first.

    Columns of results are chosen by what the filter and order name, then by what the runs have in common.

    Examples:

      speech-tracker runs

      speech-tracker runs "task = 'asr' and params.encoder_layers >= 12 order by metrics.val_wer"

      speech-tracker runs "wer['test-clean'] < 0.05 and not tags.stage = 'draft'" --limit 100 --json

      speech-tracker runs "created > now() - 7d and status = 'failed'"

      speech-tracker runs "status = 'running'" --at "yesterday 18:00"
    """
    moment = asked(at)
    with connect() as server:
        page = server.get(
            "/runs",
            filter=filter or None,
            order_by=order_by,
            limit=limit,
            deleted="true" if deleted else None,
            as_of=moment,
        )
    if as_json:
        print_json(page)
        return
    found = page["runs"]
    if found:
        _show(found, f"{filter} {order_by or ''}")
    else:
        told = " for this filter" if filter else " then" if at else " yet; try `speech-tracker demo`"
        console().print(f"no runs{told}")
    if page["next_cursor"]:
        console().print(f"[dim]the first {len(found)}; --limit shows more[/dim]")
    options = {"--order-by": order_by, "--limit": limit if limit != 20 else None, "--deleted": deleted}
    say_vector(page, moment, again=command("runs", *([filter] if filter else []), **options))


def _show(found: Sequence[Mapping[str, Any]], asked: str) -> None:
    width = console().width
    fixed = _FIXED if width >= _NARROW else _FIXED - _TOOK
    columns = result_columns(found, asked, min(_MOST_RESULTS, max(1, (width - fixed - _NAMES) // _RESULT)))
    names = width - fixed - sum(max(len(name), 8) + _GAP for name in columns)
    name_width = min(max(len(run["name"]) for run in found), max(names * 3 // 5, 12))
    heads = ["id", "run", "experiment", "status", "started", *(["took"] if width >= _NARROW else [])]
    shown = table(*heads, *map(escape, columns), right=range(5, len(heads) + len(columns)))
    for run in found:
        results = results_of(run)
        cells = [
            short_id(run["id"]),
            f"[bold]{escape(clip(run['name'], name_width))}[/bold]",
            escape(clip(run["experiment"] or "", max(names - name_width, 10))) or MISSING,
            status(run["status"]),
            age(run["started_at"] or run["created_at"]),
            duration(run["duration"]),
        ]
        values = (number(results[name]) if name in results else MISSING for name in columns)
        shown.add_row(*cells[: len(heads)], *values)
    console().print(shown)


def results_of(run: Mapping[str, Any]) -> dict[str, Any]:
    """Results on test sets as ``wer[test-clean]``, then metrics by key."""
    found = {
        f"{metric}[{test_set}]" if test_set else metric: value
        for test_set, metrics in run["test_sets"].items()
        for metric, value in metrics.items()
    }
    recognised = {key for key in run["metrics"] if _is_result(key, run["test_sets"])}
    return found | {
        key: value for key, value in run["metrics"].items() if key not in recognised | found.keys()
    }


def result_columns(found: Sequence[Mapping[str, Any]], asked: str, most: int) -> list[str]:
    """The results to show: those that the question names, then those that most runs have."""
    counts = Counter(name for run in found for name in results_of(run))
    order = {name: place for place, name in enumerate(counts)}

    def rank(name: str) -> tuple[bool, bool, int, int]:
        key, _, test_set = name.partition("[")
        named = key in asked and test_set.rstrip("]") in asked
        return not named, not test_set, -counts[name], order[name]

    return sorted(counts, key=rank)[:most]


def _is_result(key: str, test_sets: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether a metric's name says the same as an entry of the test sets."""
    return any(
        key.startswith(test_set) and key.endswith(metric)
        for test_set, metrics in test_sets.items()
        for metric in metrics
        if test_set
    )
