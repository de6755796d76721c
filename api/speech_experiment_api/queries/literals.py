"""Literals of a filter as values of a column's kind, with errors that say what would fit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from .syntax import FilterError, Now, Path, Value

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time, or with `whole_day` the day that begins there."""

    start: datetime
    whole_day: bool = False

    @property
    def end(self) -> datetime:
        return self.start + DAY


def text_of(path: Path, value: Value) -> str:
    """A text; a number keeps its spelling, as tags are texts: tags.seed = 7."""
    if isinstance(value.value, str):
        return value.value
    if isinstance(value.value, bool):
        return str(value.value).lower()
    if isinstance(value.value, float):
        return value.text
    raise _wrong(path, value, "a text", "write it in quotes")


def number_of(path: Path, value: Value) -> float:
    if isinstance(value.value, float) and not isinstance(value.value, bool):
        return value.value
    raise _wrong(path, value, "a number", "write it without quotes")


def boolean_of(path: Path, value: Value) -> bool:
    if isinstance(value.value, bool):
        return value.value
    raise _wrong(path, value, "true or false", "write true or false")


def seconds_of(path: Path, value: Value) -> float:
    """Seconds, from a duration (2h) or a number of seconds."""
    if isinstance(value.value, timedelta):
        return value.value.total_seconds()
    if isinstance(value.value, float):
        return value.value
    raise _wrong(path, value, "a duration", "write 90s, 5m, 2h or 7d")


def uuid_of(path: Path, value: Value) -> UUID:
    try:
        return UUID(text_of(path, value))
    except ValueError:
        hint = "write all of its 36 characters, or a beginning with like '0190ab%'"
        raise _wrong(path, value, "an id", hint) from None


def moment_of(path: Path, value: Value, now: datetime) -> Moment:
    """A moment; without a time zone it is UTC, a date alone is the whole day."""
    try:
        if isinstance(value.value, Now):
            return Moment(now + value.value.shift)
        if isinstance(value.value, str):
            return _moment(value.value.strip())
    except (ValueError, OverflowError):
        pass
    raise _wrong(path, value, "a moment", "write '2026-11-01', '2026-11-01T12:30:00+01:00' or now() - 7d")


def _moment(text: str) -> Moment:
    moment = datetime.fromisoformat(text)
    whole_day = len(text) <= 10 and "T" not in text
    aware = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    return Moment(aware + DAY - DAY, whole_day)


def _wrong(path: Path, value: Value, expected: str, hint: str) -> FilterError:
    return FilterError(f"{path} is {expected}, {value.text[:60]} is not", value.position, hint)
