"""Search: a filter, an order and a page → runs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from math import ceil, log2
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import msgspec

from . import plans
from .cursors import Cursor
from .details import runs_statement
from .plans import Planner, Question, Statement
from .sql import Tables

if TYPE_CHECKING:
    from asyncpg import Connection, Pool


@dataclass(frozen=True, slots=True)
class Page:
    """Ids in order, with the values of the sort keys of the last; `more` when others follow."""

    ids: list[UUID]
    last: tuple[Any, ...] = ()
    more: bool = False


class Found(NamedTuple):
    """A run of the answer, with the values of the sort keys; or, without an id, the candidates seen."""

    id: UUID
    values: tuple[Any, ...]
    seen: int


async def find_page(
    walking: Connection,
    gathering: Connection | Pool,
    tables: Tables,
    question: Question,
    after: Cursor | None,
    limit: int,
) -> Page:
    """The page of at most `limit` runs behind `after`.

    walking     a session that is held to indices
    gathering   where the planner is free
    """
    planner = Planner(tables, question)
    found = await _walk(walking, planner, after, limit + 1)
    if found is None:
        found = await _rows(gathering, planner.gather(after, limit + 1))
    rows = found[:limit]
    return Page([each.id for each in rows], rows[-1].values if rows else (), len(found) > limit)


async def _walk(
    connection: Connection, planner: Planner, after: Cursor | None, limit: int
) -> list[Found] | None:
    """The first `limit` runs by walking; None when that would be too long a way."""
    found: list[Found] = []
    phases = planner.phases(after)
    for phase in phases:
        part = await _walk_phase(connection, planner, phase, after, limit - len(found))
        if part is None:
            return None
        found += part
        if len(found) >= limit:
            break
    return found if phases else None


async def _walk_phase(
    connection: Connection, planner: Planner, phase: int | None, after: Cursor | None, limit: int
) -> list[Found] | None:
    candidates = planner.first_candidates()
    while candidates <= plans.MOST_CANDIDATES:
        rows = await _rows(connection, planner.walk(phase, after, limit, candidates))
        if len(rows) == limit:
            return rows
        if rows.pop().seen < candidates:
            return rows
        candidates = _enough(candidates, len(rows), limit)
    return None


async def _rows(connection: Connection | Pool, statement: Statement) -> list[Found]:
    rows = await connection.fetch(statement.sql, *statement.args)
    bounded = statement.candidates > 0
    return [Found(row["id"], statement.values(row), row["seen"] if bounded else 0) for row in rows]


def _enough(seen: int, found: int, limit: int) -> int:
    """How many candidates probably fill the page, a power of two above `seen`."""
    expected = 1.5 * seen * limit / max(found, 0.1)
    return max(2 * seen, 1 << ceil(log2(expected)))


async def describe(
    connection: Connection, tables: Tables, ids: Collection[UUID], now: datetime, wanted: Collection[str]
) -> list[msgspec.Raw]:
    """The runs as JSON, in the order of `ids`."""
    if not ids:
        return []
    sql, args = runs_statement(tables, ids, now, wanted)
    rows = await connection.fetch(sql, *args)
    return [msgspec.Raw(row[0].encode()) for row in rows]


def next_cursor(page: Page, tables: Tables, digest: bytes) -> Cursor | None:
    """Where the next page begins; None after the last."""
    if not page.more:
        return None
    plain = tuple(str(value) if isinstance(value, UUID) else value for value in page.last)
    return Cursor(tables.versions, digest, plain, page.ids[-1].bytes)
