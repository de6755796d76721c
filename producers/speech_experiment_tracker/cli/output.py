"""What people and programs read: tables, JSON, numbers and times."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

import msgspec
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

MISSING = "[dim]–[/dim]"
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
_STATUS_COLOURS = {
    "finished": "green",
    "running": "cyan",
    "ready": "green",
    "complete": "green",
    "failed": "red",
    "killed": "red",
    "lost": "red",
    "lost contact": "yellow",
    "cancelled": "yellow",
    "open": "yellow",
    "starting": "yellow",
}


@cache
def console() -> Console:
    """Standard output; made once, so that it knows the terminal's width."""
    return Console(highlight=False)


@cache
def errors() -> Console:
    """Standard error."""
    return Console(stderr=True, highlight=False)


def print_json(value: Any) -> None:
    """One JSON document, indented."""
    _write(msgspec.json.format(msgspec.json.encode(value), indent=1))


def print_json_line(value: Any) -> None:
    """One JSON document on a line of its own."""
    _write(msgspec.json.encode(value))


def _write(content: bytes) -> None:
    sys.stdout.buffer.write(content + b"\n")
    sys.stdout.flush()


def table(*columns: str, title: str | None = None, right: Iterable[int] = ()) -> Table:
    """A plain table; `right` are the indices of columns of numbers."""
    made = Table(
        box=box.SIMPLE_HEAD,
        title=title,
        title_justify="left",
        title_style="bold",
        header_style="bold",
        pad_edge=False,
        show_edge=False,
    )
    numbers = set(right)
    for index, column in enumerate(columns):
        made.add_column(
            column,
            justify="right" if index in numbers else "left",
            no_wrap=index in numbers or column == "id",
            overflow="fold",
        )
    return made


def pairs(rows: Mapping[str, str]) -> Table:
    """Names and values, without a header; values may carry markup."""
    made = Table(box=None, show_header=False, pad_edge=False)
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in rows.items():
        made.add_row(name, value)
    return made


def text(value: Any) -> str:
    """Anything as a table cell."""
    if value is None or value == "":
        return MISSING
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number(value)
    if isinstance(value, list | dict):
        return escape(msgspec.json.encode(value).decode())
    return escape(str(value))


def number(value: Any) -> str:
    """Four significant digits for fractions; NaN and infinities come as words."""
    if value is None:
        return MISSING
    if isinstance(value, str):
        return f"[red]{escape(value)}[/red]"
    if isinstance(value, int):
        return str(value)
    if value == int(value) and abs(value) < 1e6:
        return f"{value:.1f}"
    return f"{value:.4g}"


def status(value: str) -> str:
    """A status in its colour."""
    colour = _STATUS_COLOURS.get(value.split(" with")[0], "")
    return f"[{colour}]{escape(value)}[/{colour}]" if colour else escape(value)


def short_id(identity: str) -> str:
    """The last eight digits of a UUID: its first ones are a clock and the same for neighbours."""
    return identity[-8:]


def moment(value: str | None) -> datetime | None:
    return datetime.fromisoformat(value) if value else None


def local_time(value: str | None) -> str:
    """Date and time of day on this machine's clock."""
    parsed = moment(value)
    return parsed.astimezone().strftime("%Y-%m-%d %H:%M:%S") if parsed else MISSING


def age(value: str | None) -> str:
    """How long ago, in the largest unit."""
    parsed = moment(value)
    if parsed is None:
        return MISSING
    seconds = max((datetime.now(UTC) - parsed).total_seconds(), 0.0)
    unit, length = next((each for each in _UNITS if seconds >= each[1]), _UNITS[-1])
    return f"{int(seconds // length)} {unit} ago"


def duration(seconds: float | None) -> str:
    """Two units at most: 1.2 s, 3 min 5 s, 2 h 7 min, 4 d 3 h."""
    if seconds is None:
        return MISSING
    seconds = max(seconds, 0.0)
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    first = next(index for index, (_, length) in enumerate(_UNITS) if seconds >= length)
    large, rest = divmod(int(seconds), _UNITS[first][1])
    small = rest // _UNITS[first + 1][1]
    return f"{large} {_UNITS[first][0]}" + (f" {small} {_UNITS[first + 1][0]}" if small else "")


def size(count: float | None) -> str:
    """Bytes in decimal units."""
    if count is None:
        return MISSING
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 999.5:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 99.5 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values under dotted keys."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            found.update(flatten(value, f"{prefix}{key}."))
        else:
            found[f"{prefix}{key}"] = value
    return found


def clip(value: str, width: int) -> str:
    """The beginning of a text that is too long."""
    return value if len(value) <= width else value[: width - 1].rstrip() + "…"


def shorten(items: Sequence[str], most: int) -> list[str]:
    """The first `most` items, and how many more there are."""
    rest = len(items) - most
    return [*items[:most], f"… and {rest} more"] if rest > 0 else list(items)
