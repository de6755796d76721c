"""Values as Postgres can hold them: text without NUL, JSON without NaN, numbers and times in range."""

from __future__ import annotations

from math import isfinite
from typing import Any

import msgspec

_NUL = "\u2400"
_INT8 = 2**63 - 1
_YEAR_9999 = 253_370_764_800_000_000
_encoder = msgspec.json.Encoder()


def clean_text(text: str) -> str:
    """The text with NUL, which Postgres refuses, shown as its symbol ␀."""
    return text.replace("\0", _NUL) if "\0" in text else text


def clean_tree(value: Any) -> Any:
    """A nested value with clean texts and string keys; NaN and infinities as their names.

    JSON has no NaN: "NaN", "Infinity" and "-Infinity" stand for them in jsonb columns.
    """
    kind = type(value)
    if kind is str:
        return clean_text(value)
    if kind is int or kind is bool or value is None:
        return value
    if kind is float:
        return value if isfinite(value) else number_name(value)
    if isinstance(value, dict):
        return {clean_text(str(key)): clean_tree(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean_tree(item) for item in value]
    return value if isinstance(value, int) else clean_text(str(value))


def number_name(value: float) -> str:
    """NaN, Infinity or -Infinity."""
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def to_json(value: Any) -> str:
    """JSON text that jsonb takes."""
    if value == {} or value == []:  # as most columns of most runs are
        return "[]" if isinstance(value, list) else "{}"
    return _encoder.encode(clean_tree(value)).decode()


def bigint(number: int | None) -> int | None:
    """The number, or None when it does not fit 64 bits."""
    return number if number is not None and -_INT8 <= number <= _INT8 else None


def clock(microseconds: int) -> int | None:
    """A client's time, or None when its clock shows the year 9999 or later."""
    return microseconds if 0 <= microseconds < _YEAR_9999 else None
