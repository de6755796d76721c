"""Small things that all SQL writers of the consumers share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@cache
def statement(template: str, schema: str) -> str:
    """A statement with `{schema}` filled in: the schema of a projection version, never user input."""
    return template.replace("{schema}", schema)


def schema_name(projection: str, version: int) -> str:
    """The Postgres schema that a projection version owns."""
    return f"{projection}_v{version}"


@lru_cache(maxsize=4_096)
def moment(microseconds: int) -> datetime:
    """A time in microseconds since 1970 as Postgres' driver takes it; the rows of one event share the broker's."""
    return _EPOCH + timedelta(microseconds=microseconds)


def microseconds(time: datetime) -> int:
    """The inverse of moment."""
    return (time - _EPOCH) // timedelta(microseconds=1)


def columns(rows: Iterable[Sequence[Any]], width: int) -> list[list[Any]]:
    """Rows turned into `width` columns, for `unnest`."""
    turned = [list(column) for column in zip(*rows, strict=True)]
    return turned or [[] for _ in range(width)]
