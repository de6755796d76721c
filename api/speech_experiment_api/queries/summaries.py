"""GET /runs/{id}/metrics: what a run measured, key by key."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ..params import flag, path_uuid
from ..routing import Param, Routes
from .details import json_object
from .directions import higher_is_better
from .documents import MetricSummaries
from .reading import Reading, reading, visible_runs
from .sql import Binder

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
    "mean": "s.sum_value / nullif(s.count - s.nans, 0)",
    "best": "case when s.key = any(b.higher) then s.max_value else s.min_value end",
}


@routes.get(
    "/api/v1/runs/{id}/metrics",
    access="viewer",
    response=MetricSummaries,
    params=[
        Param("prefix", "keys that begin so"),
        Param("ranks", "all ranks, not rank 0 alone (default false)", bool),
    ],
)
async def run_metrics(request: Request) -> Response:
    """Every metric of a run, with its last, least, greatest, mean and best value."""
    read, run_id = await reading(request), path_uuid(request)
    if read.unchanged:
        return read.not_modified()
    await visible_runs(read, [run_id])
    bind = Binder()
    run = bind(run_id, "uuid")
    prefix = bind(request.query_params.get("prefix", "").replace("\0", ""), "text")
    where = f"s.run_id = {run} and starts_with(s.key, {prefix})"
    if not flag(request, "ranks"):
        where += " and s.rank = 0"
    table = f"{read.tables.metrics}.summaries s"
    higher = bind([key for key in await _keys(read, table, where, bind) if higher_is_better(key)], "text[]")
    body = json_object(_FIELDS, bind)
    sql = f"select {body}::text from {table}, (select {higher} as higher) b where {where} order by s.key, s.rank"
    rows = await read.pool.fetch(sql, *bind.values)
    return read.answer({"metrics": [msgspec.Raw(row[0].encode()) for row in rows]})


async def _keys(read: Reading, table: str, where: str, bind: Binder) -> list[str]:
    rows = await read.pool.fetch(f"select s.key from {table} where {where}", *bind.values)
    return [row["key"] for row in rows]
