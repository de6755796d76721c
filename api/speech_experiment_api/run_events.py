"""A run's events as the log has them: the audit trail."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec
from msgspec.structs import asdict
from starlette.requests import Request
from starlette.responses import Response

from .auth import actor_of
from .events_json import LoggedEvent, logged_event
from .params import flag, integer, moment, path_uuid
from .positions import Place, format_positions, parse_positions
from .problems import bad_request
from .queries.reading import AS_OF, missing_run, reading
from .routing import Param, Routes
from .run_log import Spans, clipped, read_page, spans_of
from .runs import RUN_PROJECTIONS, require_shown
from .services import Services, services_of
from .versions import TOPIC_OF

routes = Routes("run events")
_TOPICS = tuple(TOPIC_OF[name] for name in RUN_PROJECTIONS)
_PAGE_BYTES, _PAGE_OF_POINTS_BYTES = 16_000_000, 2_000_000


class Events(msgspec.Struct):
    """next_cursor is null when the page holds the run's last event; a page may be empty before that.

    position  to be given as the cursor later: what the run does after this page
    share     of what was asked for, how much is read with this page, from 0 to 1
    """

    events: list[LoggedEvent]
    next_cursor: str | None
    position: str
    share: float
    vector: str = ""


@routes.get(
    "/api/v1/runs/{id}/events",
    access="viewer",
    response=Events,
    params=[
        Param("stream", "only of this topic: runs, metrics or artifacts"),
        Param("since", "that the broker took from this moment or day on, ISO 8601, UTC unless it says else"),
        Param("until", "that it took before this moment, or to the end of this day"),
        Param("limit", "events on a page, up to 1,000 (default 200)", int),
        Param("points", "with all points of metrics (default false: how many)", bool),
        Param("cursor", "next_cursor of the page before, or its position"),
        AS_OF,
    ],
)
async def run_events(request: Request) -> Response:
    """The run's events by the broker's time, each with its position and actor. Of a deleted run for admins.

    The same vector has the same events; share and cursors tell of the reading, which the log's growth changes.
    """
    services, actor, run_id = services_of(request), actor_of(request), path_uuid(request)
    await require_shown(services, actor, run_id)
    limit, points = integer(request, "limit", 200, 1, 1_000), flag(request, "points")
    after = parse_positions(request.query_params.get("cursor", ""))
    async with reading(request) as read:
        if read.unchanged:
            return read.not_modified()
    spans = clipped(await spans_of(services, run_id), {}, read.vector.places())
    if read.past and not spans:
        raise missing_run(run_id, read)
    spans = await _asked_for(request, services, spans)
    size = _PAGE_OF_POINTS_BYTES if points else _PAGE_BYTES
    page = await read_page(services.log_reader, spans, after, run_id.bytes, limit, size)
    found = (logged_event(record, points=points) for record in page.records)
    events = [event for event in found if event is not None and event.workspace == actor.workspace]
    position = format_positions({**after, **page.next_offsets})
    cursor = None if page.complete(spans) else format_positions(page.next_offsets)
    return read.answer(asdict(Events(events, cursor, position, page.share(spans))))


async def _asked_for(request: Request, services: Services, spans: Spans) -> Spans:
    spans = _chosen(spans, request.query_params.get("stream"))
    since, until = moment(request, "since"), moment(request, "until", end=True)
    first = await _offsets(services, spans, since) if since else {}
    stop = await _offsets(services, spans, until) if until else {}
    return clipped(spans, first, stop)


def _chosen(spans: Spans, stream: str | None) -> Spans:
    if stream is None:
        return spans
    if stream not in _TOPICS:
        raise bad_request(f"must be one of {', '.join(_TOPICS)}", "stream")
    return {place: each for place, each in spans.items() if place[0] == stream}


async def _offsets(services: Services, spans: Spans, time: datetime) -> Mapping[Place, int]:
    return await services.ends.at_time(spans, time)
