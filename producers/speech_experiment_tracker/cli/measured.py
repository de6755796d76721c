"""A measurement as people and programs read it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from speech_experiment_schemas.measurements import definition_identity

from ..measuring import explained
from .output import MISSING, clip, console, number, print_json, short_id, table

if TYPE_CHECKING:
    from speech_experiment_projections.scoring.facts import Facts

_SHARES = frozenset(
    {"der", "jer", "cpwer", "orcwer", "tcpwer", "tcorcwer", "eer", "frr", "rate", "voicing_error"}
)
_MAIN = (
    *("der", "jer", "missed", "false_alarm", "confusion"),
    *("cpwer", "orcwer", "tcpwer", "tcorcwer", "rate", "substitutions", "deletions", "insertions"),
    *("eer", "min_dcf_normalised", "min_dcf_unnormalised", "actual_dcf_normalised", "cllr"),
    *("frr", "false_alarms_per_hour", "atwv", "mtwv"),
    *("mcd", "f0_rmse", "log_f0_rmse", "voicing_error"),
)
"""What people look at, of all tasks, in the order they are shown in."""
_OPINIONS = ("mos", "cmos", "difference")
_ROOM = 8 + 3
"""Width of an id with its gap."""
_MOST = 20
_OPTIONS = {
    "full": Annotated[bool, typer.Option("--full", help="All parts, not the first twenty.")],
    "as_json": Annotated[bool, typer.Option("--json", help="JSON for programs.")],
}
_NAMES = 40


def shown(measure: Callable[..., Any]) -> Callable[..., None]:
    """Makes a command of what measures: it takes the options of how a result is shown, and shows it."""

    @wraps(measure)
    def command(*, full: bool, as_json: bool, **given: Any) -> None:
        with explained():
            from speech_experiment_projections.scoring.facts import facts

            found = facts(measure(**given))
        show(found, full=full, as_json=as_json)

    given = signature(measure, eval_str=True)
    options = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=False, annotation=option)
        for name, option in _OPTIONS.items()
    ]
    taken = [*given.parameters.values(), *options]
    command.__signature__ = given.replace(parameters=taken)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in taken}
    return command


def show(found: Facts, *, full: bool, as_json: bool) -> None:
    """Prints the numbers with their intervals, their parts, and their definition."""
    if as_json:
        print_json(document(found))
        return
    made = table("", "value", "interval", right=[1, 2])
    for name, each in found.values.items():
        bounds = found.intervals.get(name)
        reach = MISSING if bounds is None else f"{value(name, bounds.low)} … {value(name, bounds.high)}"
        made.add_row(escape(name), value(name, each), reach)
    console().print(made)
    _show_items(found, len(found.items) if full else _MOST)
    for method in dict.fromkeys((bounds.level, bounds.method) for bounds in found.intervals.values()):
        console().print(f"[dim]{method[0]:.0%} intervals: {escape(method[1])}[/dim]")
    console().print(f"[dim]{escape(defined(found.definition.settings))}[/dim]")
    console().print(f"[dim]{found.definition.tool} {found.definition.version}[/dim]")


def document(found: Facts) -> dict[str, Any]:
    """For programs; fractions, never per cent."""
    intervals = {
        name: {"low": each.low, "high": each.high, "level": each.level, "method": each.method}
        for name, each in found.intervals.items()
    }
    return {
        "definition": found.definition,
        "identity": definition_identity(found.definition),
        "values": found.values,
        "intervals": intervals,
        "items": {"kind": found.item, "rows": found.items},
    }


def defined(settings: Mapping[str, Any]) -> str:
    """The settings of a definition in one line."""
    return ", ".join(f"{name} = {_plain(each)}" for name, each in settings.items() if each is not None)


def value(name: str, each: float | None) -> str:
    """Shares in per cent, counts without a fraction."""
    if isinstance(each, int | float) and name in _SHARES:
        return f"{each:.2%}".replace("%", " %")
    if isinstance(each, float) and each.is_integer() and abs(each) < 1e15:
        return str(int(each))
    return number(each)


def main_numbers(row: Mapping[str, Any]) -> list[str]:
    """The names of the numbers of a measurement that people look at, that it is compared by first."""
    values, headline = row["values"], row["headline"]
    opinions = [name for kind in _OPINIONS for name in sorted(values) if name.partition(".")[0] == kind]
    return [headline, *(name for name in (*_MAIN, *opinions) if name in values and name != headline)]


def with_interval(row: Mapping[str, Any], name: str) -> str:
    """A number of a measurement, and its interval where it has one."""
    bounds = row["intervals"].get(name)
    number_alone = value(name, row["values"].get(name))
    if not bounds:
        return number_alone
    return f"{number_alone} ({value(name, bounds['low'])} … {value(name, bounds['high'])})"


def measurements_table(rows: Iterable[Mapping[str, Any]], *, runs: bool = True) -> Table:
    """A row for each measurement, of any tasks.

    runs  with the run that measured
    """
    heads = ["id", "run"] if runs else []
    made = table(*heads, "task", "test set", "name", "", "numbers", "definition")
    for row in rows:
        headline, *others = main_numbers(row)
        values = row["values"]
        also = ", ".join(f"{name} {value(name, values[name])}" for name in others if values[name] is not None)
        numbers = with_interval(row, headline) + (f"[dim]; {escape(also)}[/dim]" if also else "")
        run = (short_id(row["run_id"]), f"[bold]{escape(clip(row['run'], _NAMES))}[/bold]") if runs else ()
        made.add_row(
            *run,
            row["task"],
            escape(clip(row["test_set"], _NAMES)),
            escape(clip(row["name"] or "", _NAMES)) or MISSING,
            escape(headline),
            numbers,
            row["identity"][:8],
        )
    return made


def comparison_table(rows: Sequence[Mapping[str, Any]], width: int) -> tuple[Table, int]:
    """Systems × the numbers of one task, and how many numbers a window of a width has no room for."""
    names = list(dict.fromkeys(name for row in rows for name in main_numbers(row)))
    cells = {name: [with_interval(row, name) for row in rows] for name in names}
    if any(row.get("against_best") for row in rows):
        names.insert(1, "to the best")
        cells["to the best"] = [_to_the_best(row) for row in rows]
    wide = [max(map(len, (name, *cells[name]))) + 3 for name in names]
    runs = [
        clip(row["run"], _NAMES) + (f" ({clip(row['name'], _NAMES)})" if row["name"] else "") for row in rows
    ]
    room = width - _ROOM - max(map(len, runs)) - 3
    shown = [name for place, name in enumerate(names) if not place or sum(wide[: place + 1]) <= room]
    made = table("id", "run", *map(escape, shown), right=range(2, len(shown) + 2))
    for place, row in enumerate(rows):
        made.add_row(
            short_id(row["run_id"]),
            f"[bold]{escape(runs[place])}[/bold]",
            *(cells[name][place] for name in shown),
        )
    return made, len(names) - len(shown)


def _to_the_best(row: Mapping[str, Any]) -> str:
    found = row.get("against_best")
    if not found:
        return ""
    low, high, difference = (value(row["headline"], found[name]) for name in ("low", "high", "difference"))
    return f"{difference} ({low} … {high})"


def _plain(each: Any) -> str:
    if isinstance(each, bool):
        return "yes" if each else "no"
    return f"{each:g}" if isinstance(each, float) else str(each)


def _show_items(found: Facts, most: int) -> None:
    if len(found.items) < 2:
        return
    names = list(next(iter(found.items.values())))
    made = table(found.item, *names, right=range(1, len(names) + 1))
    for item, row in list(found.items.items())[:most]:
        made.add_row(escape(item), *(value(name, row[name]) for name in names))
    if len(found.items) > most:
        made.caption = f"{len(found.items) - most} more with --full"
        made.caption_justify = "left"
    console().print(made)
