"""Writes a prepared batch of metrics: pending vector, insert, advance."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from uuid import UUID

from speech_experiment_projections.bounds import check_bounds
from speech_experiment_projections.summaries import Summary, columns_of
from speech_experiment_schemas.metrics import MetricsLogged

from .bookkeeping import Books, Place
from .clickhouse_points import PointTable, Vector, token
from .failpoints import failpoint
from .intake import Accepted
from .ledger_store import Ledger
from .metrics_batch import Prepared
from .metrics_recompute import recompute
from .metrics_tables import (
    forget_run,
    read_attempts,
    read_keys,
    read_speakers,
    save_attempts,
    save_names,
    save_results,
    save_rows_offsets,
    save_summaries,
)
from .positions import Positions, read_positions, save_positions
from .postgres_sink import patiently

_REMEMBERED_NAMES = 100_000


class Fenced(RuntimeError):  # noqa: N818
    """Another worker has taken the partition over, and moved its position."""


class Writer:
    """Of one process. Every transaction first locks the positions, and checks that they are ours."""

    def __init__(self, pool: Any, table: PointTable, place: Place) -> None:
        self._pool = pool
        self._table = table
        self._place = place
        self._keys: set[str] = set()
        self._runs: set[UUID] = set()
        self.under_way: Vector = {}

    def unknown_keys(self, accepted: Iterable[Accepted]) -> set[str]:
        """Keys of the records that this process has not written yet."""
        payloads = (each.recorded.payload for each in accepted)
        named = {tuple(payload.keys) for payload in payloads if isinstance(payload, MetricsLogged)}
        return {key for keys in named for key in keys} - self._keys

    async def begin(self, prepared: Prepared) -> None:
        """Notes the vector as pending, where there is something to insert; raises Fenced."""
        self.under_way = prepared.vector
        if prepared.rows is not None:
            await self._transact(lambda connection: self._note(connection, prepared))

    async def _note(self, connection: Any, prepared: Prepared) -> None:
        schema = self._place.schema
        current = await self._lock(connection, prepared)
        if all(position.pending_batch == prepared.id for position in current.values()):
            return  # noted before: the answer to the commit was lost
        self._check_unmoved(current, prepared, None)
        runs = {run: partition for run, partition in prepared.runs.items() if run not in self._runs}
        await save_names(connection, schema, prepared.keys - self._keys, runs)
        pending = [
            position._replace(
                pending_batch=prepared.id,
                pending_first=prepared.vector[partition].first,
                pending_last=prepared.vector[partition].last,
            )
            for partition, position in current.items()
        ]
        await save_positions(connection, schema, self._place.topic, pending)
        failpoint("metrics.before_pending")

    async def finish(self, prepared: Prepared, *, inserted: bool = False) -> None:
        """Inserts, unless that was done, and advances; raises Fenced."""
        if prepared.rows is not None and not inserted:
            name = token(self._place.version, prepared.vector)
            failpoint("metrics.before_insert")
            await asyncio.to_thread(self._table.insert, prepared.rows.table(), name)
            failpoint("metrics.after_insert")
        recomputed = {run: await self._recompute(run, prepared) for run in sorted(prepared.recompute)}
        await self._transact(lambda connection: self._advance(connection, prepared, recomputed))
        failpoint("metrics.after_advance")
        self._remember(prepared)

    def _remember(self, prepared: Prepared) -> None:
        """Names that are written need not be written again."""
        if len(self._keys) + len(self._runs) > _REMEMBERED_NAMES:
            self._keys.clear()
            self._runs.clear()
        self._keys |= prepared.keys
        self._runs |= prepared.runs.keys()

    async def _recompute(self, run: UUID, prepared: Prepared) -> list[Summary]:
        schema = self._place.schema
        async with self._pool.acquire() as connection:
            speakers = await read_speakers(connection, schema, run)
            resumes = (await read_attempts(connection, schema, [run]))[run] + prepared.resumes_of(run)
        speakers |= {speaker.hash: speaker for speaker in prepared.speakers_of(run)}
        found = await asyncio.to_thread(recompute, self._table, run, speakers.values(), resumes)
        async with self._pool.acquire() as connection:
            keys = await read_keys(connection, schema, {each for each, _ in found})
        return [summary._replace(series=summary.series._replace(key=keys[key])) for key, summary in found]

    async def _advance(
        self, connection: Any, prepared: Prepared, recomputed: dict[UUID, list[Summary]]
    ) -> None:
        schema = self._place.schema
        current = await self._lock(connection, prepared)
        if all(current[p].next_offset == span.last + 1 for p, span in prepared.vector.items()):
            return  # written before: the answer to the commit was lost, or another worker completed it
        self._check_unmoved(current, prepared, prepared.id)
        await save_attempts(connection, schema, prepared.resumes)
        for run in recomputed:
            await forget_run(connection, schema, run)
        anew = columns_of([each for of_run in recomputed.values() for each in of_run])
        for summaries in (prepared.summaries, anew):
            await save_summaries(connection, schema, summaries)
            await save_results(connection, schema, summaries.series)
        await self._admit_unbound(connection, prepared)
        await prepared.books.close(connection)
        await save_rows_offsets(connection, schema, self._place.topic, prepared.rows_offsets)
        failpoint("metrics.before_advance")

    async def _admit_unbound(self, connection: Any, prepared: Prepared) -> None:
        """Events about no run: their producers may write to several partitions, so the ledger is locked."""
        unbound = [each for each in prepared.books.accepted if each.recorded.envelope.run_id is None]
        if unbound:
            events = [each.recorded for each in unbound]
            ledger = await Ledger.load(connection, self._place.schema, events)
            books = Books(self._place, {}, [], ledger, prepared.books.guard.copy())
            for each in unbound:
                books.project_one(each, check_bounds)
            await books.close(connection)

    async def _lock(self, connection: Any, prepared: Prepared) -> Positions:
        return await read_positions(
            connection, self._place.schema, self._place.topic, prepared.vector, lock=True
        )

    def _check_unmoved(self, current: Positions, prepared: Prepared, pending: UUID | None) -> None:
        """pending: the vector that must be noted now."""
        for partition, position in current.items():
            span = prepared.vector[partition]
            found = (position.next_offset, position.generation, position.pending_batch)
            if found != (span.first, span.generation, pending):
                raise Fenced(
                    f"{self._place.topic}/{partition}: offset, generation and pending vector are {found}, "
                    f"expected {(span.first, span.generation, pending)}: another worker writes it"
                )

    async def _transact(self, work: Callable[[Any], Awaitable[None]]) -> None:
        async for attempt in patiently():
            with attempt:
                async with self._pool.acquire() as connection, connection.transaction():
                    await work(connection)
