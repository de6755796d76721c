"""A run's events as the log has them: the audit trail."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from .auth import actor_of
from .events_json import LoggedEvent, logged_event
from .log_reader import LogRecord, Piece
from .params import flag, integer, path_uuid
from .positions import Place, format_positions, parse_positions
from .problems import bad_request
from .responses import json_response
from .routing import Param, Routes
from .runs import RUN_PROJECTIONS, ranges, require_run
from .services import Services, services_of
from .versions import TOPIC_OF

routes = Routes("run events")
_TOPICS = tuple(TOPIC_OF[name] for name in RUN_PROJECTIONS)


class Events(msgspec.Struct):
    """next_cursor is null when the page holds the run's last event; a page may be empty before that."""

    events: list[LoggedEvent]
    next_cursor: str | None


@routes.get(
    "/api/v1/runs/{id}/events",
    access="viewer",
    response=Events,
    params=[
        Param("stream", "only of this topic: runs, metrics or artifacts"),
        Param("limit", "events on a page, up to 1,000 (default 200)", int),
        Param("points", "with all points of metrics (default false: how many)", bool),
        Param("cursor", "next_cursor of the page before"),
    ],
)
async def run_events(request: Request) -> Response:
    """The run's events by the broker's time, each with its position and actor."""
    services, run_id = services_of(request), path_uuid(request)
    await require_run(services, actor_of(request), run_id)
    limit, points = integer(request, "limit", 200, 1, 1_000), flag(request, "points")
    spans = _chosen(await ranges(services, run_id), request.query_params.get("stream"))
    starts = _starts(spans, request.query_params.get("cursor"))
    page = merge(await _read(services, spans, starts, run_id.bytes, limit), spans, limit)
    events = [event for record in page.records if (event := logged_event(record, points=points))]
    cursor = None if page.complete(spans) else format_positions(page.next_offsets)
    return json_response(Events(events, cursor))


def _chosen(spans: dict[Place, tuple[int, int]], stream: str | None) -> dict[Place, tuple[int, int]]:
    if stream is None:
        return spans
    if stream not in _TOPICS:
        raise bad_request(f"must be one of {', '.join(_TOPICS)}", "stream")
    return {place: span for place, span in spans.items() if place[0] == stream}


def _starts(spans: Mapping[Place, tuple[int, int]], cursor: str | None) -> dict[Place, int]:
    given = parse_positions(cursor) if cursor else {}
    return {place: max(first, given.get(place, first)) for place, (first, _) in spans.items()}


async def _read(
    services: Services,
    spans: Mapping[Place, tuple[int, int]],
    starts: Mapping[Place, int],
    key: bytes,
    limit: int,
) -> dict[Place, Piece]:
    scan = services.log_reader.scan
    pieces = await asyncio.gather(
        *(scan(place, starts[place], stop, key, limit) for place, (_, stop) in spans.items())
    )
    return dict(zip(spans, pieces, strict=True))


class Page(NamedTuple):
    records: list[LogRecord]
    next_offsets: dict[Place, int]

    def complete(self, spans: Mapping[Place, tuple[int, int]]) -> bool:
        return all(self.next_offsets[place] >= stop for place, (_, stop) in spans.items())


def merge(pieces: Mapping[Place, Piece], spans: Mapping[Place, tuple[int, int]], limit: int) -> Page:
    """The earliest `limit` records of all topics, none later than what a topic may still bring."""
    horizon = min(
        (_frontier(piece) for place, piece in pieces.items() if piece.next_offset < spans[place][1]),
        default=None,
    )
    ordered = sorted(
        (record for piece in pieces.values() for record in piece.records),
        key=lambda record: (record.time, record.topic, record.partition, record.offset),
    )
    page = [record for record in ordered if horizon is None or record.time <= horizon][:limit]
    return Page(page, _next_offsets(pieces, page))


def _frontier(piece: Piece) -> int:
    """Nothing of this topic that comes later has an earlier time than its last record here."""
    return piece.records[-1].time if piece.records else 0


def _next_offsets(pieces: Mapping[Place, Piece], page: list[LogRecord]) -> dict[Place, int]:
    """Per topic the first record left out, or where the scan ended."""
    shown = {(record.topic, record.partition, record.offset) for record in page}
    return {
        place: next(
            (record.offset for record in piece.records if (*place, record.offset) not in shown),
            piece.next_offset,
        )
        for place, piece in pieces.items()
    }
