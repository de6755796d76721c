"""GET /api/v1/live: server-sent events of what happens in runs, as the log takes it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from speech_experiment_schemas.ids import partition_of

from .actors import Actor
from .auth import actor_of, credential
from .key_ring import CACHE_SECONDS
from .live_messages import Message, messages
from .live_tail import TOPICS, Viewer
from .log_reader import LogRecord
from .outages import is_outage
from .positions import Place, format_positions, parse_positions
from .problems import Problem, bad_request
from .routing import Param, Routes
from .services import Services, services_of

routes = Routes("live")
_STREAM = "text/event-stream"
_MOST_RUNS = 100
_COALESCE_SECONDS = 0.1
_HEARTBEAT_SECONDS = 10.0
_CATCH_UP_RECORDS = 2_000


@routes.get(
    "/api/v1/live",
    access="viewer",
    produces=_STREAM,
    params=[
        Param("run", "a run to follow; may be repeated; none: all runs, without metrics", UUID, many=True),
        Param("key", "only this metric; may be repeated", many=True),
    ],
)
async def live(request: Request) -> Response:
    """Server-sent events: points, status, log, artifact, changed, heartbeat, lost, lagged.

    Their ids are positions in the log: Last-Event-ID goes on where a connection broke off.
    """
    viewing = Viewing(
        services_of(request),
        actor_of(request),
        credential(request),
        _runs(request),
        request.query_params.getlist("key"),
        parse_positions(request.headers.get("last-event-id", "")),
    )
    return StreamingResponse(
        viewing.stream(), media_type=_STREAM, headers={"X-Accel-Buffering": "no", "Cache-Control": "no-store"}
    )


def _runs(request: Request) -> list[UUID]:
    texts = request.query_params.getlist("run")
    if len(texts) > _MOST_RUNS:
        raise bad_request(f"at most {_MOST_RUNS} runs at once, got {len(texts)}", "run")
    try:
        return [UUID(text) for text in texts]
    except ValueError:
        raise bad_request("must be the id of a run", "run") from None


@dataclass(frozen=True, slots=True)
class Viewing:
    """One viewer's connection."""

    services: Services
    actor: Actor
    credential: str
    runs: Collection[UUID]
    keys: Collection[str]
    since: Mapping[Place, int]

    async def stream(self) -> AsyncIterator[bytes]:
        """What happened since the last event, then what happens, until the server or the key goes."""
        viewer = Viewer(self.actor.workspace, self.runs)
        try:
            async with self.services.tail.watching(viewer) as begin:
                vector = {place: self.since.get(place, offset) for place, offset in begin.items()}
                yield frame("hello", {"runs": list(self.runs)}, vector)
                async for records, lagged in self._missed(viewer, vector, begin):
                    yield self._told(records, lagged, vector)
                async for records in self._news(viewer):
                    yield self._told(records, viewer.dropped, vector) if records else b": alive\n\n"
                    viewer.dropped = 0
        except (Problem, TimeoutError) as problem:
            yield frame("error", {"detail": str(problem) or "the event log cannot be reached"}, {})

    async def _news(self, viewer: Viewer) -> AsyncIterator[list[LogRecord]]:
        beat, check = time.monotonic(), time.monotonic()
        while not self.services.stopping.is_set():
            records = await viewer.take(CACHE_SECONDS)
            now = time.monotonic()
            if now - check >= CACHE_SECONDS:
                check = now
                if not await self._still_welcome():
                    return
            if records:
                yield records
                await asyncio.sleep(_COALESCE_SECONDS)
            if records or now - beat >= _HEARTBEAT_SECONDS:
                if not records:
                    yield []
                beat = now

    async def _still_welcome(self) -> bool:
        """A revoked key ends its streams; a store that is away does not."""
        try:
            return await self.services.stores.keys.recognise(self.credential) == self.actor
        except Exception as error:
            if isinstance(error, Problem) or is_outage(error):
                return True
            raise

    async def _missed(
        self, viewer: Viewer, vector: Mapping[Place, int], begin: Mapping[Place, int]
    ) -> AsyncIterator[tuple[list[LogRecord], int]]:
        """The records between the last event that the viewer has and the first that it will see live."""
        for place in self._places() if self.since else ():
            start, stop = vector[place], begin[place]
            key = next(iter(self.runs)).bytes if len(self.runs) == 1 else None
            piece = await self.services.log_reader.scan(place, start, stop, key, _CATCH_UP_RECORDS)
            records = [record for record in piece.records if viewer.wants(record)]
            if records or piece.next_offset < stop:
                yield records, max(0, stop - piece.next_offset)

    def _places(self) -> list[Place]:
        """Where the runs followed are written."""
        count = self.services.settings.partitions
        partitions = {partition_of(run.bytes, count) for run in self.runs} or set(range(count))
        topics = TOPICS if self.runs else ("runs", "artifacts")
        return [(topic, partition) for topic in topics for partition in sorted(partitions)]

    def _told(self, records: list[LogRecord], lagged: int, vector: dict[Place, int]) -> bytes:
        """The frames of a batch; only the last carries the id, so that a cut-off batch comes again."""
        told: list[Message] = [("lagged", {"dropped": lagged})] if lagged else []
        told += messages(records, self.keys)
        for record in records:
            place = (record.topic, record.partition)
            vector[place] = max(vector.get(place, 0), record.offset + 1)
        bodies = [frame(name, data, {}) for name, data in told[:-1]]
        return b"".join([*bodies, *(frame(name, data, vector) for name, data in told[-1:])])


def frame(name: str, data: object, vector: Mapping[Place, int]) -> bytes:
    """One server-sent event; the id is left out when the vector is empty."""
    identity = f"id: {format_positions(vector)}\n".encode() if vector else b""
    return identity + f"event: {name}\ndata: ".encode() + msgspec.json.encode(data) + b"\n\n"
