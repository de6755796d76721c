"""Experiments and the runs that name them lie in several partitions, and nobody says which is read first."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any
from unittest.mock import AsyncMock
from uuid import UUID

import msgspec
import pytest

from speech_experiment_consumers import postgres_sink
from speech_experiment_consumers.lanes import close_lanes, count_lanes, lanes, open_lanes, slowest
from speech_experiment_consumers.metadata_sink import create
from speech_experiment_consumers.positions import read_positions
from speech_experiment_consumers.postgres_sink import PostgresSink
from speech_experiment_consumers.sink import Incoming
from speech_experiment_infra.connections import postgres_pool
from speech_experiment_infra.settings import Settings
from speech_experiment_schemas import Sealer
from speech_experiment_schemas.experiments import ExperimentCreated, ExperimentRenamed, ExperimentUpdated
from speech_experiment_schemas.ids import experiment_id, partition_of, uuid7
from speech_experiment_schemas.runs import RunStarted
from speech_experiment_schemas.stamps import stamp
from tests.conftest import RunningStack
from tests.integration.metadata_log import Folded
from tests.integration.metadata_tables import actual_tables, differences, expected_tables, make_version

pytestmark = pytest.mark.stack

VERSION = 905
PARTITIONS = 4
EXPERIMENTS = 24


class Log:
    """Records of the topic runs, in the order of the broker's time."""

    def __init__(self) -> None:
        self.records: list[Incoming] = []
        self._ends: Counter[int] = Counter()

    def add(self, kind: str, subject: UUID, payload: msgspec.Struct, workspace: str = "default") -> None:
        value = Sealer(uuid7(), "runs").seal(payload, (kind, subject))
        partition = partition_of(subject.bytes, PARTITIONS)
        offset, time = self._ends[partition], 1_790_000_000_000 + len(self.records)
        self._ends[partition] += 1
        headers = stamp("key:test", workspace)
        self.records.append(Incoming("runs", partition, offset, time, subject.bytes, value, headers))

    def read(self, *partitions: int) -> list[Incoming]:
        """One partition after the other."""
        return [each for wanted in partitions for each in self.records if each.partition == wanted]


def build_log(rng: random.Random) -> Log:
    """Runs name experiments before and after these are edited, renamed, created, or none of it; one is a stranger's."""
    log = Log()
    names = [f"Experiment {index} {uuid7()}" for index in range(EXPERIMENTS)]
    for _ in range(6 * EXPERIMENTS):
        name = rng.choice(names)
        experiment = experiment_id("default", name)
        payloads = [
            ExperimentUpdated(description=f"what it is about, {rng.random()}"),
            ExperimentUpdated(task="asr", tags={"a": str(rng.random())}),
            ExperimentRenamed(name=f"{name}, renamed"),
            ExperimentCreated(name=name, task="tts"),
        ]
        if rng.random() < 0.4:
            log.add("experiment", experiment, rng.choices(payloads, weights=[4, 4, 2, 1])[0])
        else:
            started = RunStarted(
                experiment=experiment, experiment_name=f"{name} {rng.randrange(3)}", name="run"
            )
            log.add("run", uuid7(), started)
    for name in names[:3]:
        started = RunStarted(
            experiment=experiment_id("default", name), experiment_name="squatted", name="run"
        )
        log.add("run", uuid7(), started, "elsewhere")
    return log


async def written(settings: Settings, *batches: Sequence[Incoming]) -> dict[str, Any]:
    """The tables, by workers that have one batch each."""
    await make_version(settings, "metadata", VERSION)
    sinks = [create(settings, VERSION) for _ in batches]
    try:
        for sink in sinks:
            await sink.open("a cluster")
        await asyncio.gather(*(sink.write(batch) for sink, batch in zip(sinks, batches, strict=True)))
    finally:
        for sink in sinks:
            await sink.close()
    return await tables(settings)


async def tables(settings: Settings) -> dict[str, Any]:
    async with postgres_pool(settings) as pool:
        rows = await pool.fetch(f"select id, state from metadata_v{VERSION}.experiments")
    states = {row["id"]: row["state"] for row in rows}
    return {**await actual_tables(settings, f"metadata_v{VERSION}"), "states": states}


@pytest.mark.parametrize("seed", range(3))
async def test_experiments_are_the_same_in_whatever_order_partitions_are_read(
    stack: RunningStack, seed: int
) -> None:
    settings = msgspec.structs.replace(stack.settings, partitions=PARTITIONS)
    rng = random.Random(seed)
    log = build_log(rng)
    expected = expected_tables(Folded(log.records, PARTITIONS))
    partitions = range(PARTITIONS)
    upwards = await written(settings, log.read(*partitions))
    assert not differences(expected, upwards)
    for batches in (
        [log.read(*reversed(partitions))],
        [log.records],
        [log.read(each) for each in partitions],
    ):
        assert not differences(upwards, await written(settings, *batches))


async def write_lanes(settings: Settings, of: int, records: Sequence[Incoming], *, begun: bool) -> None:
    """By as many workers; begun: they go on with lanes that others left."""
    sinks = [create(settings, VERSION) for _ in range(of)]
    schema = f"metadata_v{VERSION}"
    async with postgres_pool(settings) as pool, pool.acquire() as connection:
        if not begun:
            await read_positions(connection, schema, "runs", range(PARTITIONS))
            await open_lanes(connection, schema, "runs", of)
        assert await count_lanes(connection, schema, "runs") == of
        following = await slowest(connection, schema, "runs")
        for lane, sink in zip(lanes(of), sinks, strict=True):
            assert isinstance(sink, PostgresSink)
            sink.keep_to(lane)
            await sink.open("a cluster")
        left = [each for each in records if each.offset >= following[each.partition]]
        await asyncio.gather(*(sink.write(left) for sink in sinks))
        for sink in sinks:
            await sink.close()


async def test_lanes_write_what_one_worker_writes(
    stack: RunningStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_sink, "check_log", AsyncMock())  # this log is in no broker
    settings = msgspec.structs.replace(stack.settings, partitions=PARTITIONS)
    log = build_log(random.Random(4))
    expected = await written(settings, log.records)
    await make_version(settings, "metadata", VERSION)
    schema, half = f"metadata_v{VERSION}", log.records[: len(log.records) // 2]
    await write_lanes(settings, 3, half, begun=False)
    async with postgres_pool(settings) as pool, pool.acquire() as connection:
        await connection.execute(
            f"update {schema}.positions set next_offset = 0 where topic = 'runs#1/3' and partition = 2"
        )
        with pytest.raises(RuntimeError, match=r"apart in partitions \[2\]"):
            await close_lanes(connection, schema, "runs", 3)
    await write_lanes(settings, 3, log.records, begun=True)
    async with postgres_pool(settings) as pool, pool.acquire() as connection:
        await close_lanes(connection, schema, "runs", 3)
        assert await count_lanes(connection, schema, "runs") == 0
        ends = {each.partition: each.offset + 1 for each in log.records}
        rows = await connection.fetch(f"select partition, next_offset from {schema}.positions")
        assert {row["partition"]: row["next_offset"] for row in rows} == ends
    assert not differences(expected, await tables(settings))


async def test_an_edit_outlives_a_run_that_came_before_it_and_is_read_after_it(stack: RunningStack) -> None:
    settings = msgspec.structs.replace(stack.settings, partitions=PARTITIONS)
    experiment, run = UUID(int=1), UUID(int=2)
    while partition_of(run.bytes, PARTITIONS) == partition_of(experiment.bytes, PARTITIONS):
        run = UUID(int=run.int + 1)
    log = Log()
    log.add("run", run, RunStarted(experiment=experiment, experiment_name="Conformer", name="run"))
    log.add("experiment", experiment, ExperimentUpdated(description="as in the paper"))
    edited, named = reversed(log.records), log.records
    for order in (list(edited), named):
        found = await written(settings, order)
        row = found["experiments"][experiment]
        assert (row["name"], row["description"]) == ("Conformer", "as in the paper")
        assert row["created_at"] < row["updated_at"]
