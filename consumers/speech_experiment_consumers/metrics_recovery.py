"""What a new owner of partitions does before it reads on: both stores are brought level with the log.

A pending vector is completed. Rows in ClickHouse beyond the position are deleted. Where ClickHouse has
lost rows that it had confirmed, they are read from the log again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from typing import Any, NamedTuple
from uuid import UUID

from aiokafka import TopicPartition

from speech_experiment_infra.connections import kafka_consumer
from speech_experiment_infra.settings import Settings
from speech_experiment_projections.intervals import EMPTY, Intervals, add
from speech_experiment_projections.metrics import Piece, admitted, rows
from speech_experiment_projections.recorded import Recorded
from speech_experiment_schemas.ids import producer_hash, run_hash
from speech_experiment_schemas.metrics import MetricsLogged

from .bookkeeping import Place
from .clickhouse_points import PointTable, Span, Vector, token
from .failpoints import failpoint
from .intake import Accepted, take_in
from .metrics_batch import Prepared
from .metrics_writer import Fenced, Writer
from .positions import Position, Positions, read_positions
from .sink import Incoming
from .sql import statement

log = logging.getLogger(__name__)

_CHUNK_RECORDS = 500
_VECTOR = "select partition from {schema}.positions where topic = $1 and pending_batch = $2"
_RAISE = """
update {schema}.positions set generation = generation + 1
where topic = $1 and partition = $2 and next_offset = $3 and generation = $4 and pending_batch is null
returning generation
"""
_ROWS_OFFSETS = """
select partition, rows_offset from {schema}.positions
where topic = $1 and partition = any($2::int[]) and rows_offset is not null
"""
_PARKED = """
select "offset" from {schema}.dead_letters
where topic = $1 and partition = $2 and "offset" between $3 and $4
"""

Prepare = Callable[[list[Incoming], Positions], Awaitable[Prepared]]


class Parts(NamedTuple):
    """What recovery works with."""

    settings: Settings
    pool: Any
    table: PointTable
    place: Place
    writer: Writer
    prepare: Prepare


async def recover(parts: Parts, partitions: Collection[int]) -> None:
    """Levels both stores for the partitions; must not run beside a write of this process."""
    for batch in sorted(await _pending(parts, partitions)):
        await _complete(parts, batch)
    positions = await _read(parts, partitions)
    for position in positions.values():
        await _drop_surplus(parts, position)
    positions = await _read(parts, partitions)
    for partition, offset in (await _rows_offsets(parts, partitions)).items():
        if not await asyncio.to_thread(parts.table.holds, {partition: Span(offset, offset)}):
            await _restore(parts, positions[partition])


async def _read(parts: Parts, partitions: Collection[int]) -> Positions:
    async with parts.pool.acquire() as connection:
        return await read_positions(connection, parts.place.schema, parts.place.topic, partitions)


async def _pending(parts: Parts, partitions: Collection[int]) -> set[UUID]:
    positions = await _read(parts, partitions)
    return {each.pending_batch for each in positions.values() if each.pending_batch is not None}


async def _complete(parts: Parts, batch: UUID) -> None:
    """Repeats the insert of exactly the pending vector, whoever noted it, and advances behind it."""
    async with parts.pool.acquire() as connection:
        rows = await connection.fetch(statement(_VECTOR, parts.place.schema), parts.place.topic, batch)
    positions = await _read(parts, [row["partition"] for row in rows])
    vector = {
        partition: Span(position.pending_first, position.pending_last, position.generation)
        for partition, position in positions.items()
        if position.pending_first is not None and position.pending_last is not None
    }
    records = [record async for record in fetch(parts.settings, parts.place.topic, vector)]
    prepared = await parts.prepare(records, {p: _settled(each) for p, each in positions.items()})
    failpoint("recovery.before_look")
    inserted = await asyncio.to_thread(parts.table.holds, vector)
    failpoint("recovery.after_look")
    log.warning(
        "completes the pending vector %s, which %s inserted", vector, "was" if inserted else "was not"
    )
    await parts.writer.finish(prepared._replace(id=batch), inserted=inserted)
    failpoint("recovery.completed")


def _settled(position: Position) -> Position:
    return position._replace(pending_batch=None, pending_first=None, pending_last=None)


async def fetch(settings: Settings, topic: str, vector: Vector) -> AsyncIterator[Incoming]:
    """Exactly the records of a vector, in order within each partition."""
    waiting = {TopicPartition(topic, partition): span for partition, span in vector.items()}
    async with kafka_consumer(settings) as consumer:
        consumer.assign(list(waiting))
        for place, span in waiting.items():
            consumer.seek(place, span.first)
        while waiting:
            for place, records in (await consumer.getmany(*waiting, timeout_ms=1_000)).items():
                last = waiting[place].last
                for r in records:
                    if r.offset <= last:
                        headers = list(r.headers)
                        yield Incoming(
                            topic, r.partition, r.offset, r.timestamp, r.key, r.value or b"", headers
                        )
                if records and records[-1].offset >= last:
                    del waiting[place]


async def _raise_generation(parts: Parts, position: Position) -> None:
    """Makes old tokens void, and fences whoever still writes the partition; raises Fenced if one just did."""
    async with parts.pool.acquire() as connection:
        raised = await connection.fetchval(
            statement(_RAISE, parts.place.schema),
            *(parts.place.topic, position.partition, position.next_offset, position.generation),
        )
    if raised is None:
        raise Fenced(f"{parts.place.topic}/{position.partition} is written by another worker")


async def _drop_surplus(parts: Parts, position: Position) -> None:
    """Rows beyond the position, as after Postgres was restored from a backup: the log gives them again."""
    surplus = await asyncio.to_thread(parts.table.surplus, position.partition, position.next_offset)
    if surplus:
        place = (parts.place.topic, position.partition, position.next_offset)
        log.warning("deletes %d rows at and beyond %s/%d/%d", surplus, *place)
        await _raise_generation(parts, position)
        failpoint("recovery.before_delete")
        await asyncio.to_thread(parts.table.delete_from, position.partition, position.next_offset)
        failpoint("recovery.after_delete")


async def _rows_offsets(parts: Parts, partitions: Collection[int]) -> Mapping[int, int]:
    async with parts.pool.acquire() as connection:
        found = await connection.fetch(
            statement(_ROWS_OFFSETS, parts.place.schema), parts.place.topic, sorted(partitions)
        )
    return {row["partition"]: row["rows_offset"] for row in found}


async def _restore(parts: Parts, position: Position) -> None:
    """Puts back the rows between what ClickHouse still has and the position; Postgres has all it needs."""
    await _raise_generation(parts, position)
    failpoint("recovery.before_restore")
    current = (await _read(parts, [position.partition]))[position.partition]
    held = await asyncio.to_thread(parts.table.last_offset, current.partition, current.next_offset)
    start = (current.first_offset or 0) if held is None else held + 1
    log.warning(
        "ClickHouse lost what it confirmed: restores %s/%d from offset %d to %d",
        *(parts.place.topic, current.partition, start, current.next_offset - 1),
    )
    span = Span(start, current.next_offset - 1, current.generation)
    chunk: list[Incoming] = []
    async for record in fetch(parts.settings, parts.place.topic, {current.partition: span}):
        chunk.append(record)
        if len(chunk) >= _CHUNK_RECORDS:
            await _put_back(parts, chunk, current)
            chunk = []
    if chunk:
        await _put_back(parts, chunk, current)


async def _put_back(parts: Parts, chunk: list[Incoming], position: Position) -> None:
    """Inserts those calls of the records that have no row."""
    span = Span(chunk[0].offset, chunk[-1].offset, position.generation)
    async with parts.pool.acquire() as connection:
        parked = await connection.fetch(
            statement(_PARKED, parts.place.schema), parts.place.topic, position.partition, *span[:2]
        )
    skipped = {row["offset"] for row in parked}
    taken = [take_in(record, parts.place.partitions) for record in chunk if record.offset not in skipped]
    events = [each.recorded for each in taken if isinstance(each, Accepted)]
    logged = [event for event in events if isinstance(event.payload, MetricsLogged)]
    pieces = await asyncio.to_thread(_missing_pieces, parts.table, logged)
    if pieces:
        name = token(parts.place.version, {position.partition: span})
        await asyncio.to_thread(parts.table.insert, rows(pieces).table(), name)
        failpoint("recovery.put_back")


def _missing_pieces(table: PointTable, logged: list[Recorded]) -> list[Piece]:
    """Of each call the first delivery, where no row of it is in the table."""
    pieces: list[Piece] = []
    for run in sorted({event.subject for event in logged}):
        of_run = [event for event in logged if event.subject == run]
        producers = [producer_hash(each.envelope.producer) for each in of_run]
        span = (min(each.envelope.seq for each in of_run), max(each.envelope.last for each in of_run))
        present = table.seqs(run_hash(run), producers, *span)
        pieces += [piece for event in of_run for piece in _pieces(event, present)]
    return pieces


def _pieces(event: Recorded, present: set[tuple[int, int]]) -> list[Piece]:
    payload, envelope = event.payload, event.envelope
    assert isinstance(payload, MetricsLogged)  # noqa: S101 - the caller selected them
    producer = producer_hash(envelope.producer)
    lacking: Intervals = EMPTY
    for seq in range(envelope.seq, envelope.last + 1):
        if (producer, seq) not in present:
            lacking = add(lacking, seq, seq + 1)
            present.add((producer, seq))
    return [
        Piece(event.subject, 0, envelope.producer, event.partition, event.offset, seq, None, columns)
        for seq, columns in admitted(payload, envelope.seq, envelope.count, lacking)
        if columns.values
    ]
