"""A measurement as people and programs read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from speech_experiment_schemas.measurements import definition_identity

from .output import MISSING, console, number, print_json, table

if TYPE_CHECKING:
    from speech_experiment_projections.scoring.facts import Facts

_SHARES = frozenset(
    {"der", "jer", "cpwer", "orcwer", "tcpwer", "tcorcwer", "eer", "frr", "rate", "voicing_error"}
)
_MOST = 20


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
