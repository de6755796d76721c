"""Appending to the event log, acknowledged by every in-sync replica."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from aiokafka.errors import KafkaError, KafkaTimeoutError

from speech_experiment_schemas.ids import partition_of
from speech_experiment_schemas.stamps import Headers

from .problems import Problem, unavailable
from .stores import Connection
from .telemetry import Telemetry

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer
    from aiokafka.structs import RecordMetadata

_PATIENCE = 0.5
_STUCK_SECONDS = 30.0


class Outgoing(NamedTuple):
    """One record on its way to the log; key as made by record_key."""

    topic: str
    key: bytes | None
    value: bytes


class LogWriter:
    """Shares one producer among all requests, and bounds what is under way.

    barred     why nothing may be written now, until the log guard has seen that the log is ours
    in_flight  bytes handed over and not acknowledged; beyond the limit callers wait half a
               second and are then refused with 429
    """

    def __init__(
        self,
        connection: Connection[AIOKafkaProducer],
        telemetry: Telemetry,
        *,
        partitions: int,
        limit: int,
        timeout: float,
    ) -> None:
        self.in_flight = 0
        self.barred: str | None = "has not been checked yet"
        self._connection = connection
        self._telemetry = telemetry
        self._partitions = partitions
        self._limit = limit
        self._timeout = timeout
        self._freed = asyncio.Event()
        self._acknowledged = time.monotonic()

    async def append(self, records: Sequence[Outgoing], headers: Headers) -> list[tuple[str, int, int]]:
        """Writes in order; returns (topic, partition, last offset) once all are acknowledged.

        Raises Problem: 429 when the broker is too slow, 503 when it is away. Some of the
        records may then be in the log all the same; the ledger makes their repetition harmless.
        """
        if self.barred:
            raise Problem(503, "wrong_log", f"the event log: {self.barred}", headers={"Retry-After": "2"})
        size = sum(len(record.value) for record in records)
        await self._admit(size)
        self.in_flight += size
        self._telemetry.in_flight.set(self.in_flight)
        try:
            return _last_offsets(await self._send(records, headers))
        finally:
            self.in_flight -= size
            self._telemetry.in_flight.set(self.in_flight)
            self._freed.set()

    async def _admit(self, size: int) -> None:
        deadline = time.monotonic() + _PATIENCE
        while self.in_flight and self.in_flight + size > self._limit:
            self._freed.clear()
            try:
                await asyncio.wait_for(self._freed.wait(), deadline - time.monotonic())
            except TimeoutError:
                raise _pressure() from None

    async def _send(self, records: Sequence[Outgoing], headers: Headers) -> list[RecordMetadata]:
        producer = self._connection.get()
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout):
                written = await self._hand_over(producer, records, headers)
        except (TimeoutError, KafkaTimeoutError):
            self._renew_if_stuck(started)
            raise unavailable("the event log", retry_after=2) from None
        except KafkaError as error:
            if not error.retriable:
                self._connection.renew()
            raise unavailable(f"the event log ({type(error).__name__})", retry_after=2) from None
        self._acknowledged = time.monotonic()
        self._telemetry.ack_seconds.observe(self._acknowledged - started)
        return written

    def _renew_if_stuck(self, started: float) -> None:
        """A producer without any acknowledgement for long may hang: a broker that is back gets a new one."""
        if started - self._acknowledged > _STUCK_SECONDS:
            self._acknowledged = time.monotonic()
            self._connection.renew()

    async def _hand_over(
        self, producer: AIOKafkaProducer, records: Sequence[Outgoing], headers: Headers
    ) -> list[RecordMetadata]:
        partition = self._partition
        pending = [
            await producer.send(topic, value, key=key, partition=partition(key), headers=headers)
            for topic, key, value in records
        ]
        return list(await asyncio.gather(*pending))

    def _partition(self, key: bytes | None) -> int:
        return partition_of(key, self._partitions) if key and self._partitions > 1 else 0


def _last_offsets(written: Sequence[RecordMetadata]) -> list[tuple[str, int, int]]:
    last: dict[tuple[str, int], int] = {}
    for each in written:
        place = (each.topic, each.partition)
        last[place] = max(last.get(place, -1), each.offset)
    return [(topic, partition, offset) for (topic, partition), offset in last.items()]


def _pressure() -> Problem:
    detail = "the event log takes records more slowly than they come in; send this batch again later"
    return Problem(429, "broker_pressure", detail, headers={"Retry-After": "1"})
