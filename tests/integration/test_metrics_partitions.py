"""Metrics on a topic of several partitions: workers that share it, come and go, and die."""

from __future__ import annotations

import asyncio
import os
import random
import signal

import pytest

from speech_experiment_consumers.clickhouse_points import token
from speech_experiment_infra.settings import Settings
from tests.integration.conftest import PARTITIONS
from tests.integration.metrics_log import (
    Run,
    append,
    check,
    create_tables,
    disorder,
    open_sink,
    read_log,
    start_worker,
    wait_for,
)

pytestmark = pytest.mark.stack


async def test_one_batch_over_all_partitions(wide: tuple[Settings, dict[str, str]]) -> None:
    settings, _ = wide
    dice = random.Random(5)
    await create_tables(settings, 80)
    # Run ids are new each time: of forty, all three partitions have some (but once in millions of times).
    runs = [message for _ in range(40) for message in Run(dice).messages(attempts=2, calls=8)]
    await append(settings, disorder(dice, runs, 2))
    async with open_sink(settings, 80) as (sink, _):
        assert await sink.next_offsets(range(PARTITIONS)) == dict.fromkeys(range(PARTITIONS), 0)
        records = await read_log(settings)
        queues = [[record for record in records if record.partition == p] for p in range(PARTITIONS)]
        assert all(queues)
        mixed = [record for queue in queues for record in queue[: len(queue) // 2]]
        await sink.write(mixed)
        await sink._settle()
        prepared = await sink._prepare(
            [record for queue in queues for record in queue[len(queue) // 2 :]], sink._positions
        )
        await sink._writer.begin(prepared)
        assert prepared.rows is not None
        assert len(prepared.vector) == PARTITIONS
        sink._table.insert(prepared.rows.table(), token(80, prepared.vector))
    async with open_sink(settings, 80) as (sink, _):
        assert sum((await sink.next_offsets(range(PARTITIONS))).values()) == len(records)
    await check(settings, 80)


async def test_workers_that_share_a_topic_come_and_go(wide: tuple[Settings, dict[str, str]]) -> None:
    settings, environment = wide
    dice = random.Random(9)
    await create_tables(settings, 81)
    runs = [message for _ in range(12) for message in Run(dice).messages(attempts=2, ranks=2, calls=40)]
    deck = disorder(dice, runs, 2)
    workers = [await start_worker(environment, 81, f"w{i}") for i in range(2)]
    try:
        for part in range(4):
            size = len(deck) // 4 + 1
            await append(settings, deck[part * size : (part + 1) * size])
            await asyncio.sleep(dice.uniform(2, 4))
            victim = part % 2
            workers[victim].send_signal(signal.SIGKILL if part < 3 else signal.SIGTERM)
            await workers[victim].wait()
            workers[victim] = await start_worker(environment, 81, f"w{victim}")
        await wait_for(settings, 81, len(await read_log(settings)), 120)
    finally:
        for worker in workers:
            if worker.returncode is None:
                os.kill(worker.pid, signal.SIGTERM)
            await worker.wait()
    await check(settings, 81)
