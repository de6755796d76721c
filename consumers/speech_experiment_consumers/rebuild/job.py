"""The job that rebuilds one projection: read, index, be followed, compare, flip.

Every step is done once and stands in the stores: the version's own positions, whether it is indexed,
its state. So a job that was killed at any moment is taken up by the next process where it was.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from typing import Any

import msgspec

from speech_experiment_infra.connections import clickhouse, postgres_pool
from speech_experiment_infra.migrate import create_projection, index_projection
from speech_experiment_infra.rebuilds import Phase, Rebuild, beat, claim, leave
from speech_experiment_infra.settings import Settings
from speech_experiment_infra.versions import (
    Refused,
    Version,
    find,
    flip,
    read_versions,
    set_line,
    set_state,
)

from ..cluster import cluster_id
from ..lanes import close_lanes, count_lanes, lanes, open_lanes, slowest
from ..postgres_sink import TRANSIENT, PostgresSink, postgres
from ..registry import create_sink
from ..sink import PoisonLimit, PositionGap, Sink, WrongLog
from ..sql import schema_name
from .comparison import Findings, compare
from .part import Portion, Share
from .parts import filled, processes, read_beside, shares
from .progress import Progress, Tally
from .reading import Ends, log_ends, read_in_bulk

log = logging.getLogger(__name__)

_BEAT_SECONDS = 1.0
_NEARLY_LEVEL = 2_000
"""Records behind the log at which the workers take over."""
_HOPELESS = (WrongLog, PoisonLimit, PositionGap, Refused)
"""Errors that another attempt would meet again."""


class Superseded(RuntimeError):  # noqa: N818
    """The job was aborted, or another process has taken it over."""


def holder_name(pid: int | None = None) -> str:
    return f"{socket.gethostname()}:{pid or os.getpid()}"


async def run_job(settings: Settings, name: str) -> None:
    """Claims a waiting job of the projection and does it; returns at once when there is none."""
    holder = holder_name()
    async with postgres(settings) as pool:
        rebuild = await claim(pool, name, holder)
        if rebuild is None:
            log.info("no rebuild of %s waits", name)
            return
        log.info("rebuilds %s:%d", name, rebuild.version)
        job = Job(settings, rebuild, holder)
        try:
            phase, findings = await job.run()
        except Superseded as error:
            log.warning("%s", error)
        except BaseException as error:
            await _give_up(pool, rebuild, holder, error)
            raise
        else:
            found = None if findings is None else msgspec.to_builtins(findings)
            await leave(pool, rebuild, holder, phase, findings=found)


async def _give_up(pool: Any, rebuild: Rebuild, holder: str, error: BaseException) -> None:
    hopeless = isinstance(error, _HOPELESS)
    text = None if isinstance(error, asyncio.CancelledError) else f"{type(error).__name__}: {error}"
    try:
        await asyncio.shield(leave(pool, rebuild, holder, "failed" if hopeless else None, error=text))
    except TRANSIENT:
        log.warning("cannot say that the job was left; its lease will end")


class Job:
    """One attempt at a rebuild, by this process alone."""

    def __init__(self, settings: Settings, rebuild: Rebuild, holder: str) -> None:
        self._settings = settings
        self._rebuild = rebuild
        self._holder = holder
        self._phase: Phase = "waiting"
        self._progress = Progress(**_known(rebuild.progress))
        self._beside = Portion()
        self._tally = Tally(cpu=lambda: time.process_time() + self._beside.cpu_seconds)
        self._pool: Any = None

    async def run(self) -> tuple[Phase, Findings | None]:
        """The phase in which the job is over, and what the comparison found.

        Raises:
            Superseded: somebody else has it, or it was aborted.
        """
        async with postgres_pool(self._settings, min_size=1, max_size=4) as self._pool:
            beating = asyncio.create_task(self._beat())
            working = asyncio.create_task(self._work())
            try:
                await asyncio.wait([beating, working], return_when=asyncio.FIRST_COMPLETED)
                if beating.done():
                    beating.result()
                return await working
            finally:
                for task in (beating, working):
                    task.cancel()
                await asyncio.gather(beating, working, return_exceptions=True)

    async def _beat(self) -> None:
        missed = 0.0
        while True:
            progress = msgspec.to_builtins(self._progress)
            try:
                if not await beat(self._pool, self._rebuild, self._holder, self._phase, progress):
                    raise Superseded(f"{self._name}: aborted, or taken over by another process")
                missed = 0.0
            except TRANSIENT as error:
                missed += _BEAT_SECONDS
                log.warning("%s: no beat for %g s: %r", self._name, missed, error)
            await asyncio.sleep(_BEAT_SECONDS)

    @property
    def _name(self) -> str:
        return f"{self._rebuild.name}:{self._rebuild.version}"

    @property
    def _schema(self) -> str:
        return schema_name(self._rebuild.name, self._rebuild.version)

    async def _version(self, number: int | None = None) -> Version:
        """The version that is built, or another."""
        versions = await read_versions(self._pool, self._rebuild.name)
        return find(versions, self._rebuild.name, number or self._rebuild.version)

    async def _work(self) -> tuple[Phase, Findings | None]:
        version = await self._version()
        if version.state == "building":
            await self._fill(version)
        if (await self._version()).state == "live":
            return "done", None
        findings = await compare(
            self._settings, self._pool, self._rebuild.name, self._rebuild.version, self._enter
        )
        async with self._pool.acquire() as connection, connection.transaction():
            live = findings.live if findings.equal else None
            await set_line(connection, self._rebuild.name, self._rebuild.version, live)
        if not findings.equal:
            return "differs", findings
        if self._rebuild.flip:
            self._enter("flipping")
            await flip(self._pool, self._rebuild.name, self._rebuild.version, by=self._rebuild.requested_by)
        return "done", findings

    async def _fill(self, version: Version) -> None:
        """Reads in bulk until the workers can take over, which they do when the version is kept."""
        async with clickhouse(self._settings) as client:
            await create_projection(
                self._pool, client, version.name, version.version, indices=version.indexed
            )
        sink = create_sink(self._settings, str(version))
        try:
            await sink.open(await cluster_id(self._settings, sink.topic))
            await self._read(sink)
            if not version.indexed:
                self._enter("indexing")
                await index_projection(self._pool, version.name, version.version)
            await self._read(sink)
        finally:
            await sink.close()
        async with self._pool.acquire() as connection, connection.transaction():
            await set_state(connection, version.name, version.version, "kept")

    async def _read(self, sink: Sink) -> None:
        """Round by round, as the log grows meanwhile, until a round was short: what comes then, the workers take."""
        self._enter("reading")
        left = _NEARLY_LEVEL + 1
        while left > _NEARLY_LEVEL:
            ends = await log_ends(self._settings, sink.topic)
            following = await sink.next_offsets(range(self._settings.partitions))
            opened = await count_lanes(self._pool, self._schema, sink.topic)
            if opened:
                following |= await slowest(self._pool, self._schema, sink.topic)
            position, total = sum(following.values()), sum(ends.values())
            left = total - position
            self._tally.aim(position, total)
            self._count(sink, 0)
            spans = {partition: max(0, end - following[partition]) for partition, end in ends.items()}
            laned = isinstance(sink, PostgresSink) and sink.laned
            count = opened or processes(self._settings.rebuild_processes, spans, laned=laned)
            if opened or count > filled(spans) > 0:
                await self._read_in_lanes(sink, ends, count, opened)
            elif count > 1:
                dealt = shares(spans, count)
                log.info("%s: %d processes read %s", self._name, len(dealt), dealt)
                parts = [Share({partition: ends[partition] for partition in share}) for share in dealt]
                await read_beside(self._name, parts, lambda portion: self._add(sink, portion))
            else:
                await read_in_bulk(self._settings, sink, ends, lambda batch: self._count(sink, len(batch)))
            log.info("%s: %s", self._name, self._progress)

    async def _read_in_lanes(self, sink: Sink, ends: Ends, count: int, opened: int) -> None:
        """Those that a killed attempt has left open are gone on with, as many as they are."""
        async with self._pool.acquire() as connection:
            if not opened:
                await open_lanes(connection, self._schema, sink.topic, count)
            log.info("%s: %d processes read, each its runs", self._name, count)
            parts = [Share(dict(ends), lane) for lane in lanes(count)]
            await read_beside(self._name, parts, lambda portion: self._add(sink, portion))
            await close_lanes(connection, self._schema, sink.topic, count)

    def _add(self, sink: Sink, portion: Portion) -> None:
        """Counts what a part has written."""
        beside = self._beside
        self._beside = Portion(
            beside.records + portion.records,
            beside.points + portion.points,
            beside.cpu_seconds + portion.cpu_seconds,
        )
        self._count(sink, portion.records)

    def _count(self, sink: Sink, records: int) -> None:
        self._progress = self._tally.wrote(records, sink.points + self._beside.points)

    def _enter(self, phase: Phase) -> None:
        if phase != self._phase:
            log.info("%s: %s", self._name, phase)
            self._phase = phase


def _known(progress: dict[str, Any]) -> dict[str, Any]:
    return {field: progress[field] for field in Progress.__struct_fields__ if field in progress}
