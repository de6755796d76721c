"""Reading path and query parameters; what does not fit is a 400 that names the parameter."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from uuid import UUID

from starlette.requests import Request

from .problems import bad_request, not_found


def path_uuid(request: Request, name: str = "id") -> UUID:
    """A UUID in the path; one that is none cannot exist, so it is a 404."""
    text = request.path_params[name]
    try:
        return UUID(text)
    except ValueError:
        raise not_found(f"{text[:100]!r}") from None


def identity(text: str, name: str, what: str = "id") -> UUID:
    """A UUID that was given as a parameter."""
    try:
        return UUID(text)
    except ValueError:
        raise bad_request(f"{text[:100]!r} is no {what}", name) from None


def plain(text: str) -> str:
    """Text without NUL, which Postgres refuses: nothing there has one in it."""
    return text.replace("\0", "")


def test_sets(request: Request, most: int) -> list[str]:
    """The names that are asked for, each once; none when the caller chooses."""
    wanted = [plain(name) for name in dict.fromkeys(request.query_params.getlist("test_set"))]
    if len(wanted) > most:
        raise bad_request(f"at most {most} test sets are shown at once, got {len(wanted)}", "test_set")
    return wanted


def integer(request: Request, name: str, default: int, low: int, high: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    try:
        value = int(text)
    except ValueError:
        raise bad_request(f"{text[:100]!r} is not a whole number", name) from None
    if not low <= value <= high:
        raise bad_request(f"must be from {low} to {high}, got {value}", name)
    return value


def number(request: Request, name: str) -> float | None:
    """A finite number; None when it is not given."""
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        raise bad_request(f"{text[:100]!r} is not a number", name) from None
    if not math.isfinite(value):
        raise bad_request(f"must be finite, got {text[:100]!r}", name)
    return value


def seconds(request: Request, name: str, default: float, high: float) -> float:
    text = request.query_params.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        raise bad_request(f"{text[:100]!r} is not a number of seconds", name) from None
    if not (math.isfinite(value) and 0 <= value <= high):
        raise bad_request(f"must be from 0 to {high:g} seconds", name)
    return value


def flag(request: Request, name: str) -> bool:
    text = request.query_params.get(name, "false").lower()
    if text not in ("true", "false", "1", "0"):
        raise bad_request(f"must be true or false, got {text[:100]!r}", name)
    return text in ("true", "1")


def moment(request: Request, name: str, *, end: bool = False) -> datetime | None:
    """A moment in ISO 8601, in UTC unless an offset is given; a date alone begins it, or with `end` ends it.

    `2026-11-17` as an end is the midnight after that day: compare with `<`.
    """
    text = request.query_params.get(name)
    if not text:
        return None
    try:
        given = datetime.fromisoformat(text)
        aware = (given if given.tzinfo else given.replace(tzinfo=UTC)).astimezone(UTC)
        return aware + timedelta(days=1) if end and len(text) <= 10 and "T" not in text else aware
    except (ValueError, OverflowError):
        hint = "write 2026-11-17 or 2026-11-17T18:00:00+01:00"
        raise bad_request(f"{text[:100]!r} is no moment; {hint}", name) from None
