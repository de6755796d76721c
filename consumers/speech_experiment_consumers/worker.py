"""A worker: one Faust application that reads one topic for one sink.

The sink owns the position. Whatever goes wrong beyond a sink's own bounded retries ends the
process without advancing anything; the supervisor starts it again and it reads on from the sink.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections import deque
from collections.abc import Collection, Sequence

from aiokafka.errors import KafkaError

from speech_experiment_infra.memory import release_memory
from speech_experiment_infra.settings import Settings

from .cluster import cluster_id
from .failpoints import failpoint
from .faust_app import ReaderApp, build_app
from .feed import Feed
from .sink import Incoming, Sink
from .status import Meter, PartitionStatus, Status

log = logging.getLogger(__name__)

_REPORT_SECONDS = 2.0
_STALL_SECONDS = 90.0
_TIDY_SECONDS = 300.0
_STOP_SECONDS = 10.0
_CONTESTED_TIMES, _CONTESTED_SECONDS = 6, 15.0


class Stalled(RuntimeError):  # noqa: N818
    """Records wait in the log, and none has been written for a long time."""


class Contested(RuntimeError):  # noqa: N818
    """Another process joins the group under the same instance name; the two displace each other."""


class Worker:
    """Runs until `stopping` is set; raises what ended it otherwise."""

    def __init__(self, settings: Settings, sink: Sink, *, instance: str | None = None) -> None:
        self._settings = settings
        self._sink = sink
        self._instance = instance
        self._feed = Feed(
            max_records=sink.limits.records, max_bytes=sink.limits.bytes, held_bytes=sink.limits.waiting
        )
        self._writing = asyncio.Lock()
        self._meter = Meter()
        self._started = time.time()
        self._progress = time.monotonic()
        self._tidied, self._tidied_at = 0, time.monotonic()
        self._known_ends: dict[int, int] = {}
        self._assignments: deque[float] = deque(maxlen=_CONTESTED_TIMES)

    @property
    def group(self) -> str:
        """Kafka group: one for each projection version."""
        return f"{self._sink.name}-v{self._sink.version}"

    async def run(self, stopping: asyncio.Event) -> None:
        stop = asyncio.create_task(_until(stopping))
        tasks = [asyncio.create_task(self._open(), name=f"{self.group} opens")]
        app: ReaderApp | None = None
        try:
            await _first(stop, *tasks)
            if not stop.done():
                app = self._build()
                tasks = self._start(app)
                await _first(stop, *tasks)
            log.info("%s stops", self.group)
        finally:
            await self._leave(app, [stop, *tasks])

    async def _open(self) -> None:
        await self._sink.open(await cluster_id(self._settings, self._sink.topic))

    def _build(self) -> ReaderApp:
        app = build_app(
            self._settings,
            group=self.group,
            topic=self._sink.topic,
            feed=self._feed,
            fetch_bytes=self._sink.limits.fetch,
            gather_seconds=self._sink.limits.gather,
            locate=self._locate,
            instance=self._instance,
        )
        app.finalize()
        return app

    def _start(self, app: ReaderApp) -> list[asyncio.Task[None]]:
        work = {
            "application": self._serve(app),
            "writer": self._write(),
            "sink": self._sink.watch(),
            "reporter": self._report(app),
        }
        return [asyncio.create_task(each, name=f"{self.group} {name}") for name, each in work.items()]

    async def _serve(self, app: ReaderApp) -> None:
        """Starts the application; returns only by raising what crashed it."""
        await app.start()
        await app.wait_until_stopped()
        raise app.crash_reason or RuntimeError("the Faust application stopped by itself")

    async def _locate(self, partitions: Collection[int]) -> dict[int, int]:
        """Where the sink goes on, once what is being written now is written."""
        self._notice_rival()
        async with self._writing:
            self._feed.clear()
            offsets = await self._sink.next_offsets(partitions)
        self._meter.next = dict(offsets)
        self._progress = time.monotonic()
        log.info("%s reads on from %s", self.group, offsets)
        return offsets

    def _notice_rival(self) -> None:
        """Raises Contested when partitions come back again and again: Kafka's client cannot tell why."""
        self._assignments.append(time.monotonic())
        often = len(self._assignments) == _CONTESTED_TIMES
        if self._instance and often and self._assignments[-1] - self._assignments[0] < _CONTESTED_SECONDS:
            raise Contested(
                f"{self.group}: another process uses the instance name {self._instance!r}; "
                "stop it, or give each process a name of its own with --instance"
            )

    async def _write(self) -> None:
        while True:
            batch = await self._feed.take()
            async with self._writing:
                started = time.perf_counter()
                failpoint("worker.before_write")
                await self._sink.write(batch)
                failpoint("worker.after_write")
            self._count(batch, time.perf_counter() - started)

    def _count(self, batch: Sequence[Incoming], seconds: float) -> None:
        size = sum(len(record.value) for record in batch)
        self._meter.wrote(len(batch), size, seconds, min(record.timestamp for record in batch))
        for record in batch:
            self._meter.next[record.partition] = record.offset + 1
        self._progress = time.monotonic()

    async def _report(self, app: ReaderApp) -> None:
        while True:
            await asyncio.sleep(_REPORT_SECONDS)
            status = self._status(await self._ends(app))
            self._watch(status)
            self._tidy(status)
            try:
                await self._sink.report(status)
            except Exception as error:  # noqa: BLE001 - figures are no reason to stop
                log.warning("%s cannot report: %s", self.group, error)

    async def _ends(self, app: ReaderApp) -> dict[int, int]:
        """Asks the broker where the assigned partitions end: what was fetched may be old."""
        assigned = app.consumer.assignment()
        if assigned:
            with contextlib.suppress(KafkaError, TimeoutError):
                async with asyncio.timeout(_REPORT_SECONDS):
                    ends = await app.consumer.highwaters(*assigned)
                    self._known_ends = {tp.partition: end for tp, end in ends.items()}
        return {tp.partition: self._known_ends.get(tp.partition, 0) for tp in assigned}

    def _watch(self, status: Status) -> None:
        """Raises Stalled when records wait for long; a worker of its own instance must have partitions."""
        waits = status.lag > 0 or (self._instance is not None and not status.partitions)
        idle = time.monotonic() - self._progress
        if not waits:
            self._progress = time.monotonic()
        elif idle > _STALL_SECONDS and not self._writing.locked():
            raise Stalled(f"{self.group}: {status.lag} records wait, none was written for {idle:.0f} s")

    def _tidy(self, status: Status) -> None:
        """Hands memory back once the work is done, and now and then while it never is."""
        done = status.lag == 0 and status.batches != self._tidied
        if done or time.monotonic() - self._tidied_at > _TIDY_SECONDS:
            self._tidied, self._tidied_at = status.batches, time.monotonic()
            release_memory()

    def _status(self, ends: dict[int, int]) -> Status:
        partitions = {
            partition: PartitionStatus(self._meter.next.get(partition, 0), end)
            for partition, end in ends.items()
        }
        return Status(
            projection=self._sink.name,
            version=self._sink.version,
            worker=f"{socket.gethostname()}:{os.getpid()}",
            pid=os.getpid(),
            started_at=self._started,
            partitions=partitions,
            lag=sum(max(0, each.end - each.next) for each in partitions.values()),
            records=self._meter.records,
            bytes=self._meter.bytes,
            batches=self._meter.batches,
            write_ms=self._meter.write_ms,
            latency_ms=self._meter.latency_ms,
        )

    async def _leave(self, app: ReaderApp | None, tasks: list[asyncio.Task[None]]) -> None:
        """Finishes the batch under way, leaves the group, closes the sink; all within bounds."""
        async with asyncio.timeout(_STOP_SECONDS):
            async with self._writing:
                for task in tasks:
                    task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if app is not None:
                await app.stop()
            await self._sink.close()


async def _until(event: asyncio.Event) -> None:
    await event.wait()


async def _first(*tasks: asyncio.Task[None]) -> None:
    """Waits for the first of the tasks, and raises what it raised."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
