"""The one judge of every fault test: what log() returned, against log, Postgres and ClickHouse.

A trainer notes every call twice in a file of its own: before it is made and after it returned,
with an id and a hash of what was logged. Afterwards nothing that returned may be lost, nothing may
be there twice, nothing that was never called may be there, each producer's calls stand in order,
and every value is the one that was logged.
"""

from __future__ import annotations

import json
import os
import struct
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import ClassVar
from uuid import UUID

from speech_experiment_infra.connections import clickhouse, kafka_consumer, object_store, postgres_pool
from speech_experiment_infra.settings import Settings
from speech_experiment_schemas import Envelope, InvalidEvent, decode_payload, validate
from speech_experiment_schemas.artifacts import ArtifactLogged, blob_name
from speech_experiment_schemas.ids import key_hash, producer_hash, run_hash
from speech_experiment_schemas.metrics import MetricsLogged, unpack_calls
from speech_experiment_schemas.runs import RunConfigured

from . import hypotheses
from .hypotheses import Spoken

Row = tuple[int, int, int, int, int, int]
"""(run, key, has_step, step, producer, seq): the identity of a metric point."""


def fingerprint(step: int | None, points: dict[str, float]) -> str:
    """A hash of one metrics call, bit for bit (NaN payloads included)."""
    packed = b"".join(key.encode() + struct.pack("<d", value) for key, value in sorted(points.items()))
    return sha256(str(step).encode() + packed).hexdigest()[:16]


class Witness:
    """Writes the oracle's file from inside a trainer; a line survives kill -9 as soon as it is written."""

    def __init__(self, path: Path, *, fsync: bool = False) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._fsync = fsync

    def _note(self, **entry: object) -> None:
        os.write(self._file, json.dumps({**entry, "time": time.monotonic()}).encode() + b"\n")
        if self._fsync:
            os.fdatasync(self._file)

    def will(self, run: UUID, call: str, digest: str) -> None:
        self._note(at="will", run=str(run), call=call, digest=digest)

    def did(self, run: UUID, call: str, digest: str) -> None:
        self._note(at="did", run=str(run), call=call, digest=digest)


Call = tuple[UUID, str]
"""(run, what was called): the identity of a call."""


@dataclass
class Testimony:
    """Call → digest, of calls begun and of calls that returned; `times` are monotonic, of the return."""

    __test__: ClassVar = False  # however its name begins

    begun: dict[Call, str] = field(default_factory=dict)
    returned: dict[Call, str] = field(default_factory=dict)
    times: dict[Call, float] = field(default_factory=dict)

    @classmethod
    def read(cls, *paths: Path) -> Testimony:
        testimony = cls()
        for path in paths:
            for line in path.read_bytes().splitlines():
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue  # a line torn by the kill: that call neither began nor returned for us
                call = UUID(entry["run"]), entry["call"]
                if entry["at"] == "will":
                    testimony.begun[call] = entry["digest"]
                else:
                    testimony.returned[call] = entry["digest"]
                    testimony.times[call] = entry["time"]
        return testimony

    def until(self, moment: float) -> Testimony:
        """The same, but calls that returned later count as begun only."""
        returned = {call: digest for call, digest in self.returned.items() if self.times[call] <= moment}
        return Testimony(self.begun, returned, self.times)

    def add(self, other: Testimony) -> None:
        self.begun |= other.begun
        self.returned |= other.returned
        self.times |= other.times

    @property
    def runs(self) -> set[UUID]:
        return {run for run, _ in self.begun}


@dataclass
class Verdict:
    """Counts of what must not be; `problems` says which, for the first few of each kind.

    figures  what else a scenario measured, for the report
    arrived  every call that the log has
    """

    calls: int = 0
    points: int = 0
    lost: int = 0
    duplicate: int = 0
    phantom: int = 0
    reordered: int = 0
    changed: int = 0
    problems: list[str] = field(default_factory=list)
    figures: dict[str, object] = field(default_factory=dict)
    arrived: set[Call] = field(default_factory=set, repr=False)

    def blame(self, kind: str, what: str) -> None:
        setattr(self, kind, getattr(self, kind) + 1)
        if getattr(self, kind) <= 5:
            self.problems.append(f"{kind}: {what}")

    def __add__(self, other: Verdict) -> Verdict:
        """Both in one; figures are those of the later."""
        counts = ("calls", "points", "lost", "duplicate", "phantom", "reordered", "changed", "problems")
        both = {name: getattr(self, name) + getattr(other, name) for name in counts}
        return Verdict(**both, figures=self.figures | other.figures)

    @property
    def clean(self) -> bool:
        return not (self.lost or self.duplicate or self.phantom or self.reordered or self.changed)

    def __str__(self) -> str:
        counts = f"lost {self.lost}, duplicate {self.duplicate}, phantom {self.phantom}, reordered {self.reordered}, changed {self.changed}"
        return "\n".join([f"{self.calls} calls, {self.points} points: {counts}", *self.problems])


@dataclass
class Log:
    """What the log says of some runs: calls by (producer, seq), in the order of first delivery."""

    metrics: dict[tuple[UUID, int], tuple[UUID, int | None, int, dict[str, float]]] = field(
        default_factory=dict
    )
    configs: dict[tuple[UUID, int], tuple[UUID, dict[str, object]]] = field(default_factory=dict)
    artifacts: dict[tuple[UUID, int], tuple[UUID, str, str]] = field(default_factory=dict)
    spoken: Spoken = field(default_factory=Spoken)
    order: dict[tuple[UUID, str], list[int]] = field(default_factory=lambda: defaultdict(list))


async def judge(settings: Settings, testimony: Testimony) -> Verdict:
    """Compares a testimony with the log, and the log with both stores. Call it after quiescence."""
    verdict = Verdict(calls=len(testimony.returned))
    log = Log()
    async for envelope, replayed in _records(settings, testimony.runs):
        _enter(log, envelope, replayed, verdict)
    _compare_calls(testimony, log, verdict)
    for (producer, stream), seqs in log.order.items():
        if seqs != sorted(seqs):
            verdict.blame("reordered", f"{stream} of producer {producer}")
    await _compare_points(settings, testimony, log, verdict)
    await _compare_configs(settings, testimony, verdict)
    await _compare_contents(settings, log, verdict)
    await hypotheses.compare(settings, testimony.runs, log.spoken, verdict)
    return verdict


async def _records(settings: Settings, runs: set[UUID]) -> Iterator[tuple[Envelope, bool]]:  # type: ignore[misc]
    """Every valid record about the runs, per partition in log order, and whether it was a replay."""
    async with kafka_consumer(settings, "runs", "metrics", "evaluations", "artifacts") as consumer:
        partitions = consumer.assignment()
        ends = await consumer.end_offsets(partitions)
        waiting = {tp for tp in partitions if ends[tp]}
        while waiting:
            for tp, records in (await consumer.getmany(timeout_ms=500)).items():
                for record in records:
                    try:
                        envelope = validate(record.value, control=True)
                    except InvalidEvent:
                        continue  # poison that a test wrote on purpose
                    if envelope.run_id in runs:
                        yield envelope, any(name == "replayed-from" for name, _ in record.headers)
                if records[-1].offset + 1 >= ends[tp]:
                    waiting.discard(tp)


def _enter(log: Log, envelope: Envelope, replayed: bool, verdict: Verdict) -> None:
    if envelope.run_id is None:
        return
    payload = decode_payload(envelope)
    fresh, seq = False, envelope.seq
    if isinstance(payload, MetricsLogged):
        for i, (step, at, _, points) in enumerate(unpack_calls(payload)):
            call = (envelope.run_id, step, at, points)
            if _first(log.metrics, (envelope.producer, envelope.seq + i), call, verdict) and not fresh:
                fresh, seq = True, envelope.seq + i  # a record cut anew may begin with calls known before
    elif isinstance(payload, RunConfigured):
        fresh = _first(
            log.configs, (envelope.producer, envelope.seq), (envelope.run_id, payload.config), verdict
        )
    elif isinstance(payload, ArtifactLogged):
        kept = (envelope.run_id, payload.path, payload.sha256)
        fresh = _first(log.artifacts, (envelope.producer, envelope.seq), kept, verdict)
    else:
        for identity, call in log.spoken.calls_of(envelope, payload):
            if _first(log.spoken.rows, identity, call, verdict) and not fresh:
                fresh, seq = True, identity[1]
    if fresh and not replayed:
        log.order[envelope.producer, envelope.stream].append(seq)


def _first(known: dict, identity: tuple[UUID, int], call: object, verdict: Verdict) -> bool:  # type: ignore[type-arg]
    """Enters a call delivered for the first time; a later delivery must say the same."""
    if identity in known:
        if repr(known[identity]) != repr(call):
            verdict.blame("changed", f"call {identity} was delivered with two contents")
        return False
    known[identity] = call
    return True


def _compare_calls(testimony: Testimony, log: Log, verdict: Verdict) -> None:
    in_log: dict[Call, str] = {}
    for run, step, _, points in log.metrics.values():
        names = [key for key in points if key.endswith("/n")]
        if not names:
            continue  # system metrics, which no trainer called
        call = f"{names[0]}={points[names[0]]:.0f}"
        if (run, call) in in_log:
            verdict.blame("duplicate", f"{call} of run {run} has two sequence numbers")
        in_log[run, call] = fingerprint(step, points)
    for run, config in log.configs.values():
        for key, value in config.items():
            if key.startswith("oracle_"):
                in_log[run, key] = str(value)
    for run, path, digest in log.artifacts.values():
        if (run, f"artifact {path}") in in_log:
            verdict.blame("duplicate", f"artifact {path} of run {run} has two sequence numbers")
        in_log[run, f"artifact {path}"] = digest
    for run, (_, utterance, text) in log.spoken.rows.values():
        call = hypotheses.call_of(utterance)
        if (run, call) in in_log:
            verdict.blame("duplicate", f"{call} of run {run} has two sequence numbers")
        in_log[run, call] = hypotheses.digest_of(text)
    verdict.arrived = set(in_log)
    for identity, digest in testimony.returned.items():
        if identity not in in_log:
            verdict.blame("lost", f"{identity} returned, and is not in the log")
        elif in_log[identity] != digest:
            verdict.blame("changed", f"{identity} in the log")
    for identity in in_log.keys() - testimony.begun.keys():
        verdict.blame("phantom", f"{identity} is in the log, and was never called")


async def _compare_points(settings: Settings, testimony: Testimony, log: Log, verdict: Verdict) -> None:
    expected: dict[Row, tuple[int, bytes]] = {}
    for (producer, seq), (run, step, at, points) in log.metrics.items():
        for key, value in points.items():
            row = (
                run_hash(run),
                key_hash(key),
                int(step is not None),
                step or 0,
                producer_hash(producer),
                seq,
            )
            expected[row] = (at, struct.pack("<d", value))
    verdict.points = len(expected)
    stored = await _stored_points(settings, testimony.runs)
    for row, values in stored.items():
        if row not in expected:
            verdict.blame("phantom", f"point {row} in ClickHouse")
        elif values[0] != expected[row]:
            verdict.blame("changed", f"point {row} in ClickHouse")
        if len(values) > 1:
            verdict.blame("duplicate", f"point {row} stands {len(values)} times in ClickHouse")
    for row in expected.keys() - stored.keys():
        verdict.blame("lost", f"point {row} is in the log, not in ClickHouse")


async def _stored_points(settings: Settings, runs: set[UUID]) -> dict[Row, list[tuple[int, bytes]]]:
    async with postgres_pool(settings) as pool, clickhouse(settings) as client:
        version = await pool.fetchval("select version from projection.live where name = 'metrics'")
        hashes = ", ".join(str(run_hash(run)) for run in runs) or "0"
        result = client.query(
            "select run, key, has_step, step, producer, seq, toUnixTimestamp64Micro(time), reinterpretAsUInt64(value) "
            f"from metric_points_v{version} where run in ({hashes})"
        )
    stored: dict[Row, list[tuple[int, bytes]]] = defaultdict(list)
    for *row, at, bits in result.result_rows:
        stored[tuple(row)].append((at, struct.pack("<Q", bits)))  # type: ignore[index]
    return stored


async def _compare_configs(settings: Settings, testimony: Testimony, verdict: Verdict) -> None:
    async with postgres_pool(settings) as pool:
        version = await pool.fetchval("select version from projection.live where name = 'metadata'")
        rows = await pool.fetch(
            f"select id, config from metadata_v{version}.runs where id = any($1)", list(testimony.runs)
        )
    stored = {
        (row["id"], key): str(value)
        for row in rows
        for key, value in json.loads(row["config"]).items()
        if key.startswith("oracle_")
    }
    called = {
        identity: digest
        for identity, digest in testimony.returned.items()
        if identity[1].startswith("oracle_")
    }
    for identity, digest in called.items():
        if identity not in stored:
            verdict.blame("lost", f"{identity} returned, and is not in Postgres")
        elif stored[identity] != digest:
            verdict.blame("changed", f"{identity} in Postgres")
    for identity in stored.keys() - testimony.begun.keys():
        verdict.blame("phantom", f"{identity} is in Postgres, and was never called")


async def _compare_contents(settings: Settings, log: Log, verdict: Verdict) -> None:
    """Reads every artifact's content back from the object store."""
    if not log.artifacts:
        return
    async with object_store(settings) as objects:
        for run, path, digest in log.artifacts.values():
            with objects.get_object(settings.s3_bucket, blob_name(digest)) as answer:
                if sha256(answer.read()).hexdigest() != digest:
                    verdict.blame("changed", f"content of {path} of run {run}")
