"""Nested configs: merged key by key, and flattened to dotted keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from .texts import clean_text, to_json

MAX_KEY = 300
"""Longer dotted keys stay in the config, but are no params to search by."""


def merge(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Old with new in it: dicts merge key by key, everything else replaces."""
    merged = dict(old)
    for key, value in new.items():
        before = merged.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            merged[key] = merge(before, value)
        else:
            merged[key] = value
    return merged


def flatten(tree: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted key, leaf) pairs; lists and empty dicts are leaves."""
    for key, value in tree.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            yield from flatten(value, path + ".")
        else:
            yield path, value


class Param(msgspec.Struct, frozen=True):
    """A leaf as a searchable value: a number, or a text (true, false; lists as JSON); neither for None."""

    num: float | None
    txt: str | None


def params(config: Mapping[str, Any]) -> dict[str, Param]:
    """The searchable leaves of a config by dotted key."""
    found: dict[str, Param] = {}
    for key, value in flatten(config):
        if len(key) <= MAX_KEY:
            found[clean_text(key)] = _param(value)
    return found


def _param(value: Any) -> Param:
    match value:
        case None:
            return Param(None, None)
        case bool():
            return Param(None, "true" if value else "false")
        case int() | float():
            return Param(float(value), None)
        case str():
            return Param(None, clean_text(value))
    return Param(None, to_json(value))
