"""Reading line-based files of fields: errors name the file, the line and the fix."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import isfinite
from typing import NamedTuple, NoReturn, Protocol


class BadLine(ValueError):  # noqa: N818 - named for what it says
    """A line that is not what its format says; the text begins with file:line."""


class Line(NamedTuple):
    """A line that is no comment and not empty, split at white space."""

    source: str
    number: int
    fields: list[str]

    def fail(self, problem: str) -> NoReturn:
        """Raises BadLine with the place."""
        raise BadLine(f"{self.source}:{self.number}: {problem}")

    def expect(self, least: int, layout: str) -> None:
        """Raises BadLine unless there are as many fields as a layout has."""
        if len(self.fields) < least:
            self.fail(f"has {len(self.fields)} fields, expected {layout}")

    def number_of(self, index: int, name: str, *, least: float | None = None) -> float:
        """A field as a finite number; raises BadLine that names it."""
        text = self.fields[index]
        try:
            value = float(text)
        except ValueError:
            self.fail(f"{name} is {text[:40]!r}, not a number")
        if not isfinite(value):
            self.fail(f"{name} is {text}, not a finite number")
        if least is not None and value < least:
            self.fail(f"{name} is {text}, below {least:g}")
        return value


class Span(Protocol):
    """What lasts from start to end, in seconds."""

    @property
    def start(self) -> float: ...

    @property
    def end(self) -> float: ...


def check_spans(spans: Iterable[Span], what: str) -> None:
    """Raises ValueError for times that are no numbers, negative, not finite, or end before they start."""
    for place, span in enumerate(spans):
        if not _lasts(span):
            raise ValueError(
                f"{what} {place} lasts from {span.start!r} to {span.end!r} s; give numbers, 0 ≤ start ≤ end"
            )


def _lasts(span: Span) -> bool:
    try:
        return 0 <= span.start <= span.end < float("inf")
    except TypeError:
        return False


def split_lines(lines: Iterable[str], source: str, *, comments: str = ";;") -> Iterator[Line]:
    """The lines that say something."""
    for number, text in enumerate(lines, 1):
        fields = text.lstrip("\ufeff").split()
        if fields and not fields[0].startswith(comments):
            yield Line(source, number, fields)
