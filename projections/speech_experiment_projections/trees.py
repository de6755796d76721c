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


Leaves = list[tuple[str, Any]]
"""(dotted key, leaf) pairs; lists and empty dicts are leaves."""


def flatten(tree: Mapping[Any, Any]) -> Leaves:
    """The leaves of a tree, in the order they are written."""
    found: Leaves = []
    _flatten(tree, "", found)
    return found


def _flatten(tree: Mapping[Any, Any], prefix: str, found: Leaves) -> None:
    for key, value in tree.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            _flatten(value, path + ".", found)
        else:
            found.append((path, value))


class Param(msgspec.Struct, frozen=True):
    """A leaf as a searchable value: a number, or a text (true, false; lists as JSON); neither for None."""

    num: float | None
    txt: str | None


def params(config: Mapping[str, Any]) -> dict[str, Param]:
    """The searchable leaves of a config by dotted key."""
    return params_of(flatten(config))


def params_of(leaves: Leaves) -> dict[str, Param]:
    """As `params`, of a config that is flattened already."""
    return {clean_text(key): _param(value) for key, value in leaves if len(key) <= MAX_KEY}


def param_at(config: Mapping[str, Any], key: str) -> Param | None:
    """The one of `params` with this key, without looking at the others; None when there is none."""
    if len(key) > MAX_KEY:
        return None
    if "." not in key and "\u2400" not in key:  # then it is no other key's, nested or cleaned
        leaf = config.get(key, _NO_LEAF)
        return None if leaf is _NO_LEAF or (isinstance(leaf, dict) and leaf) else _param(leaf)
    found = list(_leaves(config, key))
    return _param(found[-1]) if found else None


_NO_LEAF = object()


def _leaves(tree: Mapping[Any, Any], key: str) -> Iterator[Any]:
    for name, value in tree.items():
        part = clean_text(str(name))
        nested = isinstance(value, dict) and bool(value)
        if not nested and part == key:
            yield value
        elif nested and key.startswith(part) and key[len(part) : len(part) + 1] == ".":
            yield from _leaves(value, key[len(part) + 1 :])


def _param(value: Any) -> Param:
    if isinstance(value, str):
        return Param(None, clean_text(value))
    if value is None:
        return Param(None, None)
    if isinstance(value, bool):
        return Param(None, "true" if value else "false")
    if isinstance(value, int | float):
        return Param(float(value), None)
    return Param(None, to_json(value))
