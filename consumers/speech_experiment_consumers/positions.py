"""The sink's own positions: locked, advanced with the rows, and bound to one Kafka log by hashes."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

import stamina
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from speech_experiment_infra.connections import kafka_consumer
from speech_experiment_infra.settings import Settings

from .sink import Incoming, PositionGap, WrongLog
from .sql import columns, moment, statement

_CREATE = """
insert into {schema}.positions (topic, partition) select $1, unnest($2::int[]) on conflict do nothing
"""
_SELECT = """
select partition, next_offset, cluster_id, first_offset, first_hash, last_hash, generation,
       pending_batch, pending_first, pending_last
from {schema}.positions where topic = $1 and partition = any($2::int[]) order by partition
"""
_UPDATE = """
update {schema}.positions p
set next_offset = n.next_offset, cluster_id = n.cluster_id, first_offset = n.first_offset,
    first_hash = n.first_hash, last_hash = n.last_hash, last_time = coalesce(n.last_time, p.last_time), generation = n.generation,
    pending_batch = n.pending_batch, pending_first = n.pending_first, pending_last = n.pending_last,
    applied_at = now()
from unnest($2::int[], $3::bigint[], $4::text[], $5::bigint[], $6::bytea[], $7::bytea[], $8::timestamptz[],
            $9::bigint[], $10::uuid[], $11::bigint[], $12::bigint[])
     as n (partition, next_offset, cluster_id, first_offset, first_hash, last_hash, last_time, generation,
           pending_batch, pending_first, pending_last)
where p.topic = $1 and p.partition = n.partition
"""


class Position(NamedTuple):
    """Where a sink stands in one partition; hashes are SHA-256 of the records' bytes."""

    partition: int
    next_offset: int = 0
    cluster_id: str | None = None
    first_offset: int | None = None
    first_hash: bytes | None = None
    last_hash: bytes | None = None
    generation: int = 0
    pending_batch: UUID | None = None
    pending_first: int | None = None
    pending_last: int | None = None


Positions = dict[int, Position]


async def read_positions(
    connection: Any, schema: str, topic: str, partitions: Collection[int], *, lock: bool = False
) -> Positions:
    """The positions of the partitions, made where missing; locked until the transaction ends when asked.

    A process that is frozen while it holds the lock loses it after ten seconds, with its transaction.
    """
    wanted = sorted(partitions)
    if lock:
        await connection.execute("set local idle_in_transaction_session_timeout = '10s'")
    query = statement(_SELECT, schema) + (" for update" if lock else "")
    rows = await connection.fetch(query, topic, wanted)
    if len(rows) < len(wanted):
        await connection.execute(statement(_CREATE, schema), topic, wanted)
        rows = await connection.fetch(query, topic, wanted)
    return {row["partition"]: Position(*row) for row in rows}


async def save_positions(
    connection: Any,
    schema: str,
    topic: str,
    positions: Iterable[Position],
    times: Mapping[int, int] | None = None,
) -> None:
    """Writes positions back. times: partition → broker time of the last applied record, microseconds."""
    times = times or {}
    rows = [(*p[:6], moment(times[p.partition]) if p.partition in times else None, *p[6:]) for p in positions]
    await connection.execute(statement(_UPDATE, schema), topic, *columns(rows, 11))


def fresh(positions: Positions, batch: Sequence[Incoming]) -> list[Incoming]:
    """The records at and after the positions; raises PositionGap where one is missing in between."""
    expected = {partition: position.next_offset for partition, position in positions.items()}
    records: list[Incoming] = []
    for incoming in batch:
        following = expected[incoming.partition]
        if incoming.offset > following:
            raise PositionGap(
                f"{incoming.topic}/{incoming.partition}: offset {following} was expected, {incoming.offset} came"
            )
        if incoming.offset == following:
            expected[incoming.partition] = following + 1
            records.append(incoming)
    return records


def advance(positions: Positions, records: Iterable[Incoming], cluster_id: str) -> Positions:
    """The positions behind the records, which follow on them."""
    moved = dict(positions)
    ends: dict[int, Incoming] = {}
    for incoming in records:
        if incoming.partition not in ends and moved[incoming.partition].first_offset is None:
            moved[incoming.partition] = moved[incoming.partition]._replace(
                first_offset=incoming.offset, first_hash=record_hash(incoming.value)
            )
        ends[incoming.partition] = incoming
    for partition, last in ends.items():
        moved[partition] = moved[partition]._replace(
            next_offset=last.offset + 1, last_hash=record_hash(last.value), cluster_id=cluster_id
        )
    return moved


def record_hash(value: bytes) -> bytes:
    return sha256(value).digest()


async def check_log(settings: Settings, topic: str, positions: Iterable[Position], cluster_id: str) -> None:
    """Raises WrongLog unless the connected log still holds the first and the last applied record."""
    applied = [position for position in positions if position.first_offset is not None]
    for position in applied:
        if position.cluster_id != cluster_id:
            raise _wrong_log(
                topic,
                position.partition,
                f"they were read from cluster {position.cluster_id}, this is cluster {cluster_id}",
            )
    if applied:
        await _compare(settings, topic, applied)


@stamina.retry(on=(KafkaError, OSError, TimeoutError), attempts=None, timeout=20.0)
async def _compare(settings: Settings, topic: str, applied: Iterable[Position]) -> None:
    async with asyncio.timeout(10), kafka_consumer(settings, max_partition_fetch_bytes=2 << 20) as consumer:
        for position in applied:
            await _check_partition(consumer, topic, position)


async def _check_partition(consumer: AIOKafkaConsumer, topic: str, position: Position) -> None:
    place = TopicPartition(topic, position.partition)
    end = (await consumer.end_offsets([place]))[place]
    if position.next_offset > end:
        raise _wrong_log(
            topic,
            position.partition,
            f"{position.next_offset} records were applied, but the log has {end}",
        )
    assert position.first_offset is not None  # noqa: S101 - only applied positions are checked
    consumer.assign([place])
    for offset, expected, which in (
        (position.first_offset, position.first_hash, "first"),
        (position.next_offset - 1, position.last_hash, "last"),
    ):
        consumer.seek(place, offset)
        record = await consumer.getone(place)
        if record.offset != offset or record_hash(record.value or b"") != expected:
            raise _wrong_log(
                topic, position.partition, f"the {which} applied record (offset {offset}) is another one now"
            )


def _wrong_log(topic: str, partition: int, reason: str) -> WrongLog:
    return WrongLog(
        f"the positions in Postgres do not belong to this Kafka log: {topic}/{partition}: {reason}. "
        "Connect the Kafka that these projections were built from, or build new ones from this log "
        "with an empty database"
    )
