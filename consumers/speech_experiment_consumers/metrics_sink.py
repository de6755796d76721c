"""The sink of metrics: points to ClickHouse, what they mean to Postgres, exactly once in both.

A batch is written in three steps. Postgres notes its vector as pending; ClickHouse takes one insert
of exactly that vector, named by a token; Postgres takes positions, ledger, names, attempts,
summaries and results in one transaction that also clears the vector. Whoever finds a pending
vector repeats the second step, which the token makes harmless, and goes on. While one batch is
inserted the next is prepared.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import msgspec

from speech_experiment_infra.connections import clickhouse, postgres_pool
from speech_experiment_infra.settings import Settings
from speech_experiment_projections.ledger import Account, Entry, account_of

from .bookkeeping import Books, Place
from .clickhouse_points import PointTable
from .dead_letters import PoisonGuard, recall_guard
from .intake import Accepted, Letter, take_in
from .ledger_store import Ledger, read_entries, read_owners
from .metrics_batch import Collector, Prepared, Resumes
from .metrics_memory import keep_memory
from .metrics_recovery import Parts, recover
from .metrics_tables import collisions, read_attempts
from .metrics_writer import Writer
from .positions import Positions, advance, check_log, fresh, read_positions
from .postgres_sink import patiently
from .sink import Incoming, Limits, Sink
from .status import PartitionStatus, Status
from .worker_rows import save_status

log = logging.getLogger(__name__)

FULL_BATCH_POINTS = 400_000
_REMEMBERED = 4_000


class MetricsSink:
    """A Sink; what it remembers of ledger and attempts runs ahead of Postgres by the batch under way."""

    name = "metrics"
    topic = "metrics"
    limits = Limits(records=5_000, bytes=12 << 20, waiting=16 << 20, fetch=8 << 20, gather=0.03)
    bulk = Limits(records=20_000, bytes=24 << 20, waiting=48 << 20)

    def __init__(self, settings: Settings, version: int) -> None:
        self.version = version
        self.points = 0
        self._settings = settings
        self._place = Place(self.name, version, self.topic, settings.partitions, "")
        self._open = AsyncExitStack()
        self._pool: Any = None
        self._table: PointTable
        self._writer: Writer
        self._flight: asyncio.Task[None] | None = None
        self._failure: asyncio.Future[None]
        self._forget({}, PoisonGuard())

    def _forget(self, positions: Positions, guard: PoisonGuard) -> None:
        self._positions = positions
        self._guard = guard
        self._entries: dict[Account, Entry] = {}
        self._owners: dict[UUID, str] = {}
        self._resumes: Resumes = {}

    async def open(self, cluster_id: str) -> None:
        self._place = self._place._replace(cluster_id=cluster_id)
        self._failure = asyncio.get_running_loop().create_future()
        pool = postgres_pool(self._settings, min_size=1, max_size=2)
        self._pool = await self._patiently(lambda: self._open.enter_async_context(pool))
        client = await self._patiently(lambda: self._open.enter_async_context(clickhouse(self._settings)))
        self._table = PointTable(client, self.version)
        self._writer = Writer(self._pool, self._table, self._place)
        await self._check_log(range(self._settings.partitions))

    async def _patiently(self, connect: Callable[[], Awaitable[Any]]) -> Any:
        from clickhouse_connect.driver.exceptions import Error

        async for attempt in patiently(Error):
            with attempt:
                found = await connect()
        return found

    async def _check_log(self, partitions: Collection[int]) -> Positions:
        async for attempt in patiently():
            with attempt:
                async with self._pool.acquire() as connection:
                    positions = await read_positions(connection, self._place.schema, self.topic, partitions)
        await check_log(self._settings, self.topic, positions.values(), self._place.cluster_id)
        return positions

    async def next_offsets(self, partitions: Collection[int]) -> dict[int, int]:
        await self._settle()
        self._forget({}, PoisonGuard())
        await recover(
            Parts(self._settings, self._pool, self._table, self._place, self._writer, self._prepare),
            partitions,
        )
        self._forget(
            await self._check_log(partitions),
            await self._recall_guard(partitions),
        )
        return {partition: position.next_offset for partition, position in self._positions.items()}

    async def _recall_guard(self, partitions: Collection[int]) -> PoisonGuard:
        async with self._pool.acquire() as connection:
            return await recall_guard(connection, self._place.schema, self.topic, partitions)

    async def write(self, batch: Sequence[Incoming]) -> None:
        """Returns when the batch is on its way and the one before it is written.

        A failure of the batch under way is raised by `watch`, and by the next call that waits for it.
        """
        records = fresh(self._positions, batch)
        if not records:
            return
        prepared = await self._prepare(records, self._positions)
        await self._settle()
        await self._writer.begin(prepared)
        self._advance(prepared)
        self._flight = asyncio.create_task(self._writer.finish(prepared))
        self._flight.add_done_callback(self._landed)
        points = 0 if prepared.rows is None else len(prepared.rows)
        self.points += points
        await asyncio.sleep(pause_after(points))

    write_ahead = write

    async def _prepare(self, records: list[Incoming], positions: Positions) -> Prepared:
        """Everything about the records but the writing; they follow on what was prepared before."""
        taken = await asyncio.to_thread(self._take_in, records)
        accepted = [each for each in taken if isinstance(each, Accepted)]
        colliding = await self._recall(accepted)
        touched = {record.partition for record in records}
        books = Books(
            self._place,
            {partition: positions[partition] for partition in touched},
            records,
            Ledger(dict(self._entries), dict(self._owners)),
            self._guard.copy(),
        )
        books.letters = [each for each in taken if isinstance(each, Letter)]
        books.accepted = accepted
        return await asyncio.to_thread(self._collect, books, colliding)

    def _take_in(self, records: list[Incoming]) -> list[Accepted | Letter]:
        return [take_in(record, self._place.partitions) for record in records]

    def _collect(self, books: Books, colliding: set[str | UUID]) -> Prepared:
        resumes = dict(self._resumes)
        collector = Collector(books, resumes, colliding)
        for each in books.accepted:
            if each.recorded.envelope.run_id is not None:
                books.project_one(each, collector.apply)
        self._resumes, self._owners = resumes, books.ledger.owners
        return collector.prepare()

    async def _recall(self, accepted: list[Accepted]) -> set[str | UUID]:
        """Reads what is not remembered of the records' producers and runs; returns names that collide."""
        accounts = {account_of(each.recorded) for each in accepted if each.recorded.envelope.run_id}
        unknown = accounts - self._entries.keys()
        runs = {run for _, run, _ in accounts if run is not None} - self._resumes.keys()
        keys = self._writer.unknown_keys(accepted)
        if not (unknown or runs or keys):
            return set()
        async for attempt in patiently():
            with attempt:
                async with self._pool.acquire() as connection:
                    entries = await read_entries(connection, self._place.schema, unknown)
                    owners = await read_owners(connection, self._place.schema, runs)
                    resumes = await read_attempts(connection, self._place.schema, runs)
                    colliding = await collisions(connection, self._place.schema, keys, runs)
        self._entries |= entries
        self._owners |= owners
        self._resumes |= resumes
        return colliding

    def _advance(self, prepared: Prepared) -> None:
        """Remembers the batch as if it were written: if it is not, this process ends."""
        books = prepared.books
        moved = advance(books.positions, books.records, self._place.cluster_id)
        self._positions = self._positions | moved
        self._guard = books.guard
        accounts = {account_of(each.recorded) for each in books.accepted}
        if len(self._entries) > _REMEMBERED:
            self._entries = {}
        # Those that closed are in Postgres now, unless they closed in this batch, and say no more.
        self._entries = {each: entry for each, entry in self._entries.items() if entry.closed is None}
        self._entries |= {each: entry for each in accounts if (entry := books.ledger.entries.get(each))}
        if len(self._resumes) > _REMEMBERED:
            runs = {run for _, run, _ in accounts}
            self._resumes = {run: known for run, known in self._resumes.items() if run in runs}
            self._owners = {run: owner for run, owner in self._owners.items() if run in runs}

    async def _settle(self) -> None:
        """Waits for the batch under way; raises what it failed with."""
        flight = self._flight
        if flight is not None:
            await asyncio.wait([flight])
            if self._flight is flight:
                self._flight = None
            flight.result()

    def _landed(self, flight: asyncio.Task[None]) -> None:
        error = None if flight.cancelled() else flight.exception()
        if error is not None and not self._failure.done():
            self._failure.set_exception(error)

    async def watch(self) -> None:
        await asyncio.shield(self._failure)

    async def report(self, status: Status) -> None:
        """Counts as written what Postgres says is written, not what is under way."""
        partitions = {
            partition: PartitionStatus(min(each.next, self._written(partition)), each.end)
            for partition, each in status.partitions.items()
        }
        lag = sum(max(0, each.end - each.next) for each in partitions.values())
        async with self._pool.acquire() as connection:
            await save_status(connection, msgspec.structs.replace(status, partitions=partitions, lag=lag))

    def _written(self, partition: int) -> int:
        under_way = self._writer.under_way if self._flight is not None and not self._flight.done() else {}
        if partition in under_way:
            return under_way[partition].first
        return self._positions[partition].next_offset if partition in self._positions else 0

    async def close(self) -> None:
        await self._settle()
        await self._open.aclose()


def pause_after(points: int) -> float:
    """Seconds in which the next batch gathers, as each costs some 50 ms of processor time whatever its size.

    A lone batch goes at once. A backlog, which fills batches, is worked off without pauses.
    """
    if points >= FULL_BATCH_POINTS:
        return 0.0
    return max(0.05, 0.25 * min(1.0, points / 100_000))


def create(settings: Settings, version: int) -> Sink:
    keep_memory()
    return MetricsSink(settings, version)
