"""Turning what people log into numbers, with errors that name the key; the path for the unusual."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from .errors import TrackerError

MAX_KEY_LENGTH = 250
MAX_STEP = 2**63 - 1


def number(key: str, value: Any) -> float:
    """A float of whatever has one; raises TrackerError that names the key."""
    if isinstance(value, str | bytes) or value is None:
        raise TrackerError(
            f"metric {key!r} is {_shown(value)}, not a number", "log text with log_config or log_text"
        )
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
    except Exception as error:  # noqa: BLE001 - a foreign object's own trouble
        raise TrackerError(
            f"metric {key!r} is {_shown(value)}, not a number ({error})",
            "log one number, for example x.mean()",
        ) from None


def checked_key(key: Any) -> str:
    """A metric's name; raises TrackerError for one that cannot be stored."""
    name = str(key)
    if not 1 <= len(name) <= MAX_KEY_LENGTH:
        raise TrackerError(
            f"metric name {name[:40]!r} has {len(name)} characters", f"use 1 to {MAX_KEY_LENGTH} of them"
        )
    try:
        name.encode()
    except UnicodeEncodeError:
        raise TrackerError(f"metric name {name[:40]!r} is not valid text", "use valid Unicode") from None
    return name


def whole(name: str, value: Any) -> int | None:
    """A step: None, an int, or anything that is one (numpy, 0-dim tensor, integral float)."""
    if value is None:
        return None
    try:
        step = value.__index__() if hasattr(value, "__index__") else None
    except Exception:  # noqa: BLE001 - numpy arrays refuse in ways of their own
        step = None
    if step is None:
        real = number(name, value)
        if real != real or not real.is_integer():
            raise TrackerError(f"{name} is {_shown(value)}, not a whole number", "fractions belong in epoch=")
        step = int(real)
    if not -MAX_STEP <= step <= MAX_STEP:
        raise TrackerError(f"{name} is {step}, beyond 64 bits", "use a smaller step")
    return int(step)


def microseconds(timestamp: Any) -> int:
    """Microseconds since 1970 of seconds or of a datetime (naive ones are local time)."""
    if isinstance(timestamp, datetime.datetime):
        timestamp = timestamp.timestamp()
    micros = round(number("timestamp", timestamp) * 1_000_000)
    if not 0 <= micros < 2**62:
        raise TrackerError(f"timestamp is {timestamp!r}", "give seconds since 1970, or a datetime")
    return micros


def split_points(
    metrics: Mapping[Any, Any],
) -> tuple[dict[str, float], list[TrackerError]]:
    """The points that are numbers, and an error for each that is none."""
    if not isinstance(metrics, Mapping):
        raise TrackerError(f"metrics is {_shown(metrics)}, not a dict", "log_metrics({'loss': 0.5}, step=1)")
    points: dict[str, float] = {}
    errors = []
    for key, value in metrics.items():
        try:
            points[checked_key(key)] = number(str(key), value)
        except TrackerError as error:
            errors.append(error)
    return points, errors


def _shown(value: Any) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text[:60]}" + ("…" if len(text) > 60 else "")
