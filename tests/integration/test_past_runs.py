"""Runs and experiments as of a vector are the tables of a projection that has read the log only so far."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from speech_experiment_api.desks import Desk, Subject
from speech_experiment_api.queries.needs import EVERY
from speech_experiment_api.queries.past_rows import COLUMNS, Wanted
from speech_experiment_api.queries.past_runs import PastRuns
from speech_experiment_api.queries.sql import Tables
from speech_experiment_consumers.intake import Letter, take_in
from speech_experiment_consumers.metadata_sink import MetadataRows
from speech_experiment_consumers.sink import Incoming
from speech_experiment_projections import ledger
from speech_experiment_projections.recorded import Recorded
from speech_experiment_projections.refusal import Refused
from speech_experiment_schemas.ids import partition_of
from speech_experiment_schemas.stamps import stamp
from tests.integration.test_metadata_projection import build_log
from tests.integration.test_queries_filters import MIGRATIONS, server  # noqa: F401

pytestmark = pytest.mark.stack

PARTITIONS = 3
LIVE = Tables.of({"metadata": 1, "metrics": 1, "scores": 1, "artifacts": 1, "control": 1})
COMPARED = ("id", "key", "kind", "target", "run_id", "experiment_id")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def database(server: Any) -> AsyncIterator[asyncpg.Connection]:
    await server.ensure_database()
    connection = await asyncpg.connect(server.dsn)
    yield connection
    await connection.close()


def events_of(seed: int) -> list[Recorded]:
    """What a projection applies of a random log, in the order in which it came."""
    dice = random.Random(seed)
    ends = dict.fromkeys(range(PARTITIONS), 0)
    entries: dict[UUID, ledger.Entry] = {}
    events = []
    for number, (key, value, workspace) in enumerate(build_log(dice, 12)):
        partition = partition_of(key, PARTITIONS)
        headers = stamp("key:test", workspace)
        incoming = Incoming("runs", partition, ends[partition], 1_000_000 + number, key, value, headers)
        ends[partition] += 1
        taken = take_in(incoming, PARTITIONS)
        if isinstance(taken, Letter):
            continue
        envelope = taken.recorded.envelope
        accepted = ledger.admit(entries.get(envelope.producer), envelope)
        if accepted:
            event = taken.recorded._replace(accepted=accepted)
            entries[envelope.producer] = ledger.evolve(entries.get(envelope.producer), event)
            events.append(event)
    return events


async def fresh(connection: asyncpg.Connection, schema: str) -> None:
    await connection.execute(f"drop schema if exists {schema} cascade")
    for template in ("common", "metadata"):
        await connection.execute((MIGRATIONS / f"{template}.sql").read_text().replace("{schema}", schema))


async def project(
    connection: asyncpg.Connection, schema: str, events: Sequence[Recorded], dice: random.Random
) -> None:
    """Writes events as the sink does, in batches of any size."""
    start = 0
    while start < len(events):
        batch = events[start : start + dice.randrange(1, 60)]
        start += len(batch)
        rows = MetadataRows(schema)
        async with connection.transaction():
            await rows.load(connection, batch)
            for event in batch:
                try:
                    rows.apply(event)
                except Refused:
                    continue
            await rows.save(connection)


async def content(connection: asyncpg.Connection, table: str, columns: str, where: str = "true") -> list[Any]:
    rows = await connection.fetch(f"select {columns} from {table} where {where}")
    return sorted(repr(tuple(row)) for row in rows)


@pytest.mark.parametrize("seed", range(6))
async def test_the_past_is_what_was_projected_then(database: asyncpg.Connection, seed: int) -> None:
    dice = random.Random(seed)
    events = events_of(seed)
    await fresh(database, "metadata_v1")
    await fresh(database, "metrics_v1")
    await database.execute((MIGRATIONS / "metrics.sql").read_text().replace("{schema}", "metrics_v1"))
    await project(database, "metadata_v1", events, dice)
    desk = Desk(wanted=Subject("metadata_v1", "metrics_v1", "default", ""), connection=database)
    for cut in sorted(dice.sample(range(len(events) + 1), 4)):
        await check(database, desk, events, cut, dice)
    await database.execute("discard temp")


async def check(
    database: asyncpg.Connection, desk: Desk, events: list[Recorded], cut: int, dice: random.Random
) -> None:
    await fresh(database, "metadata_v2")
    await project(database, "metadata_v2", events[:cut], dice)
    below = dict.fromkeys(range(PARTITIONS), 0)
    for event in events[:cut]:
        below[event.partition] = event.offset + 1
    await desk.lay_out(Subject("metadata_v1", "metrics_v1", "default", str(cut)))
    past = PastRuns(database, LIVE, below, "default")
    mine = "run_id in (select id from metadata_v2.runs where workspace = 'default')"
    columns = await database.fetch(
        "select column_name from information_schema.columns where table_schema = 'metadata_v2' "
        "and table_name = 'runs' and column_name <> 'state'"
    )
    complete = ", ".join(f'"{row[0]}"' for row in columns)
    together = dice.random() < 0.5  # what is laid out in one pass, or later, is the same
    everything = {"params": {EVERY}, "tags": {EVERY}}
    depth = dice.choice(list(COLUMNS))
    await past.all_runs(Wanted(rows=depth, **(everything if together else {})))
    if not together:
        await past.all_runs(Wanted(params={EVERY}))
        await past.all_runs(Wanted(tags={EVERY}))
    ours = "workspace = 'default'"
    shown = ", ".join(f'"{column}"' for column in COLUMNS[depth])
    assert await content(database, "pg_temp.runs", shown) == await content(
        database, "metadata_v2.runs", shown, ours
    )
    for table in ("run_params", "run_tags"):
        there = await content(database, f"pg_temp.{table}", "*")
        assert there == await content(database, f"metadata_v2.{table}", "*", mine)
    ids = [row["id"] for row in await database.fetch("select id from metadata_v2.runs where " + ours)]
    chosen = dice.sample(ids, len(ids) // 2)
    await past.describe(chosen)
    listed = ", ".join(f"'{each}'" for each in chosen) or "null"
    for table, key in (("runs", "id"), ("run_links", "run_id")):
        names = complete if table == "runs" else "*"
        there = await content(database, f"pg_temp.{table}", names, f"{key} in ({listed})")
        assert there == await content(database, f"metadata_v2.{table}", names, f"{key} in ({listed})")
    await past.experiments()
    names = "id, workspace, name, birth_name, task, description, tags, archived, user_name, created_at, updated_at"
    there = await content(database, "pg_temp.experiments", names)
    assert there == await content(database, "metadata_v2.experiments", names, ours)
    assert await content(database, "pg_temp.experiment_links", "*") == await content(
        database, "metadata_v2.experiment_links", "*"
    )


async def test_a_param_or_tag_alone(database: asyncpg.Connection) -> None:
    events = events_of(99)
    await fresh(database, "metadata_v1")
    await project(database, "metadata_v1", events, random.Random(1))
    keys = [
        row["key"] for row in await database.fetch("select distinct key from metadata_v1.run_params limit 2")
    ]
    desk = Desk(wanted=Subject("metadata_v1", "metrics_v1", "default", ""), connection=database)
    await desk.lay_out(desk.wanted)
    below = dict.fromkeys(range(PARTITIONS), 10**9)
    past = PastRuns(database, LIVE, below, "default")
    await past.all_runs(Wanted(params=set(keys[:1])))
    await asyncio.sleep(0)
    found = await content(database, "pg_temp.run_params", "*")
    where = f"key = '{keys[0]}' and run_id in (select id from metadata_v1.runs where workspace = 'default')"
    assert found == await content(database, "metadata_v1.run_params", "*", where)
    await database.execute("discard temp")
