"""Reading pieces of the log: one consumer without a group, used by one reader at a time."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, NamedTuple

from .positions import Place
from .stores import Connection

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer

_POLL_MS = 200
_SCAN_BYTES = 64_000_000
_SCAN_SECONDS = 3.0


class LogRecord(NamedTuple):
    """One record as the broker has it; time in milliseconds since 1970, the broker's append time."""

    topic: str
    partition: int
    offset: int
    time: int
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


class Piece(NamedTuple):
    """Records found, and the offset at which to go on; it equals the wanted end when all was read."""

    records: list[LogRecord]
    next_offset: int


class LogReader:
    """Scans a range of one partition for the records of one key."""

    def __init__(self, connection: Connection[AIOKafkaConsumer]) -> None:
        self._connection = connection
        self._turn = asyncio.Lock()

    async def scan(self, place: Place, start: int, stop: int, key: bytes | None, limit: int) -> Piece:
        """Up to `limit` records with the key in start … stop - 1, in log order.

        Ends early after 64 MB or 3 s of other runs' records; go on at `next_offset`.
        """
        if start >= stop:
            return Piece([], stop)
        async with self._turn:
            return await self._scan(place, start, stop, key, limit)

    async def _scan(self, place: Place, start: int, stop: int, key: bytes | None, limit: int) -> Piece:
        from aiokafka import TopicPartition

        consumer, source = self._connection.get(), TopicPartition(*place)
        consumer.assign([source])
        try:
            consumer.seek(source, start)
            return await _collect(consumer, start, stop, key, limit)
        finally:
            consumer.unsubscribe()


async def _collect(consumer: AIOKafkaConsumer, start: int, stop: int, key: bytes | None, limit: int) -> Piece:
    found: list[LogRecord] = []
    scanned, deadline = 0, time.monotonic() + _SCAN_SECONDS
    while start < stop and scanned < _SCAN_BYTES and time.monotonic() < deadline:
        fetched = await consumer.getmany(timeout_ms=_POLL_MS, max_records=500)
        for record in (record for batch in fetched.values() for record in batch):
            if record.offset >= stop or len(found) >= limit:
                return Piece(found, min(record.offset, stop))
            start, scanned = record.offset + 1, scanned + len(record.value or b"")
            if key is None or record.key == key:
                found.append(log_record(record))
    return Piece(found, start)


def log_record(record: object) -> LogRecord:
    """From aiokafka's ConsumerRecord."""
    names = ("topic", "partition", "offset", "timestamp", "key", "value", "headers")
    topic, partition, offset, timestamp, key, value, headers = (getattr(record, name) for name in names)
    return LogRecord(topic, partition, offset, timestamp, key, value or b"", tuple(headers))
