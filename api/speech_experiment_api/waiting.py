"""Read-your-write: waiting until positions in the log are queryable."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from .params import seconds
from .positions import format_positions, parse_positions
from .problems import Problem, bad_request
from .responses import json_response
from .routing import Param, Routes
from .services import services_of

routes = Routes("waiting")
_LONGEST_WAIT = 60.0


class Queryable(msgspec.Struct):
    queryable: bool


@routes.get(
    "/api/v1/wait",
    access="viewer",
    response=Queryable,
    params=[
        Param("positions", "topic:partition:offset, comma-separated, as ingest answered them", required=True),
        Param("timeout", "seconds to wait, up to 60 (default 5)", float),
    ],
)
async def wait(request: Request) -> Response:
    """Answers once the projections are beyond the given positions; 408 when they are not in time."""
    wanted = parse_positions(request.query_params.get("positions", ""))
    if not wanted:
        raise bad_request("name at least one position, e.g. runs:0:17", "positions")
    timeout = seconds(request, "timeout", 5.0, _LONGEST_WAIT)
    positions = services_of(request).positions
    if await positions.reached(wanted, timeout):
        return json_response(Queryable(True))
    projected = await positions.next_offsets()
    now = format_positions({place: projected.get(place, 0) for place in wanted})
    detail = f"not projected within {timeout:g} s; the next offsets to be projected are {now}"
    raise Problem(408, "not_queryable", detail, extra={"queryable": False})
