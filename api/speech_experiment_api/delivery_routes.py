"""Asking for the proof of delivery, of one run or of all."""

from __future__ import annotations

from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from .auth import actor_of
from .delivery import RunDelivery, by_run, run_delivery
from .params import integer, path_uuid, seconds
from .problems import bad_request
from .responses import json_response
from .routing import Param, Routes
from .runs import RUN_PROJECTIONS, ledger_rows, require_run
from .services import Services, services_of
from .versions import PROJECTION_OF, TOPIC_OF

routes = Routes("delivery")
_TIMEOUT = Param("timeout", "seconds to wait for projections that are behind, up to 60 (default 5)", float)


class Deliveries(msgspec.Struct):
    deliveries: list[RunDelivery]
    next_cursor: str | None


@routes.get("/api/v1/runs/{id}/delivery", access="viewer", response=RunDelivery, params=[_TIMEOUT])
async def delivery_of_run(request: Request) -> Response:
    """Whether everything that the run's producers said has arrived, per projection, producer and stream."""
    services, run_id = services_of(request), path_uuid(request)
    behind = await projections_behind(services, seconds(request, "timeout", 5.0, 60.0))
    await require_run(services, actor_of(request), run_id)
    found = by_run(await ledger_rows(services, [run_id]))
    return json_response(run_delivery(run_id, found.get(run_id, []), behind))


@routes.get(
    "/api/v1/delivery",
    access="viewer",
    response=Deliveries,
    params=[
        _TIMEOUT,
        Param("limit", "runs on a page, up to 500 (default 100)", int),
        Param("cursor", "next_cursor of the page before"),
    ],
)
async def delivery_of_all(request: Request) -> Response:
    """The proof of delivery of every run of the workspace: by id, so newest first, behind ids made of names."""
    services, limit = services_of(request), integer(request, "limit", 100, 1, 500)
    behind = await projections_behind(services, seconds(request, "timeout", 5.0, 60.0))
    runs = await _runs(services, actor_of(request).workspace, cursor_of(request), limit)
    found = by_run(await ledger_rows(services, runs))
    page = [run_delivery(run_id, found.get(run_id, []), behind) for run_id in runs]
    return json_response(Deliveries(page, str(runs[-1]) if len(runs) == limit else None))


async def projections_behind(services: Services, patience: float) -> dict[str, int]:
    """Records that were in the log when asked and are not projected after the wait, by projection."""
    ends = await services.ends.of(*(TOPIC_OF[name] for name in RUN_PROJECTIONS))
    wanted = {place: end - 1 for place, end in ends.items() if end}
    if await services.positions.reached(wanted, patience):
        return {}
    projected = await services.positions.next_offsets()
    behind: dict[str, int] = {}
    for place, offset in wanted.items():
        lag = offset + 1 - projected.get(place, 0)
        if lag > 0:
            behind[PROJECTION_OF[place[0]]] = behind.get(PROJECTION_OF[place[0]], 0) + lag
    return behind


async def _runs(services: Services, workspace: str, before: UUID | None, limit: int) -> list[UUID]:
    schema = await services.stores.versions.schema("metadata")
    condition = "id < $3" if before else "$3::uuid is null"
    query = f"select id from {schema}.runs where workspace = $1 and {condition} order by id desc limit $2"  # noqa: S608
    rows = await services.stores.pool.fetch(query, workspace, limit, before)
    return [row["id"] for row in rows]


def cursor_of(request: Request) -> UUID | None:
    text = request.query_params.get("cursor")
    try:
        return UUID(text) if text else None
    except ValueError:
        raise bad_request("is no cursor of this list", "cursor") from None
