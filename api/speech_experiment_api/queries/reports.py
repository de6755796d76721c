"""Reports as the control projection has them: every revision, of which a question sees those before its position."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..control_rows import kept_by_newer
from .sql import Binder, before
from .visibility import deletions

if TYPE_CHECKING:
    from asyncpg import Pool

    from .reading import Reading

_REPORTS = "reports"
_HEAD = "r.id, r.revision, r.title, r.as_of, r.saved_at, r.saved_by, k.label as saved_by_label"


async def listed(read: Reading, limit: int) -> list[Any]:
    """The reports of the workspace with the newest change first, each as its newest revision."""
    bind = Binder()
    newest = (
        "select distinct on (r.id) r.id, r.revision, r.title, r.as_of, r.saved_at, r.saved_by "
        f"from {read.tables.control}.reports r where {_seen(read, bind)} order by r.id, r.revision desc"
    )
    sql = (
        f"select {_HEAD}, count(*) over () as total from ({newest}) r "
        f"{_saver(read)} order by r.saved_at desc, r.id desc limit {limit}"
    )
    return await _fetch(read, sql, bind)


async def revisions(read: Reading, report: UUID) -> list[Any]:
    """The revisions of a report, the newest first; none where there is no such report."""
    bind = Binder()
    sql = (
        f"select {_HEAD}, length(r.body) as characters from {read.tables.control}.reports r {_saver(read)} "
        f"where r.id = {bind(report, 'uuid')} and {_seen(read, bind)} order by r.revision desc"
    )
    return await _fetch(read, sql, bind)


async def one(read: Reading, report: UUID, revision: int | None = None) -> Any | None:
    """A revision of a report, the newest where none is named, with the number of the newest and who began it."""
    bind = Binder()
    seen = f"r.id = {bind(report, 'uuid')} and {_seen(read, bind)}"
    sql = (
        f"select {_HEAD}, r.body, max(r.revision) over () as newest, "
        "first_value(r.saved_at) over begun as created_at, first_value(r.saved_by) over begun as created_by "
        f"from {read.tables.control}.reports r {_saver(read)} where {seen} "
        "window begun as (order by r.revision) order by r.revision desc"
    )
    wanted = "" if revision is None else f"where n.revision = {bind(revision, 'int')}"
    rows = await _fetch(read, f"select * from ({sql}) n {wanted} order by n.revision desc limit 1", bind)
    return rows[0] if rows else None


async def named(read: Reading, condition: str, bind: Binder, limit: int) -> list[Any]:
    """Reports whose newest title fulfils a condition over the alias r, the newest change first.

    None of them where an older release made the projection.
    """
    if await read.connection.fetchval("select to_regclass($1)", f"{read.tables.control}.reports") is None:
        return []
    newest = (
        f"select distinct on (r.id) r.id, r.title, r.saved_at from {read.tables.control}.reports r "
        f"where {_seen(read, bind)} order by r.id, r.revision desc"
    )
    sql = f"select * from ({newest}) r where {condition} order by r.saved_at desc, r.id desc limit {limit}"
    return await _fetch(read, sql, bind)


def _seen(read: Reading, bind: Binder) -> str:
    """The condition on revisions over the alias r: of the workspace, before the position, not of a deleted report."""
    hidden = deletions(read.tables, bind, read.scope)
    then = f" and {before(read.vector.below('control'), 'r', bind)}" if read.past else ""
    return (
        f"r.workspace = {bind(read.actor.workspace, 'text')}{then} "
        f"and r.id not in (select d.id from {hidden} d where d.kind = 'report')"
    )


def _saver(read: Reading) -> str:
    return f"left join {read.tables.control}.keys k on r.saved_by = 'key:' || k.id"


async def _fetch(read: Reading, sql: str, bind: Binder) -> list[Any]:
    with kept_by_newer(_REPORTS):
        return await read.fetch(sql, *bind.values)


async def place_of(pool: Pool, schema: str, report: UUID, revision: int) -> tuple[int, int] | None:
    """(partition, offset) of the event that a revision is from."""
    query = f'select partition, "offset" from {schema}.reports where id = $1 and revision = $2'
    row = await pool.fetchrow(query, report, revision)
    return None if row is None else (row["partition"], row["offset"])


async def shown(
    pool: Pool,
    schema: str,
    workspace: str,
    report: UUID,
    revision: int | None,
    below: Mapping[int, int] | None,
) -> Any | None:
    """Text and position of what a link shows of a report that is not deleted by now; below: of a frozen link."""
    bind = Binder()
    conditions = [
        f"r.id = {bind(report, 'uuid')} and r.workspace = {bind(workspace, 'text')}",
        f"not exists (select from {schema}.deletions d where d.kind = 'report' and d.id = r.id)",
        *([] if revision is None else [f"r.revision = {bind(revision, 'int')}"]),
        *([] if below is None else [before(below, "r", bind)]),
    ]
    sql = (
        f"select r.body, r.as_of from {schema}.reports r where {' and '.join(conditions)} "
        "order by r.revision desc limit 1"
    )
    with kept_by_newer(_REPORTS):
        return await pool.fetchrow(sql, *bind.values)
