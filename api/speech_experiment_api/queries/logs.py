"""GET /runs/{id}/logs: the lines a run wrote, the latest first to be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ..params import integer, path_uuid
from ..problems import bad_request
from ..routing import Param, Routes
from .documents import LogLine, LogLines
from .reading import AS_OF, Reading, reading, visible_runs
from .sql import Binder
from .sql import before as before_position

routes = Routes("logs")
MAX_LINES, DEFAULT_LINES = 10_000, 500
CHANNELS = ("stdout", "stderr", "log")


@dataclass(frozen=True, slots=True)
class Place:
    """Above the line `line` of the record at `offset`."""

    offset: int
    line: int

    def __str__(self) -> str:
        return f"{self.offset}.{self.line}"


@routes.get(
    "/api/v1/runs/{id}/logs",
    access="viewer",
    response=LogLines,
    params=[
        Param("channel", "stdout, stderr or log (default: all)"),
        Param("limit", f"lines, up to {MAX_LINES:,} (default {DEFAULT_LINES})", int),
        Param("before", "of the answer before, for the lines above"),
        AS_OF,
    ],
)
async def run_logs(request: Request) -> Response:
    """The latest lines of a run's output, or those above a place."""
    run_id = path_uuid(request)
    async with reading(request) as read:
        if read.unchanged:
            return read.not_modified()
        await read.world.runs([run_id])
        await visible_runs(read, [run_id])
        return read.answer(msgspec.structs.asdict(await _lines(read, run_id)))


async def _lines(read: Reading, run_id: UUID) -> LogLines:
    request = read.request
    limit = integer(request, "limit", DEFAULT_LINES, 1, MAX_LINES)
    before = _place(request.query_params.get("before"))
    records = await _records(read, run_id, _channel(request), before, limit)
    return latest_lines(records, before, limit)


def latest_lines(records: list[Any], before: Place | None, limit: int) -> LogLines:
    """The last `limit` lines of records that come newest first."""
    found: list[tuple[Place, LogLine]] = []
    for record in records:
        lines = record["lines"]
        if before is not None and record["offset"] == before.offset:
            lines = lines[: before.line]
        for index in range(len(lines) - 1, -1, -1):
            line = LogLine(record["channel"], record["first"] + index, lines[index], record["time"])
            found.append((Place(record["offset"], index), line))
            if len(found) > limit:
                break
    more = len(found) > limit
    shown = found[:limit]
    return LogLines([line for _, line in reversed(shown)], str(shown[-1][0]) if more else None)


async def _records(
    read: Reading, run_id: UUID, channel: str | None, before: Place | None, limit: int
) -> list[Any]:
    """The newest records that hold more than `limit` lines in sum, if there are as many."""
    bind = Binder()
    where = [f"run_id = {bind(run_id, 'uuid')}"]
    if channel is not None:
        where.append(f"channel = {bind(channel, 'text')}")
    if before is not None:
        where.append(f'"offset" <= {bind(before.offset, "bigint")}')
    if read.past:
        where.append(before_position(read.vector.below("runs"), "o", bind))
    newest = (
        f'select "offset", channel, first, lines, time from {read.live.metadata}.run_output o '
        f'where {" and ".join(where)} order by "offset" desc limit {limit + 2}'
    )
    lines = "cardinality(lines)"
    if before is not None:
        lines = f'case when "offset" = {before.offset} then {before.line} else {lines} end'
    counted = (
        f'select *, sum({lines}) over (order by "offset" desc) - {lines} as above from ({newest}) newest'
    )
    sql = f'select * from ({counted}) counted where above <= {limit} order by "offset" desc'
    return await read.fetch(sql, *bind.values)


def _channel(request: Request) -> str | None:
    channel = request.query_params.get("channel")
    if channel is not None and channel not in CHANNELS:
        raise bad_request(f"must be one of {', '.join(CHANNELS)}, got {channel[:50]!r}", "channel")
    return channel


def _place(text: str | None) -> Place | None:
    if not text:
        return None
    offset, _, line = text.partition(".")
    if not all(part.isascii() and part.isdecimal() and len(part) <= 18 for part in (offset, line)):
        raise bad_request("use `before` as the answer before gave it", "before")
    return Place(int(offset), int(line))
