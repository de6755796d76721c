"""Utterances on their way into events: checked one by one, gathered into batches of columns."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from math import isfinite, nan
from typing import Any

from speech_experiment_schemas.metrics import pack
from speech_experiment_schemas.test_sets import MAX_CONDITIONS

from .errors import TrackerError

MAX_ID, MAX_TEXT, MAX_LINE = 500, 200_000, 2_000
BATCH_ROWS, BATCH_BYTES = 1_000, 200_000


def text(value: Any, what: str, limit: int = MAX_TEXT) -> str:
    """Text that an event may carry; raises TrackerError that says what is wrong with it.

    what  names it and its place: `hypothesis of utterance 'a-17'`
    """
    if not isinstance(value, str):
        shown = "None" if value is None else f"{type(value).__name__} {value!r:.60}"
        hint = "leave an utterance out that has none" if value is None else "give a str"
        raise TrackerError(f"{what} is {shown}, not text", hint)
    if len(value) > limit:
        raise TrackerError(
            f"{what} has {len(value):,} characters", f"up to {limit:,} are taken: cut the recording"
        )
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise TrackerError(
            f"{what} is not valid Unicode at character {error.start}", "read its file with the right encoding"
        ) from None
    return value


def name_of(value: Any, what: str) -> str:
    """An utterance's id; numbers become text."""
    found = text(str(value) if isinstance(value, int) else value, what, MAX_ID)
    if not found.strip():
        raise TrackerError(f"{what} is empty", "give every utterance an id of its own")
    return found


def seconds(value: Any, what: str) -> float:
    """A time in seconds, NaN when it is not known."""
    if value is None:
        return nan
    try:
        found = float(value)
    except (TypeError, ValueError):
        raise TrackerError(f"{what} is {value!r:.60}, not a number of seconds", "give seconds") from None
    if found != found:
        return nan
    if found < 0 or not isfinite(found):
        raise TrackerError(f"{what} is {found:g} s", "seconds are ≥ 0")
    return found


def conditions(values: Mapping[Any, Any] | None, what: str) -> dict[str, str]:
    """Names and values as text; None is unknown."""
    found: dict[str, str] = {}
    for key, value in (values or {}).items():
        name = text(str(key), f"condition of {what}", 100)
        if value is not None and name:
            shown = f"{value:g}" if isinstance(value, float) else str(value)
            found[name] = text(shown, f"condition {name!r} of {what}", MAX_LINE)
    return found


class Columns:
    """Rows of one batch; a column that no row has stays empty.

    size  about how many bytes they take
    """

    def __init__(self, texts: Sequence[str], times: Sequence[str]) -> None:
        self.ids: list[str] = []
        self.size = 0
        self._texts: dict[str, list[str]] = {name: [] for name in texts}
        self._times: dict[str, list[float]] = {name: [] for name in times}
        self._conditions: dict[str, list[str]] = {}

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def full(self) -> bool:
        return len(self.ids) >= BATCH_ROWS or self.size >= BATCH_BYTES

    def add(
        self, name: str, texts: Mapping[str, str], times: Mapping[str, float], conditions: Mapping[str, str]
    ) -> None:
        """Adds a row; raises TrackerError for more conditions than one batch may have."""
        many = len(self._conditions.keys() | conditions.keys())
        if many > MAX_CONDITIONS:
            raise TrackerError(
                f"utterance {name!r} brings the conditions to {many}", f"use up to {MAX_CONDITIONS} names"
            )
        place = len(self.ids)
        self.ids.append(name)
        for column, given in texts.items():
            _put(self._texts[column], place, given, "")
        for column, time in times.items():
            if time == time:
                _put(self._times[column], place, time, nan)
        for condition, value in conditions.items():
            _put(self._conditions.setdefault(condition, []), place, value, "")
        self.size += (
            24 + 4 * sum(map(len, texts.values())) // 3 + len(name) + sum(map(len, conditions.values()))
        )

    def made(self) -> dict[str, Any]:
        """The columns as fields of an event."""
        size = len(self.ids)
        texts = {name: _filled(column, size, "") for name, column in self._texts.items()}
        times = {
            name: pack("d", array("d", _filled(column, size, nan))) if column else b""
            for name, column in self._times.items()
        }
        named = {name: _filled(column, size, "") for name, column in self._conditions.items()}
        return {"ids": self.ids, **texts, **times, "conditions": named}


def _put(column: list[Any], place: int, value: Any, unknown: Any) -> None:
    if value != "":
        column.extend([unknown] * (place - len(column)))
        column.append(value)


def _filled(column: list[Any], size: int, unknown: Any) -> list[Any]:
    return [*column, *[unknown] * (size - len(column))] if column else column
