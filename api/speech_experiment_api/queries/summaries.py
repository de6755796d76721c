"""GET /runs/{id}/metrics: what a run measured, key by key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ..params import flag, path_uuid, plain
from ..routing import Param, Routes
from .details import json_object
from .directions import higher_is_better
from .documents import MetricSummaries
from .reading import AS_OF, Reading, reading, visible_runs
from .sql import Binder, Tables

if TYPE_CHECKING:
    from asyncpg import Connection
    from asyncpg.pool import PoolConnectionProxy

routes = Routes("summaries")

_FIELDS = {
    "key": "s.key",
    "rank": "s.rank",
    "count": "s.count",
    "nans": "s.nans",
    "last": "s.last_value",
    "last_step": "s.last_step",
    "last_time": "s.last_time",
    "min": "s.min_value",
    "min_step": "s.min_step",
    "max": "s.max_value",
    "max_step": "s.max_step",
    "mean": "s.sum_value::float8 / nullif(s.count - s.nans, 0)",
    "best": "case when s.key = any(b.higher) then s.max_value else s.min_value end",
}


@routes.get(
    "/api/v1/runs/{id}/metrics",
    access="viewer",
    response=MetricSummaries,
    params=[
        Param("prefix", "keys that begin so"),
        Param("ranks", "all ranks, not rank 0 alone (default false)", bool),
        AS_OF,
    ],
)
async def run_metrics(request: Request) -> Response:
    """Every metric of a run, with its last, least, greatest, mean and best value."""
    run_id = path_uuid(request)
    async with reading(request) as read:
        if read.unchanged:
            return read.not_modified()
        await read.world.runs([run_id])
        await visible_runs(read, [run_id])
        return read.answer({"metrics": await _metrics(read, run_id)})


async def _metrics(read: Reading, run_id: UUID) -> list[msgspec.Raw]:
    prefix = plain(read.request.query_params.get("prefix", ""))
    ranks = flag(read.request, "ranks")
    return await summaries_of(read.connection, read.tables, run_id, prefix=prefix, ranks=ranks)


async def summaries_of(
    connection: Connection | PoolConnectionProxy[Any],
    tables: Tables,
    run_id: UUID,
    *,
    prefix: str = "",
    ranks: bool = True,
) -> list[msgspec.Raw]:
    """The summaries of a run's metrics as JSON, by key and rank; without `ranks` of rank 0 alone."""
    bind = Binder()
    where = f"s.run_id = {bind(run_id, 'uuid')} and starts_with(s.key, {bind(prefix, 'text')})"
    if not ranks:
        where += " and s.rank = 0"
    table = f"{tables.metrics}.summaries s"
    keys = [
        row["key"] for row in await connection.fetch(f"select s.key from {table} where {where}", *bind.values)
    ]
    higher = bind([key for key in keys if higher_is_better(key)], "text[]")
    body = json_object(_FIELDS, bind)
    sql = f"select {body}::text from {table}, (select {higher} as higher) b where {where} order by s.key, s.rank"
    return [msgspec.Raw(row[0].encode()) for row in await connection.fetch(sql, *bind.values)]
