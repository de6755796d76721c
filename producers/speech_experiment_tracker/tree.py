"""Configs: whatever people keep them in → nested dicts of plain values with string keys."""

from __future__ import annotations

import dataclasses
import enum
import os
from collections.abc import Callable, Mapping
from typing import Any

MAX_DEPTH = 50
_LARGEST_INT = 2**63


def plain(config: Any, unsupported: Callable[[str, Any], None]) -> dict[str, Any]:
    """The config as a dict.

    Takes dicts, argparse.Namespace, dataclasses, OmegaConf, pydantic and attrs objects. Values that
    are none of None, bool, int, float, str, list and dict become their repr, told to `unsupported`
    with their path.
    """
    tree = _value(config, "", unsupported, 0)
    if isinstance(tree, dict):
        return tree
    unsupported("", config)
    return {"config": tree}


def _value(value: Any, path: str, unsupported: Callable[[str, Any], None], depth: int) -> Any:
    if value is None or type(value) in (bool, str, float):
        return value
    if type(value) is int:
        return value if -_LARGEST_INT <= value < _LARGEST_INT else str(value)
    if depth > MAX_DEPTH:
        unsupported(path, value)
        return repr(value)[:500]
    mapping = _mapping(value)
    if mapping is not None:
        return {
            str(key): _value(item, f"{path}.{key}" if path else str(key), unsupported, depth + 1)
            for key, item in mapping.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        items = _in_order(value)
        return [_value(item, f"{path}[{i}]", unsupported, depth + 1) for i, item in enumerate(items)]
    return _scalar(value, path, unsupported)


def _in_order(value: Any) -> list[Any]:
    if isinstance(value, set | frozenset):
        return sorted(value, key=repr)
    return list(value)


def _mapping(value: Any) -> Mapping[Any, Any] | None:
    """The fields of an object that is a config; None for any other value."""
    if isinstance(value, Mapping):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    kind: Any = type(value)
    for method in ("model_dump", "to_container", "_asdict"):
        found = getattr(kind, method, None)
        if callable(found):
            dumped = found(value)
            return dumped if isinstance(dumped, Mapping) else None
    if hasattr(kind, "__attrs_attrs__"):
        return {field.name: getattr(value, field.name) for field in kind.__attrs_attrs__}
    if kind.__module__.startswith("omegaconf") and callable(getattr(kind, "items", None)):
        return dict(kind.items(value))
    if kind.__name__ in ("Namespace", "SimpleNamespace"):
        return dict(vars(value))
    return None


def _scalar(value: Any, path: str, unsupported: Callable[[str, Any], None]) -> Any:
    if isinstance(value, enum.Enum):
        return _value(value.value, path, unsupported, MAX_DEPTH)
    for base in (bool, int, float, str):
        if isinstance(value, base):
            return base(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value) if isinstance(os.fspath(value), str) else str(value)
    converted = _array_value(value)
    if converted is not None:
        return _value(converted, path, unsupported, 1)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    unsupported(path, value)
    return repr(value)[:500]


def _array_value(value: Any) -> Any:
    """numpy and torch scalars and small arrays, without importing either."""
    tolist = getattr(value, "tolist", None)
    if callable(tolist) and getattr(value, "size", 0) is not None:
        try:
            listed = tolist()
        except Exception:  # noqa: BLE001 - a foreign object's own trouble
            return None
        return listed if isinstance(listed, list | bool | int | float | str) else None
    return None
