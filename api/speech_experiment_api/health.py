"""Whether the process lives, and whether it can serve."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from .outages import is_outage
from .problems import Problem
from .responses import json_response
from .routing import Routes
from .services import Services, services_of
from .stores import Stores
from .versions import TOPIC_OF

routes = Routes("health")


class Health(msgspec.Struct):
    status: str = "ok"


class Readiness(msgspec.Struct):
    """checks: ok, or what is missing, per part."""

    ready: bool
    checks: dict[str, str]


@routes.get("/healthz", access="public", response=Health)
async def healthz(request: Request) -> Response:
    """The process answers; says nothing about its stores."""
    return json_response(Health())


@routes.get("/readyz", access="public", response=Readiness)
async def readyz(request: Request) -> Response:
    """200 when Postgres, the metrics store, the event log and all projections are there, else 503."""
    checks = await readiness(services_of(request))
    ready = all(value == "ok" for value in checks.values())
    return json_response(Readiness(ready, checks), 200 if ready else 503)


async def readiness(services: Services) -> dict[str, str]:
    """What is ok and what is missing, per part."""
    stores = services.stores
    postgres, store = await asyncio.gather(_check(_postgres(stores)), _check(_store(stores)))
    kafka = (services.writer.barred or "ok") if stores.kafka.ready else stores.kafka.error
    projections = await _check(_projections(stores)) if postgres == "ok" else "needs Postgres"
    return {
        "postgres": postgres,
        "metrics store": store,
        "event log": kafka,
        "projections": projections,
        "first key": "ok" if services.state.bootstrapped else "is not made yet",
    }


async def _check(probe: Coroutine[Any, Any, None]) -> str:
    try:
        await asyncio.wait_for(probe, timeout=2)
    except Problem as problem:
        return problem.detail
    except Exception as error:  # noqa: BLE001 - a failing probe is the answer
        return "does not answer" if is_outage(error) else f"{type(error).__name__}: {error}"
    return "ok"


async def _postgres(stores: Stores) -> None:
    await stores.pool.fetchval("select 1")


async def _store(stores: Stores) -> None:
    await asyncio.to_thread(stores.clickhouse.command, "select 1")


async def _projections(stores: Stores) -> None:
    schemas = await stores.versions.schemas()
    for name in TOPIC_OF:
        if name not in schemas:
            raise LookupError(f"{name} has no live version")
        await stores.pool.fetchval(f"select count(*) from {schemas[name]}.positions")  # noqa: S608
