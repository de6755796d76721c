"""The metadata worker against the real log: killed, fed thrice, out of order, with poison among it."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator
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
KILLS = 4


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
    messages = build_log(rng, 80)
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


async def test_a_frozen_worker_that_wakes_up_changes_nothing(stack: RunningStack) -> None:
    await make_version(stack.settings, "metadata", 905)
    rng = random.Random(SEED + 1)
    settings_file = stack.data_dir / "settings.json"
    frozen, successor = (
        WorkerProcess(settings_file, "metadata:905", "--instance", name) for name in ("frozen", "successor")
    )
    async with frozen.running():
        await frozen.reported(stack.settings)
        writing = asyncio.create_task(append(stack.settings, build_log(rng, 30), chunk=200, pause=0.05))
        await asyncio.sleep(0.2)
        frozen.kill(signal.SIGSTOP)
        async with successor.running():
            await writing
            await compare(stack.settings, "metadata_v905")
            frozen.kill(signal.SIGCONT)
            await append(stack.settings, build_log(rng, 10), chunk=50, pause=0.02)
            await compare(stack.settings, "metadata_v905")


async def test_a_clean_stop_is_quick_and_says_zero(stack: RunningStack, worker: WorkerProcess) -> None:
    await append(stack.settings, run_messages(random.Random(1), experiment_id("default", "E"), "E"))
    await compare(stack.settings, "metadata_v901")
    worker.kill(signal.SIGTERM)
    assert await worker.ended(10) == 0


async def test_another_log_under_the_database_is_refused(stack: RunningStack) -> None:
    await append(stack.settings, run_messages(random.Random(3), experiment_id("default", "E"), "E"))
    await make_version(stack.settings, "metadata", 902)
    process = WorkerProcess(stack.data_dir / "settings.json", "metadata:902")
    async with process.running():
        await compare(stack.settings, "metadata_v902")
    connection = await asyncpg.connect(stack.settings.postgres_dsn)
    truth = await connection.fetchrow("select cluster_id, first_hash, last_hash from metadata_v902.positions")
    for column, other in (("cluster_id", "another"), ("first_hash", b"0"), ("last_hash", b"0")):
        update = f"update metadata_v902.positions set {column} = $1"
        await connection.execute(update, other)
        async with process.running():
            assert await process.ended(60) == 78
        await connection.execute(update, truth[column])
    await connection.close()
