"""The metadata worker against the real log: killed, fed thrice, out of order, with poison among it."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from speech_experiment_infra.settings import Settings
from speech_experiment_schemas.ids import experiment_id, uuid7
from tests.conftest import RunningStack
from tests.integration.metadata_log import (
    Folded,
    Message,
    append,
    bad_delivery,
    experiment_messages,
    poison,
    read_log,
    run_messages,
)
from tests.integration.metadata_tables import (
    WorkerProcess,
    actual_tables,
    applied,
    differences,
    expected_tables,
    make_version,
)

pytestmark = pytest.mark.stack

SEED = 20_261_123
KILLS = 5


def build_log(rng: random.Random, count: int) -> list[Message]:
    name = f"Conformer {uuid7()}"
    experiment = experiment_id("default", name)
    messages: list[Message] = []
    for index in range(count):
        messages += run_messages(rng, experiment, name)
        if index == count // 2:
            messages += experiment_messages(experiment, name)
        if index % 9 == 0:
            messages += poison(UUID(bytes=messages[-1][0]))
    return bad_delivery(rng, messages)


async def compare(settings: Settings, schema: str) -> Folded:
    log = await read_log(settings)
    ends = {record.partition: record.offset + 1 for record in log}
    await applied(settings, schema, ends)
    folded = Folded(log, settings.partitions)
    found = differences(expected_tables(folded), await actual_tables(settings, schema))
    assert not found, "\n".join(found)
    return folded


@pytest.fixture
async def worker(stack: RunningStack) -> AsyncIterator[WorkerProcess]:
    await make_version(stack.settings, "metadata", 901)
    process = WorkerProcess(stack.data_dir / "settings.json", "metadata:901")
    async with process.running():
        yield process


async def test_tables_equal_the_fold_after_kills_repetitions_and_poison(
    stack: RunningStack, worker: WorkerProcess
) -> None:
    rng = random.Random(SEED)
    messages = build_log(rng, 150)
    part = len(messages) // KILLS + 1
    for step in range(KILLS):
        await worker.reported(stack.settings)
        slice_of = messages[step * part : (step + 1) * part]
        writing = asyncio.create_task(append(stack.settings, slice_of, chunk=300, pause=0.05))
        await asyncio.sleep(rng.random() / 2)
        worker.kill()
        await worker.ended()
        await worker.start()
        await writing
    folded = await compare(stack.settings, "metadata_v901")
    assert set(folded.parked.values()) >= {"malformed", "unknown_type", "forbidden"}


async def test_a_clean_stop_is_quick_and_says_zero(stack: RunningStack, worker: WorkerProcess) -> None:
    await append(stack.settings, run_messages(random.Random(1), experiment_id("default", "E"), "E"))
    await compare(stack.settings, "metadata_v901")
    worker.kill(signal.SIGTERM)
    assert await worker.ended(10) == 0


@pytest.mark.parametrize("column", ["first_hash", "last_hash", "cluster_id"])
async def test_another_log_under_the_database_is_refused(
    stack: RunningStack, tmp_path: Path, column: str
) -> None:
    await append(stack.settings, run_messages(random.Random(3), experiment_id("default", "E"), "E"))
    await make_version(stack.settings, "metadata", 902)
    process = WorkerProcess(stack.data_dir / "settings.json", "metadata:902")
    async with process.running():
        await compare(stack.settings, "metadata_v902")
    connection = await asyncpg.connect(stack.settings.postgres_dsn)
    other = "'another'" if column == "cluster_id" else r"'\x00'::bytea"
    await connection.execute(f"update metadata_v902.positions set {column} = {other}")
    await connection.close()
    async with process.running():
        assert await process.ended(20) == 78
