"""Whether all that the system remembers of some runs is what the log says of them.

The log is read once for all runs, up to where each projection stood when Postgres was asked; what comes
later is the projections' lag, and no loss. Folds and comparisons are pure, and those of the projections.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple
from uuid import UUID

from speech_experiment_projections.evaluation_check import check_evaluations
from speech_experiment_projections.evidence import Evidence
from speech_experiment_projections.evidence import Place as At
from speech_experiment_projections.experiment_check import check_experiment
from speech_experiment_projections.findings import Finding, rebuild, when
from speech_experiment_projections.ledger import Account
from speech_experiment_projections.ledger_check import PROJECTION, check_ledger, check_log, points_of
from speech_experiment_projections.points_check import compare_points, compare_records
from speech_experiment_projections.reading import Rejected, read_record
from speech_experiment_projections.recorded import Recorded
from speech_experiment_projections.row_check import check_artifacts, check_run
from speech_experiment_projections.summaries_check import (
    check_results,
    check_summaries,
    curve_runs,
    expected_results,
    expected_values,
    stored_values,
)
from speech_experiment_schemas.ids import producer_hash, run_hash
from speech_experiment_schemas.metrics import MetricsLogged

from .log_reader import LogRecord
from .log_sweep import Moment, Stretch, offsets_at, sweep
from .positions import Place
from .runs import tables_of_runs
from .services import Services
from .stored_objects import check_contents
from .stored_points import StoredPoints, Sum
from .stored_runs import StoredRuns, names_of_keys, stored_runs
from .verification_answers import RunVerification, answers

_MARGIN_MS = 60_000
_SUSPECTS = 100
"""Records of one producer that are read again to name single points."""
_EXPERIMENT_READS = 200
"""Events of experiments that lie outside what is read of the runs, and are looked up one by one."""


class Question(NamedTuple):
    """What is asked: these runs, contents read again or not, an answer by `deadline` (monotonic).

    elsewhere  the workspace whose other runs, met on the way, must be known to Postgres; None: look at none
    """

    runs: Sequence[UUID]
    contents: bool
    deadline: float
    elsewhere: str | None = None


class Answer(NamedTuple):
    """elsewhere: runs that the log tells of and no table knows."""

    runs: list[RunVerification]
    elsewhere: list[Finding]


async def verify(services: Services, question: Question, behind: Mapping[str, int]) -> Answer:
    """Verifies the runs; raises Problem 503 when that takes too long."""
    if not question.runs:
        return Answer([], [])
    stored = await stored_runs(services, question.runs)
    reading = _Reading(services, question, stored)
    await reading.read()
    # Points are compared beside the rest: it is mostly waiting for the metrics store.
    findings, of_points = await asyncio.gather(asyncio.to_thread(reading.compare), reading.compare_points())
    findings += await reading.compare_experiments()
    findings += of_points
    findings += await check_contents(
        services, reading.evidence["artifacts"].artifacts.values(), question.contents, question.deadline
    )
    told = answers(question.runs, reading.evidence, findings, behind)
    return Answer(told, await _unknown(services, reading.others))


class _Reading:
    """The evidence of the log, and what is compared with it."""

    def __init__(self, services: Services, question: Question, stored: StoredRuns) -> None:
        self._services = services
        self._question = question
        self._stored = stored
        self._keys = {run.bytes for run in question.runs}
        self._wanted = frozenset(question.runs)
        self._experiments = {each.bytes for each in stored.experiments}
        self._events: dict[At, Recorded | None] = {}
        self.others: dict[bytes, Finding | None] = {}
        self.evidence = {topic: Evidence(topic, self._wanted, stored.parked(topic)) for topic in PROJECTION}

    async def read(self) -> None:
        stretches = await _stretches(self._services, self._stored)
        async for chunk in sweep(self._services.settings, stretches, self._question.deadline):
            await asyncio.to_thread(self._take, chunk)
        for evidence in self.evidence.values():
            await asyncio.to_thread(evidence.settle)

    def _take(self, chunk: Iterable[LogRecord]) -> None:
        partitions, elsewhere = self._services.settings.partitions, self._question.elsewhere
        for record in chunk:
            if record.key in self._keys:
                self.evidence[record.topic].take(_event(record, partitions))
            elif record.key in self._experiments:
                self._spoken(record)
            elif elsewhere is not None and record.key is not None and record.key not in self.others:
                self.others[record.key] = _stray(record, elsewhere, partitions)

    def _spoken(self, record: LogRecord) -> None:
        """An event of an experiment."""
        if record.topic == "runs":
            event = _event(record, self._services.settings.partitions)
            place = (record.partition, record.offset)
            self._events[place] = None if isinstance(event, Rejected) else event

    def compare(self) -> list[Finding]:
        """All that Postgres holds, and the chains of the log itself."""
        stored = self._stored
        found = [
            each
            for topic, evidence in self.evidence.items()
            for each in chain(check_log(evidence), check_ledger(evidence, stored.ledger.get(topic, {})))
        ]
        for run, tables in stored.runs.items():
            found += check_run(self.evidence["runs"], run, tables)
        found += check_artifacts(self.evidence["artifacts"], stored.artifacts)
        found += check_evaluations(self.evidence["evaluations"], stored.evaluations)
        return found + self._parked()

    def _parked(self) -> list[Finding]:
        """Dead letters of the runs' own workspace that nobody has replayed."""
        return [
            Finding(
                where="postgres",
                kind="parked",
                run=letter.run,
                stream=letter.topic,
                partition=letter.partition,
                offsets=(letter.offset, letter.offset),
                what=f"a record is parked: {letter.reason}: {letter.error}",
                next_step=f"speech-tracker dead-letters replay {PROJECTION[letter.topic]} {letter.id}",
            )
            for letter in self._stored.letters
            if not letter.replayed
            and letter.reason != "forbidden"
            and self.evidence[letter.topic].accounts.owners.get(letter.run) == letter.workspace
        ]

    async def compare_experiments(self) -> list[Finding]:
        """The experiments of the runs, each with the first of its runs."""
        stored = self._stored
        of = {
            tables.row["experiment_id"]: run
            for run, tables in reversed(stored.runs.items())
            if tables.row is not None
        }
        await self._look_up(
            [place for each in stored.experiments.values() for place, _ in each.versions[::-1]]
        )
        return [
            finding
            for experiment, tables in stored.experiments.items()
            for finding in check_experiment(experiment, of[experiment], tables, self._events)
        ]

    async def _look_up(self, places: Iterable[At]) -> None:
        """Events at these places that were not met on the way, as many as may be asked for."""
        unread = [place for place in dict.fromkeys(places) if place not in self._events]
        for partition, offset in unread[:_EXPERIMENT_READS]:
            piece = await self._services.log_reader.scan(("runs", partition), offset, offset + 1, None, 1)
            self._events[partition, offset] = None
            for record in piece.records:
                self._spoken(record)

    async def compare_points(self) -> list[Finding]:
        version = self._stored.versions.get("metrics")
        if version is None:
            return []
        points = StoredPoints(self._services, version, self._stored.next_offsets)
        sums = await points.sums(self._question.runs)
        evidence = self.evidence["metrics"]
        accounts = {
            (run_hash(account[1]), producer_hash(account[0])): account
            for account in evidence.lines
            if account[1] is not None
        }
        found: list[Finding] = []
        for place, account in accounts.items():
            if sums.pop(place, Sum(0, 0)) != points_of(evidence.lines[account]):
                found += await self._compare_account(points, account)
        runs = {run_hash(run): run for run in self._question.runs}
        found += [_nobodys(runs[run], producer, stored.points) for (run, producer), stored in sums.items()]
        return found + await self._compare_summaries(points, {finding.run for finding in found})

    async def _compare_summaries(
        self, points: StoredPoints, damaged: Collection[UUID | None]
    ) -> list[Finding]:
        """Of runs whose points are right: of the others' the points come first."""
        runs = [run for run in self._question.runs if run not in damaged]
        found = await points.summaries(curve_runs(self.evidence["metrics"], runs)) if runs else []
        expected = expected_values(found, {run_hash(run): run for run in runs})
        names = await names_of_keys(self._services, {key for _, key, _ in expected})
        summaries = [row for row in self._stored.summaries if row["run_id"] not in damaged]
        results = [row for row in self._stored.results if row["run_id"] not in damaged]
        return [
            *check_summaries(expected, stored_values(summaries), names),
            *check_results(expected_results(expected, names), results),
        ]

    async def _compare_account(self, points: StoredPoints, account: Account) -> list[Finding]:
        producer, run, _ = account
        assert run is not None  # noqa: S101 - the caller's accounts have one
        evidence = self.evidence["metrics"]
        stored = await points.by_record(run, producer_hash(producer))
        found, suspects = await asyncio.to_thread(compare_records, evidence, account, stored)
        partition = evidence.accounts.entries[account].partition
        for offset in suspects[:_SUSPECTS]:
            payload = await self._read_again(partition, offset)
            if payload is not None:
                rows = await points.of_record(run, producer, offset)
                found += compare_points(evidence, account, offset, payload, rows)
        return found

    async def _read_again(self, partition: int, offset: int) -> MetricsLogged | None:
        stretches = {("metrics", partition): Stretch(offset, offset + 1)}
        settings = self._services.settings
        async for chunk in sweep(settings, stretches, self._question.deadline):
            for record in chunk:
                recorded = _event(record, settings.partitions)
                if not isinstance(recorded, Rejected) and isinstance(recorded.payload, MetricsLogged):
                    return recorded.payload
        return None


def _nobodys(run: UUID, producer: int, points: int) -> Finding:
    return Finding(
        where="clickhouse",
        kind="surplus",
        run=run,
        stream="metrics",
        what=f"{points:,} points of a producer (hash {producer}) that the log does not know",
        next_step=rebuild("metrics"),
    )


async def _stretches(services: Services, stored: StoredRuns) -> dict[Place, Stretch]:
    """Where records of the runs may lie: where a ledger says so, and what came in while any says they spoke.

    A ledger that has lost a row is so found out by the others'.
    """
    rows = [(topic, each) for topic, accounts in stored.ledger.items() for each in accounts.values()]
    seen = [each for _, each in rows]
    first = min((each.first_seen for each in seen), default=0)
    last = max((each.last_seen for each in seen), default=-1)
    for tables in stored.runs.values():
        if tables.row is not None:
            first = min(first or tables.row["created_at"], tables.row["created_at"])
            last = max(last, tables.row["updated_at"])
    moment = Moment(max(0, first // 1000 - _MARGIN_MS), max(0, last // 1000 + _MARGIN_MS))
    places = [place for place in stored.next_offsets if place[0] in PROJECTION]
    found, ends = await offsets_at(services.settings, dict.fromkeys(places, moment))
    for topic, each in rows:
        place = (topic, each.partition)
        if place in found:
            start, stop = found[place]
            found[place] = Stretch(min(start, each.first_offset), max(stop, each.last_offset + 1))
    return {
        place: Stretch(stretch.start, min(stretch.stop, stored.next_offsets[place], ends[place]))
        for place, stretch in found.items()
    }


def _event(record: LogRecord, partitions: int) -> Recorded | Rejected:
    topic, partition, offset, timestamp, _, value, headers = record
    return read_record(topic, partition, offset, timestamp, value, headers, partitions)


def _stray(record: LogRecord, workspace: str, partitions: int) -> Finding | None:
    """What to say of a record's run, if it is the workspace's and no table knows it."""
    recorded = _event(record, partitions)
    if isinstance(recorded, Rejected) or recorded.workspace != workspace or recorded.envelope.run_id is None:
        return None
    return Finding(
        where="postgres",
        kind="missing",
        run=recorded.envelope.run_id,
        stream=record.topic,
        producer=recorded.envelope.producer,
        partition=record.partition,
        offsets=(record.offset, record.offset),
        since=when(recorded.time),
        what="the log tells of a run that no table knows",
        next_step=rebuild(PROJECTION[record.topic]),
    )


async def _unknown(services: Services, others: Mapping[bytes, Finding | None]) -> list[Finding]:
    """Of runs met on the way, those that no table names."""
    met = {finding.run: finding for finding in others.values() if finding is not None}
    if not met:
        return []
    query = " union ".join(
        f"select {column} from {table} where {column} = any($1)"  # noqa: S608
        for table, column in await tables_of_runs(services)
    )
    known = {row[0] for row in await services.stores.pool.fetch(query, list(met))}
    return [finding for run, finding in met.items() if run not in known]


def by(seconds: float) -> float:
    """The moment so many seconds from now, on the monotonic clock."""
    return time.monotonic() + seconds
