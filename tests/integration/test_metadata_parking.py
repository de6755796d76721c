"""What a release cannot project is parked, replayed later, and never waved through in masses."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from speech_experiment_consumers.cluster import cluster_id
from speech_experiment_consumers.metadata_sink import MetadataRows
from speech_experiment_consumers.postgres_sink import PostgresSink, Rows
from speech_experiment_consumers.sink import Incoming, Limits, PoisonLimit
from speech_experiment_infra.connections import kafka_producer
from speech_experiment_infra.settings import Settings
from speech_experiment_projections.intervals import from_multirange
from speech_experiment_projections.recorded import Recorded
from speech_experiment_schemas import Sealer
from speech_experiment_schemas.ids import experiment_id, uuid7
from speech_experiment_schemas.producers import ProducerOpened
from speech_experiment_schemas.runs import RunConfigured, RunNoted, RunStarted
from speech_experiment_schemas.stamps import REPLAYED_FROM, stamp
from tests.conftest import RunningStack
from tests.integration.metadata_log import Folded, Message, append, read_log, run_messages
from tests.integration.metadata_tables import actual_tables, differences, expected_tables, make_version

pytestmark = pytest.mark.stack

VERSION = 903
SCHEMA = f"metadata_v{VERSION}"


class OldRelease(MetadataRows):
    """Fails on notes: in the fold, or not before its rows are written."""

    def __init__(self, schema: str) -> None:
        super().__init__(schema)
        self._unwritable = False

    def apply(self, recorded: Recorded) -> None:
        notes = recorded.payload.notes if isinstance(recorded.payload, RunNoted) else None
        if notes == "fails in the fold":
            raise KeyError("notes")
        self._unwritable |= notes == "fails in its row"
        super().apply(recorded)

    async def save(self, connection: Any) -> None:
        if self._unwritable:
            raise ValueError("no row can be made of this")
        await super().save(connection)


@asynccontextmanager
async def opened(settings: Settings, rows: Callable[[str], Rows]) -> AsyncIterator[PostgresSink]:
    sink = PostgresSink(settings, name="metadata", version=VERSION, topic="runs", rows=rows, limits=Limits())
    await sink.open(await cluster_id(settings, "runs"))
    try:
        yield sink
    finally:
        await sink.close()


async def feed(sink: PostgresSink, settings: Settings, size: int = 500) -> None:
    """Gives the sink what it has not written yet, in batches."""
    offsets = await sink.next_offsets([0])
    log = [record for record in await read_log(settings) if record.offset >= offsets[0]]
    for start in range(0, len(log), size):
        await sink.write(log[start : start + size])


def noted(notes: Sequence[str]) -> tuple[UUID, UUID, list[Message]]:
    """(run, producer, messages) of a run that notes something again and again."""
    run, producer = uuid7(), uuid7()
    sealer, subject = Sealer(producer, "runs"), ("run", run)
    experiment = experiment_id("default", "E")
    payloads = [ProducerOpened(), RunStarted(experiment=experiment, name="noted"), *map(_note, notes)]
    raws = [sealer.seal(payload, subject) for payload in [*payloads, RunConfigured(config={"end": 1})]]
    return run, producer, [(run.bytes, raw, "default") for raw in raws]


def _note(text: str) -> RunNoted:
    return RunNoted(notes=text)


async def failed_letters(connection: Any) -> list[Any]:
    return list(
        await connection.fetch(
            f"select \"offset\", value, replayed_at, error from {SCHEMA}.dead_letters where reason = 'failed' order by 1"
        )
    )


@pytest.fixture
async def connection(stack: RunningStack) -> AsyncIterator[Any]:
    await make_version(stack.settings, "metadata", VERSION)
    made = await asyncpg.connect(stack.settings.postgres_dsn)
    yield made
    await made.close()


async def test_failures_are_parked_alone_and_replayed_into_their_gap(
    stack: RunningStack, connection: Any
) -> None:
    settings = stack.settings
    run, producer, messages = noted(["fine", "fails in the fold", "fine too", "fails in its row", "last"])
    around = [
        message
        for seed in (5, 6)
        for message in run_messages(random.Random(seed), experiment_id("default", "E"), "E")
    ]
    await append(settings, [*around[:20], *messages, *around[20:]])
    async with opened(settings, OldRelease) as sink:
        await feed(sink, settings)
    letters = await failed_letters(connection)
    assert [letter["error"] for letter in letters] == [
        "KeyError: 'notes'",
        "ValueError: no row can be made of this",
    ]
    row = await connection.fetchrow(f"select notes, config from {SCHEMA}.runs where id = $1", run)
    assert (row["notes"], row["config"]) == ("last", '{"end": 1}')
    received = f"select received::text from {SCHEMA}.ledger where producer = $1"
    assert from_multirange(await connection.fetchval(received, producer)) == ((0, 3), (4, 5), (6, 8))

    await replay(settings, letters)
    async with opened(settings, MetadataRows) as sink:
        await feed(sink, settings)
    assert from_multirange(await connection.fetchval(received, producer)) == ((0, 8),)
    assert all(letter["replayed_at"] for letter in await failed_letters(connection))
    notes = await connection.fetchval(f"select notes from {SCHEMA}.runs where id = $1", run)
    assert notes == "fails in its row"


async def replay(settings: Settings, letters: Sequence[Any]) -> None:
    async with kafka_producer(settings) as producer:
        for letter in letters:
            origin = (REPLAYED_FROM, f"runs/0/{letter['offset']}".encode())
            await producer.send_and_wait(
                "runs", letter["value"], partition=0, headers=[*stamp("key:test", "default"), origin]
            )


async def test_a_release_that_fails_on_everything_stops_and_parks_nothing(
    stack: RunningStack, connection: Any
) -> None:
    settings = stack.settings
    _, _, messages = noted(["fails in the fold"] * 450)
    await append(settings, messages)
    async with opened(settings, OldRelease) as sink:
        with pytest.raises(PoisonLimit, match="200 in a row"):
            await feed(sink, settings, size=150)
    parked = len(await failed_letters(connection))
    assert 0 < parked < 200
    async with opened(settings, OldRelease) as sink:
        with pytest.raises(PoisonLimit):
            await feed(sink, settings, size=150)
    assert len(await failed_letters(connection)) == parked
    async with opened(settings, MetadataRows) as sink:
        await feed(sink, settings)
    assert len(await failed_letters(connection)) == parked


async def test_lost_connections_are_survived(stack: RunningStack, connection: Any) -> None:
    settings = stack.settings
    rng = random.Random(8)
    experiment = experiment_id("default", "E")
    await append(settings, [message for _ in range(60) for message in run_messages(rng, experiment, "E")])
    async with opened(settings, MetadataRows) as sink:
        cutting = asyncio.create_task(cut_connections(settings))
        await feed(sink, settings, size=40)
        await cutting
    folded = Folded(await read_log(settings), settings.partitions)
    found = differences(expected_tables(folded), await actual_tables(settings, SCHEMA))
    assert not found, "\n".join(found)


async def cut_connections(settings: Settings) -> None:
    """Ends, ten times, the server side of whoever writes to our version."""
    connection = await asyncpg.connect(settings.postgres_dsn)
    try:
        for _ in range(10):
            await asyncio.sleep(0.15)
            await connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                f"where pid <> pg_backend_pid() and query like '%{SCHEMA}%'"
            )
    finally:
        await connection.close()


@pytest.mark.parametrize("ahead", [False, True], ids=["live", "bulk"])
async def test_batches_cut_anywhere_make_the_same_tables(
    stack: RunningStack, connection: Any, ahead: bool
) -> None:
    settings = stack.settings
    rng = random.Random(9)
    experiment = experiment_id("default", "E")
    await append(settings, [message for _ in range(10) for message in run_messages(rng, experiment, "E")])
    log: list[Incoming] = await read_log(settings)
    folded = expected_tables(Folded(log, settings.partitions))
    async with opened(settings, MetadataRows) as sink:
        start = 0
        while start < len(log):
            size = rng.choice([1, 2, 3, 7, 50, 1_000])
            batch = log[max(0, start - rng.randrange(5)) : start + size]
            await (sink.write_ahead(batch) if ahead else sink.write(batch))
            start += size
    found = differences(folded, await actual_tables(settings, SCHEMA))
    assert not found, "\n".join(found)
