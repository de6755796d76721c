"""Search: a filter, an order and a page → runs."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import msgspec

from ..stores import any_plan
from . import plans
from .cursors import Cursor
from .details import runs_statement
from .plans import Planner, Question, Statement
from .sql import Tables

if TYPE_CHECKING:
    from asyncpg import Connection


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
    connection: Connection,
    tables: Tables,
    question: Question,
    after: Cursor | None,
    limit: int,
    *,
    walking: bool = True,
) -> Page:
    """The page of at most `limit` runs behind `after`.

    walking: the session is held to indices, and set free, within its transaction, where it gathers.
    """
    planner = Planner(tables, question)
    found = await _walk(connection, planner, after, limit + 1) if walking else None
    if found is None:
        async with any_plan(connection) if walking else nullcontext():
            found = await _rows(connection, planner.gather(after, limit + 1))
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
    candidates = planner.first_candidates(limit)
    while candidates <= plans.MOST_CANDIDATES:
        rows = await _rows(connection, planner.walk(phase, after, limit, candidates))
        if len(rows) == limit:
            return rows
        if rows.pop().seen < candidates:
            return rows
        share = len(rows) / candidates
        if plans.gathers(share, await _runs(connection, planner), limit):
            return None
        candidates = plans.enough(candidates, share, limit)
    return None


async def _runs(connection: Connection, planner: Planner) -> float:
    """About how many runs there are, by the statistics of Postgres; -1 before it has any."""
    found = await connection.fetchval(
        "select reltuples::float8 from pg_class where oid = $1::text::regclass",
        f"{planner.tables.metadata}.runs",
    )
    return float(found)


async def _rows(connection: Connection, statement: Statement) -> list[Found]:
    rows = await connection.fetch(statement.sql, *statement.args)
    bounded = statement.candidates > 0
    return [Found(row["id"], statement.values(row), row["seen"] if bounded else 0) for row in rows]


async def describe(
    connection: Connection,
    tables: Tables,
    ids: Collection[UUID],
    question: Question,
    wanted: Collection[str],
) -> list[msgspec.Raw]:
    """The runs as JSON, in the order of `ids`."""
    if not ids:
        return []
    sql, args = runs_statement(tables, ids, question.now, question.scope, wanted)
    rows = await connection.fetch(sql, *args)
    return [msgspec.Raw(row[0].encode()) for row in rows]


def next_cursor(page: Page, tables: Tables, digest: bytes, vector: str = "") -> Cursor | None:
    """Where the next page begins; None after the last. vector: of the page."""
    if not page.more:
        return None
    plain = tuple(str(value) if isinstance(value, UUID) else value for value in page.last)
    return Cursor(tables.lines, digest, plain, page.ids[-1].bytes, vector)
