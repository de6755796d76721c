"""One reader of the log's end for all live viewers; it reads only while somebody watches."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from uuid import UUID

from speech_experiment_infra.connections import kafka_consumer
from speech_experiment_schemas.stamps import read_stamps

from . import log
from .log_reader import LogRecord, log_record
from .outages import is_outage
from .positions import Place
from .problems import Problem

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer

    from .settings import ApiSettings

TOPICS = ("runs", "metrics", "artifacts")
_QUEUE_BYTES = 16_000_000
_QUEUE_RECORDS = 5_000
_RETRY_SECONDS = 0.5
_MOST_VIEWERS = 500


class Viewer:
    """A bounded queue of the records that one viewer asked for.

    runs     ids to follow; empty: all runs of the workspace, without their metrics
    dropped  records lost to it since last asked, because it reads too slowly
    """

    def __init__(self, workspace: str, runs: Collection[UUID]) -> None:
        self.dropped = 0
        self._workspace = workspace
        self._keys = frozenset(run.bytes for run in runs)
        self._records: deque[LogRecord] = deque()
        self._bytes = 0
        self._news = asyncio.Event()

    def wants(self, record: LogRecord) -> bool:
        chosen = record.key in self._keys if self._keys else record.topic != "metrics"
        return chosen and read_stamps(record.headers).workspace == self._workspace

    def put(self, record: LogRecord) -> None:
        """Keeps the newest: what is too much goes at the old end, and is counted."""
        self._records.append(record)
        self._bytes += len(record.value)
        while self._bytes > _QUEUE_BYTES or len(self._records) > _QUEUE_RECORDS:
            self._bytes -= len(self._records.popleft().value)
            self.dropped += 1
        self._news.set()

    async def take(self, seconds: float) -> list[LogRecord]:
        """All that came in; an empty list when nothing did within `seconds`."""
        if not self._records:
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), seconds)
            except TimeoutError:
                return []
        taken = list(self._records)
        self._records.clear()
        self._bytes = 0
        return taken


class LiveTail:
    """Follows the topics of runs from their ends and hands records to the viewers."""

    def __init__(self, settings: ApiSettings) -> None:
        self._settings = settings
        self._viewers: set[Viewer] = set()
        self._task: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._next: dict[Place, int] = {}
        self._started = asyncio.Event()

    @asynccontextmanager
    async def watching(self, viewer: Viewer) -> AsyncIterator[dict[Place, int]]:
        """Registers a viewer; gives the offsets from which on it will see everything.

        Raises Problem 429 when too many watch, TimeoutError when the log is away.
        """
        if len(self._viewers) >= _MOST_VIEWERS:
            raise Problem(429, "too_many_viewers", f"{_MOST_VIEWERS} live streams are open on this server")
        if self._task is None:
            self._started.clear()
            self._next.clear()
            self._task = asyncio.create_task(self._follow(), name="live tail")
        self._viewers.add(viewer)
        try:
            async with asyncio.timeout(10):
                await self._started.wait()
            yield dict(self._next)
        finally:
            self._viewers.discard(viewer)
            if not self._viewers:
                self._end()

    def _end(self) -> None:
        """Waits for nothing: a viewer that goes is cancelled at every wait, and would cut the closing short."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    async def close(self) -> None:
        self._end()
        await asyncio.gather(*self._ending, return_exceptions=True)

    async def _follow(self) -> None:
        while True:
            try:
                async with kafka_consumer(self._settings, auto_offset_reset="latest") as consumer:
                    await self._read(consumer)
            except Exception as error:  # noqa: BLE001 - viewers stay; the log will be back
                if not is_outage(error):
                    log.write_error(error, task="live tail")
            await asyncio.sleep(_RETRY_SECONDS)

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        await self._assign(consumer)
        self._started.set()
        while True:
            fetched = await consumer.getmany(timeout_ms=1_000)
            for place, records in fetched.items():
                for record in records:
                    self._dispatch(log_record(record))
                self._next[place.topic, place.partition] = records[-1].offset + 1

    async def _assign(self, consumer: AIOKafkaConsumer) -> None:
        """At the ends on the first connection; after a break where it broke off."""
        from aiokafka import TopicPartition

        places = [
            TopicPartition(topic, each) for topic in TOPICS for each in range(self._settings.partitions)
        ]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        for place in places:
            offset = self._next.setdefault((place.topic, place.partition), ends[place])
            consumer.seek(place, offset)

    def _dispatch(self, record: LogRecord) -> None:
        for viewer in self._viewers:
            if viewer.wants(record):
                viewer.put(record)
