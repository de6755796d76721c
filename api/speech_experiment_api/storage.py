"""GET /storage: how much the stores hold."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from .auth import actor_of
from .outages import is_outage
from .problems import Problem
from .responses import json_response
from .routing import Routes
from .services import Services, services_of

routes = Routes("storage")
_POINTS = "select sum(bytes_on_disk) from system.parts where active"
_ARTIFACTS = """
select coalesce(sum(size_bytes), 0)::bigint from (
    select distinct sha256, size_bytes from {schema}.artifacts where workspace = $1 and storage ->> 'kind' = 'blob'
) a"""


class StoreSize(msgspec.Struct):
    """bytes: null while the store does not answer."""

    store: str
    holds: str
    bytes: int | None


class Storage(msgspec.Struct):
    stores: list[StoreSize]


@routes.get("/api/v1/storage", access="viewer", response=Storage)
async def storage(request: Request) -> Response:
    """Bytes on disk of Postgres and the metrics store, and of the workspace's artifacts, each content once."""
    services, workspace = services_of(request), actor_of(request).workspace
    found = await asyncio.gather(
        _or_none(_postgres(services)), _or_none(_points(services)), _or_none(_artifacts(services, workspace))
    )
    holds = (
        ("Postgres", "runs, scores, test sets"),
        ("metrics store", "points of curves, logs"),
        ("object store", "artifacts of this workspace"),
    )
    sizes = [StoreSize(store, what, size) for (store, what), size in zip(holds, found, strict=True)]
    return json_response(Storage(sizes))


async def _postgres(services: Services) -> int:
    return int(await services.stores.pool.fetchval("select pg_database_size(current_database())"))


async def _points(services: Services) -> int:
    rows = await asyncio.to_thread(lambda: services.stores.clickhouse.query(_POINTS).result_rows)
    return int(rows[0][0] or 0)


async def _artifacts(services: Services, workspace: str) -> int:
    schema = await services.stores.versions.schema("artifacts")
    return int(await services.stores.pool.fetchval(_ARTIFACTS.format(schema=schema), workspace))


async def _or_none(size: Awaitable[int]) -> int | None:
    """None while a store is away: what the others hold is told all the same."""
    try:
        return await size
    except Problem:
        return None
    except Exception as error:
        if is_outage(error):
            return None
        raise
