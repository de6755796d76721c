"""GET /runs/{id}/replay: a run as its own events make it, read from the log and folded anew.

What the projections hold of the run, its metrics and attempts is not looked at: their rows are made from the
events by the folds that the projections use, laid out on a desk, and described by the statement that
describes live runs. So an auditor can hold one answer against the other. Other subjects are the
projections': the name and task of the run's experiment, and what is deleted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from speech_experiment_projections.reading import Rejected, read_record
from speech_experiment_projections.replay import MetricsFold, RunFold
from speech_experiment_projections.runs import Run
from speech_experiment_schemas.runs import RunResumed

from ..desks import Subject
from ..log_reader import LogRecord
from ..params import path_uuid
from ..positions import Place, format_positions
from ..problems import Problem
from ..routing import Routes
from ..run_log import Span, Spans, clipped, spans_of
from ..services import Services
from .details import FIELDS
from .documents import MetricSummary, RunDetails
from .past_metrics import Attempt, PastMetrics
from .past_runs import PastRuns
from .plans import Question
from .reading import AS_OF, Reading, reading, visible_runs
from .search import describe
from .sql import on_desk
from .summaries import summaries_of
from .syntax import Query

routes = Routes("replayed runs")
_CHUNK = 1_000


class Reread(msgspec.Struct):
    """What a replay read of the log.

    events    of the run in the topics runs and metrics
    refused   records that are no events, or that the projections park
    bytes     of all of them
    positions where it read, first and after the last: topic:partition:offset
    """

    events: int
    refused: int
    bytes: int
    first: str
    stop: str


class ReplayedRun(RunDetails, kw_only=True):
    """A run as GET /runs/{id} tells of it, with the summaries of all its metrics and ranks."""

    summaries: list[MetricSummary]
    replayed: Reread


@routes.get("/api/v1/runs/{id}/replay", access="viewer", response=ReplayedRun, params=[AS_OF])
async def replayed_run(request: Request) -> Response:
    """The run folded anew out of its events in the log: equal to GET /runs/{id} as of the same vector."""
    run_id = path_uuid(request)
    async with reading(request) as read:
        if read.unchanged:
            return read.not_modified()
        await read.world.runs([run_id])
        await visible_runs(read, [run_id])
    spans = clipped(await spans_of(read.services, run_id), {}, read.vector.places())
    replay = _Replay(read.services, run_id)
    await replay.read({place: each for place, each in spans.items() if place[0] in ("runs", "metrics")})
    run = replay.runs.run
    if run is None:
        raise Problem(409, "log_differs", "the log has no event of this run before the vector; run `verify`")
    return read.answer(await _told(read, run, replay))


class _Replay:
    """The folds of a run, and what was read for them."""

    def __init__(self, services: Services, run_id: UUID) -> None:
        self._services = services
        self._run_id = run_id
        self.runs = RunFold()
        self.metrics = MetricsFold()
        self.events = self.rejected = self.bytes = 0
        self.spans: Spans = {}

    async def read(self, spans: Spans) -> None:
        """Topic by topic; the metrics twice when a later record tells that earlier points count otherwise."""
        self.spans = spans
        for place, each in spans.items():
            fold = self.runs if place[0] == "runs" else self.metrics
            await self._read(place, each, fold)
        if self.metrics.outdated:
            self.metrics = MetricsFold(self.metrics.known)
            for place, each in spans.items():
                if place[0] == "metrics":
                    await self._read(place, each, self.metrics, again=True)

    async def _read(
        self, place: Place, spans: Iterable[Span], fold: RunFold | MetricsFold, *, again: bool = False
    ) -> None:
        for first, stop in spans:
            start = first
            while start < stop:
                piece = await self._services.log_reader.scan(place, start, stop, self._run_id.bytes, _CHUNK)
                await asyncio.to_thread(self._take, piece.records, fold, again)
                start = piece.next_offset

    def _take(self, records: Iterable[LogRecord], fold: RunFold | MetricsFold, again: bool) -> None:
        partitions = self._services.settings.partitions
        for record in records:
            topic, partition, offset, time, _, value, headers = record
            event = read_record(topic, partition, offset, time, value, headers, partitions)
            if not again:
                self.events += 1
                self.bytes += len(value)
                self.rejected += isinstance(event, Rejected)
            if not isinstance(event, Rejected):
                fold.take(event)

    def told(self) -> Reread:
        return Reread(
            events=self.events,
            refused=self.rejected + self.runs.refused + self.metrics.refused,
            bytes=self.bytes,
            first=format_positions({place: each[0][0] for place, each in self.spans.items()}),
            stop=format_positions({place: each[-1][1] for place, each in self.spans.items()}),
        )

    def resumes(self) -> list[Attempt]:
        return [
            Attempt(each.payload.attempt, each.payload.from_step, each.offset, each.time)
            for each in self.metrics.resumes
            if isinstance(each.payload, RunResumed)
        ]


async def _told(read: Reading, run: Run, replay: _Replay) -> msgspec.Raw:
    """The replayed rows as JSON, by the statements that make JSON of live ones."""
    stores, live, workspace = read.services.stores, read.live, read.actor.workspace
    subject = Subject(live.metadata, live.metrics, workspace, f"{read.vector.token()} {run.id} replayed")
    async with stores.desks.taken(subject) as desk:
        past_runs = PastRuns(desk.connection, live, read.vector.below("runs"), workspace)
        past_metrics = PastMetrics(desk.connection, live, read.vector, workspace, stores)
        desk.subject = None  # for this question alone
        await past_runs.experiments()
        await past_runs.lay(run)
        await past_metrics.lay(run.id, replay.metrics.summaries(), replay.resumes())
        tables = on_desk(live)
        question = Question(Query(), read.scope, read.now)
        (told,) = await describe(desk.connection, tables, [run.id], question, FIELDS)
        summaries = await summaries_of(desk.connection, tables, run.id)
    added = msgspec.json.encode({"summaries": summaries, "replayed": replay.told()})
    return msgspec.Raw(bytes(told)[:-1] + b"," + added[1:])
