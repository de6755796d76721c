"""Metrics reach both stores exactly once, wherever a worker dies and however badly records are delivered."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from speech_experiment_consumers.clickhouse_points import token
from speech_experiment_consumers.metrics_sink import MetricsSink
from speech_experiment_consumers.metrics_writer import Fenced
from speech_experiment_consumers.sink import Incoming
from speech_experiment_infra.connections import clickhouse, postgres_pool
from speech_experiment_infra.settings import Settings
from tests.integration.metrics_log import (
    Run,
    append,
    check,
    create_tables,
    disorder,
    open_sink,
    read_log,
    write_all,
)

pytestmark = pytest.mark.stack

SEED = 20_261_123
_versions = iter(range(100, 1_000))


@pytest.fixture
def dice() -> random.Random:
    return random.Random(SEED)


@pytest.fixture
async def version(settings: Settings) -> AsyncIterator[int]:
    """Tables of their own for each test; the log is that of all."""
    number = next(_versions)
    await create_tables(settings, number)
    yield number
    async with postgres_pool(settings) as pool, clickhouse(settings) as client:
        await pool.execute(f"drop schema metrics_v{number} cascade")
        await pool.execute("delete from projection.versions where name = 'metrics' and version = $1", number)
        await pool.execute("delete from coord.migrations where name like $1", f"%as metrics_v{number}")
        client.command(f"drop table metric_points_v{number}")


async def test_three_copies_cut_anew_in_any_order(
    settings: Settings, version: int, dice: random.Random
) -> None:
    messages = [message for _ in range(3) for message in Run(dice).messages(attempts=3, ranks=2, calls=30)]
    await append(settings, disorder(dice, messages))
    await write_all(settings, version, dice)
    oracle = await check(settings, version)
    assert len(oracle.points) > 500


async def test_batch_boundaries_do_not_matter(settings: Settings, version: int, dice: random.Random) -> None:
    await append(settings, Run(dice).messages(attempts=2, calls=40))
    async with open_sink(settings, version) as (sink, start):
        await sink.write(await read_log(settings, start))
        await sink._settle()
    await check(settings, version)


async def _die(sink: MetricsSink, records: list[Incoming], where: str) -> None:
    """Goes as far as `where` with a batch; what follows never happens."""
    prepared = await sink._prepare(records, sink._positions)
    await sink._writer.begin(prepared)
    if where == "insert" and prepared.rows is not None:
        sink._table.insert(prepared.rows.table(), token(sink.version, prepared.vector))


@pytest.mark.parametrize("where", ["pending", "insert"])
async def test_a_worker_that_dies_is_completed(
    settings: Settings, version: int, dice: random.Random, where: str
) -> None:
    messages = [message for _ in range(2) for message in Run(dice).messages(attempts=2, calls=40)]
    await append(settings, disorder(dice, messages, 2))
    for _ in range(4):
        async with open_sink(settings, version) as (sink, start):
            records = await read_log(settings, start)
            await sink.write(records[:20])
            await sink._settle()
            await _die(sink, records[20:35], where)
    await write_all(settings, version, dice)
    await check(settings, version)


async def test_two_owners_complete_the_same_vector(
    settings: Settings, version: int, dice: random.Random
) -> None:
    await append(settings, Run(dice).messages(calls=60))
    async with open_sink(settings, version) as (sink, start):
        await _die(sink, (await read_log(settings, start))[:30], "pending")

    async def take_over() -> None:
        async with open_sink(settings, version):
            pass

    await asyncio.gather(take_over(), take_over())
    await write_all(settings, version, dice)
    await check(settings, version)


async def test_a_paused_owner_changes_nothing_when_it_wakes(
    settings: Settings, version: int, dice: random.Random
) -> None:
    await append(settings, Run(dice).messages(calls=60))
    async with open_sink(settings, version) as (zombie, start):
        records = await read_log(settings, start)
        prepared = await zombie._prepare(records[:20], zombie._positions)
        await zombie._writer.begin(prepared)
        late = await zombie._prepare(records[:25], zombie._positions)
        await write_all(settings, version, dice)
        before = await check(settings, version)
        with pytest.raises(Fenced):
            await zombie._writer.finish(prepared)
        with pytest.raises(Fenced):
            await zombie._writer.begin(late)
    assert (await check(settings, version)).points == before.points


async def test_rows_beyond_the_position_are_deleted_and_come_again(
    settings: Settings, version: int, dice: random.Random
) -> None:
    """As after Postgres was restored from a backup: the old tokens must not swallow the new rows."""
    await append(settings, Run(dice).messages(attempts=2, calls=60))
    async with open_sink(settings, version) as (sink, start):
        records = await read_log(settings, start)
        await sink.write(records[:10])
        await sink._settle()
        ahead = await sink._prepare(records[10:], sink._positions)
        assert ahead.rows is not None
        sink._table.insert(ahead.rows.table(), token(version, ahead.vector))
        async with open_sink(settings, version) as (owner, position):
            assert owner._table.surplus(0, position) == 0
            assert owner._positions[0].generation == 1
            with pytest.raises(Fenced):
                await sink._writer.begin(ahead)
            await owner.write(records[10:])
            await owner._settle()
    await check(settings, version)


async def test_rows_that_clickhouse_lost_are_restored_from_the_log(
    settings: Settings, version: int, dice: random.Random
) -> None:
    messages = [message for _ in range(3) for message in Run(dice).messages(attempts=2, calls=40)]
    await append(settings, disorder(dice, messages, 2))
    await write_all(settings, version, dice)
    async with open_sink(settings, version) as (sink, end):
        sink._table.delete_from(0, end // 2)
    await write_all(settings, version, dice)
    await check(settings, version)
    async with clickhouse(settings) as client:
        client.command(f"truncate table metric_points_v{version}")
    await write_all(settings, version, dice)
    await check(settings, version)


async def test_results_are_read_from_names(settings: Settings, version: int, dice: random.Random) -> None:
    run = Run(dice)
    await append(settings, run.messages(calls=30))
    await write_all(settings, version, dice)
    async with postgres_pool(settings) as pool:
        rows = await pool.fetch(
            f"select t.*, s.last_value from metrics_v{version}.test_set_results t"
            f" join metrics_v{version}.summaries s using (run_id, key) where run_id = $1 and rank = 0",
            run.id,
        )
    found = {row["key"]: (row["metric"], row["test_set"], row["decoding"]) for row in rows}
    assert found == {
        "test-clean_wer": ("wer", "test-clean", ""),
        "wer_beam10_lm0.5": ("wer", "", "beam=10,lm=0.5"),
    }
    assert all(row["value"] == row["last_value"] or row["value"] != row["value"] for row in rows)
