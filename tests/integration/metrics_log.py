"""Logs of metrics made by hand and delivered badly, and what a plain loop over the log makes of them."""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from speech_experiment_consumers.clickhouse_points import Span
from speech_experiment_consumers.cluster import cluster_id
from speech_experiment_consumers.intake import Accepted, take_in
from speech_experiment_consumers.metrics_recovery import fetch
from speech_experiment_consumers.metrics_sink import MetricsSink
from speech_experiment_consumers.sink import Incoming
from speech_experiment_infra.connections import clickhouse, kafka_consumer, kafka_producer, postgres_pool
from speech_experiment_infra.migrate import create_projection
from speech_experiment_infra.settings import Settings
from speech_experiment_projections import exact, ledger
from speech_experiment_projections.effective import Resume, cutoffs
from speech_experiment_projections.metrics import Piece, Series, admitted
from speech_experiment_projections.refusal import Refused
from speech_experiment_schemas import Sealer
from speech_experiment_schemas.ids import uuid7
from speech_experiment_schemas.metrics import Call, MetricsLogged, pack_calls
from speech_experiment_schemas.producers import ProducerClosed, ProducerOpened, SeqVoided
from speech_experiment_schemas.runs import RunResumed
from speech_experiment_schemas.stamps import stamp
from tests.unit.metrics.naive import Point, comparable, naive_points, naive_summaries

TOPIC = "metrics"
KEYS = ["loss", "lr", "grad/norm", "test-clean_wer", "val_wer", "wer_beam10_lm0.5"]
Message = tuple[bytes, bytes]
"""(record key, record)"""


@dataclass
class Run:
    """A run that logs at random: several ranks, resumed once or twice, cut in several ways."""

    dice: random.Random
    id: UUID = field(default_factory=uuid7)

    def messages(self, attempts: int = 1, ranks: int = 1, calls: int = 60) -> list[Message]:
        made: list[bytes] = []
        first = 0
        for attempt in range(1, attempts + 1):
            resume = None if attempt == 1 else RunResumed(attempt=attempt, from_step=first)
            for rank in range(ranks):
                made += self._speak(attempt, rank, first, calls, resume if rank == 0 else None)
            first += self.dice.randrange(1, calls)
        return [(self.id.bytes, record) for record in made]

    def _speak(
        self, attempt: int, rank: int, first: int, calls: int, resume: RunResumed | None
    ) -> list[bytes]:
        """The records of one producer; calls are sealed twice, cut in different places."""
        producer, subject = uuid7(), ("run", self.id)
        logged = [self._call(first + n) for n in range(calls)]
        records: list[bytes] = []
        for turn in range(2):
            sealer = Sealer(producer, TOPIC)
            sealed = [sealer.seal(ProducerOpened(rank=rank, attempt=attempt), subject)]
            if resume is not None:
                sealed.append(sealer.seal(resume, subject))
            sealed += self._cut(sealer, logged)
            sealed.append(sealer.seal(SeqVoided(reason="dropped"), subject, count=3))
            sealed.append(sealer.seal(ProducerClosed(reason="finished"), subject))
            records += sealed if turn == 0 else sealed[1:]
        return records

    def _cut(self, sealer: Sealer, logged: list[Call]) -> list[bytes]:
        records = []
        start = 0
        while start < len(logged):
            end = min(len(logged), start + self.dice.randrange(1, 20))
            payload = pack_calls(logged[start:end])
            records.append(sealer.seal(payload, ("run", self.id), count=end - start))
            start = end
        return records

    def _call(self, step: int) -> Call:
        dice = self.dice
        keys = dice.sample(KEYS, dice.randrange(0, len(KEYS)))
        special = [float("nan"), float("inf"), float("-inf")]
        values = {key: dice.choice(special) if dice.random() < 0.02 else dice.gauss(0, 1) for key in keys}
        epoch = step / 10 if dice.random() < 0.5 else None
        return (step if dice.random() < 0.9 else None), 1_763_900_000_000_000 + step * 1_000, epoch, values


def disorder(dice: random.Random, messages: list[Message], copies: int = 3) -> list[Message]:
    """Every message so many times, in any order."""
    deck = messages * copies
    dice.shuffle(deck)
    return deck


async def append(
    settings: Settings, messages: list[Message], workspace: str = "default", *, topic: str = TOPIC
) -> None:
    """Straight into the topic, past the gateway."""
    headers = stamp("key:test", workspace)
    async with kafka_producer(settings) as producer:
        sent = [await producer.send(topic, record, key=key, headers=headers) for key, record in messages]
        for each in sent:
            await each


async def read_log(settings: Settings, start: int = 0, *, topic: str = TOPIC) -> list[Incoming]:
    """Every record of the topic, from an offset on in each partition; a partition's in order."""
    async with kafka_consumer(settings, topic) as consumer:
        ends = await consumer.end_offsets(consumer.assignment())
    vector = {place.partition: Span(start, end - 1) for place, end in ends.items() if end > start}
    return [record async for record in fetch(settings, topic, vector)] if vector else []


@asynccontextmanager
async def open_sink(settings: Settings, version: int) -> AsyncIterator[tuple[MetricsSink, int]]:
    """A sink that has taken the topic over, and where it reads on."""
    sink = MetricsSink(settings, version)
    await sink.open(await cluster_id(settings, TOPIC))
    try:
        yield sink, (await sink.next_offsets([0]))[0]
    finally:
        sink._flight = None
        await sink.close()


async def create_tables(settings: Settings, version: int, projection: str = "metrics") -> None:
    async with postgres_pool(settings) as pool, clickhouse(settings) as client:
        await create_projection(pool, client, projection, version)


async def write_all(settings: Settings, version: int, dice: random.Random) -> None:
    """Reads on to the end of the log, in batches of random sizes."""
    async with open_sink(settings, version) as (sink, start):
        records = await read_log(settings, start)
        while records:
            size = dice.randrange(1, 40)
            await sink.write(records[:size])
            records = records[size:]
        await sink._settle()


class Oracle:
    """What the whole log says, by plain loops."""

    def __init__(self, records: list[Incoming], partitions: int) -> None:
        self._accounts = ledger.Accounts()
        self._pieces: list[Piece] = []
        self._resumes: dict[UUID, list[Resume]] = {}
        for record in records:
            taken = take_in(record, partitions)
            if isinstance(taken, Accepted):
                self._take(taken)

    def _take(self, taken: Accepted) -> None:
        envelope, payload = taken.recorded.envelope, taken.recorded.payload
        try:
            recorded = taken.recorded._replace(accepted=self._accounts.admit(taken.recorded))
        except Refused:
            return
        if not recorded.accepted:
            return
        self._accounts.record(recorded)
        if isinstance(payload, RunResumed):
            self._resumes.setdefault(recorded.subject, []).append(Resume(payload.attempt, payload.from_step))
        if isinstance(payload, MetricsLogged):
            place = (recorded.partition, recorded.offset)
            for seq, part in admitted(payload, envelope.seq, envelope.count, recorded.accepted):
                self._pieces.append(Piece(recorded.subject, 0, envelope.producer, *place, seq, None, part))

    @property
    def points(self) -> list[Point]:
        return sorted(naive_points(self._pieces))

    @property
    def summaries(self) -> dict[Series, object]:
        found = naive_summaries(self._effective(piece) for piece in self._pieces)
        return {series: comparable(each) for series, each in found.items()}

    def _effective(self, piece: Piece) -> Piece:
        account = next(each for each in self._accounts.entries if each[:2] == (piece.producer, piece.run))
        opened = self._accounts.entries[account].opened
        rank, attempt = (opened.rank, opened.attempt) if opened else (0, 1)
        return piece._replace(rank=rank, last=cutoffs(self._resumes.get(piece.run, ())).last_step(attempt))


async def check(settings: Settings, version: int) -> Oracle:
    """Asserts that both stores hold just what the log says, as far as it was read: others may write on."""
    async with postgres_pool(settings) as pool, clickhouse(settings) as client:
        rows = await pool.fetch(f"select partition, next_offset from metrics_v{version}.positions")
        read = {row["partition"]: row["next_offset"] for row in rows}
        records = [each for each in await read_log(settings) if each.offset < read.get(each.partition, 0)]
        oracle = Oracle(records, settings.partitions)
        assert await stored_points(client, version) == oracle.points
        found = await stored_summaries(pool, version)
        assert found == oracle.summaries
        pending = await pool.fetchval(f"select count(pending_batch) from metrics_v{version}.positions")
        assert pending == 0
    return oracle


async def start_worker(
    environment: Mapping[str, str], version: int, instance: str, projection: str = "metrics"
) -> asyncio.subprocess.Process:
    """The worker of a version as a process of its own."""
    command = [
        sys.executable,
        "-m",
        "speech_experiment_consumers",
        f"{projection}:{version}",
        "--instance",
        instance,
    ]
    return await asyncio.create_subprocess_exec(*command, env={**os.environ, **environment})


async def wait_for(
    settings: Settings, version: int, records: int, seconds: float = 90, *, projection: str = "metrics"
) -> None:
    """Until the projection has passed so many records."""
    deadline = time.monotonic() + seconds
    query = f"select coalesce(sum(next_offset), 0) from {projection}_v{version}.positions"
    async with postgres_pool(settings) as pool:
        while (passed := int(await pool.fetchval(query))) < records:
            assert time.monotonic() < deadline, f"passed {passed} of {records} records"
            await asyncio.sleep(0.05)


async def stored_points(client: Any, version: int) -> list[Point]:
    rows = client.query(
        "select run, key, has_step, step, producer, seq, toUnixTimestamp64Micro(time), value, epoch, partition,"
        f" 18446744073709551615 - inverted_offset from metric_points_v{version}"
    ).result_rows
    return sorted(Point._make([*row[:7], repr(row[7]), repr(row[8]), *row[9:]]) for row in rows)


async def stored_summaries(pool: Any, version: int) -> dict[Series, object]:
    rows = await pool.fetch(
        'select run_id, key, rank, count, nans, last_value, last_step, last_time, last_seq, "offset",'
        f" min_value, min_step, max_value, max_step, sum_value from metrics_v{version}.summaries"
    )
    return {Series(run=row[0], rank=row[2], key=row[1]): _summary(row) for row in rows}


def _summary(row: Any) -> object:
    from speech_experiment_consumers.sql import microseconds
    from speech_experiment_projections.summaries import Summary

    run, key, rank, points, nans, last, step, time, *rest, total = row
    made = Summary(Series(run, rank, key), points, nans, last, step, microseconds(time), *rest, _sum(total))
    return comparable(made._replace(series=Series(run, rank, key)))


def _sum(total: Decimal) -> exact.Exact:
    if not total.is_finite():
        return float(total)
    numerator, denominator = total.as_integer_ratio()
    return (numerator << exact.SCALE) // denominator
