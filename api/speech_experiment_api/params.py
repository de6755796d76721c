"""Reading path and query parameters; what does not fit is a 400 that names the parameter."""

from __future__ import annotations

import math
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
