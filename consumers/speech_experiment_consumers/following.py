"""Which versions of a projection this process writes: the live one and those that are kept beside it.

The table of versions is looked at again and again, and workers are started and stopped after it. What
is wrong with the live version ends the process; a version beside it is tried again and must not harm it.
Between looks it also starts the jobs that rebuild, and drops the tables of retired versions.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import subprocess
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from speech_experiment_infra.connections import clickhouse
from speech_experiment_infra.embedded.processes import python, spawn
from speech_experiment_infra.migrate import drop_projection
from speech_experiment_infra.rebuilds import is_claimable
from speech_experiment_infra.settings import Settings
from speech_experiment_infra.versions import UNREAD_SECONDS, Version, read_versions

from .postgres_sink import TRANSIENT
from .registry import create_sink
from .worker import Worker

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0
_FOLLOWED = ("live", "kept")


class _Follower:
    """The worker of one version, while it is followed."""

    def __init__(self, settings: Settings, version: Version, instance: str | None) -> None:
        self.live = version.state == "live"
        self.failures = 0
        self._settings = settings
        self._version = version
        self._instance = instance
        self._start_at = 0.0
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def tend(self) -> None:
        """Starts the worker where none runs; raises what ended that of the live version."""
        if self._task is not None and self._task.done():
            self._note_end(self._task)
            self._task = None
        if self._task is None and time.monotonic() >= self._start_at:
            sink = create_sink(self._settings, str(self._version))
            worker = Worker(self._settings, sink, instance=self._instance)
            self._task = asyncio.create_task(worker.run(self._stopping), name=str(self._version))

    def _note_end(self, task: asyncio.Task[None]) -> None:
        if self.live:
            task.result()
            raise RuntimeError(f"the worker of {self._version} stopped by itself")
        wait = min(_FIRST_WAIT * 2**self.failures, _LONGEST_WAIT)
        self.failures += 1
        self._start_at = time.monotonic() + wait
        log.error(
            "%s, which is not live, ended; tried again in %g s",
            self._version,
            wait,
            exc_info=task.exception(),
        )

    async def stop(self) -> None:
        """Lets it finish its batch; raises what it failed with meanwhile, if it is live."""
        self._stopping.set()
        if self._task is not None:
            await asyncio.wait([self._task])
            error = None if self._task.cancelled() else self._task.exception()
            if error is not None and self.live:
                raise error
            if error is not None:
                log.warning("%s ended badly: %r", self._version, error)

    def wakes(self) -> list[asyncio.Task[None]]:
        return [] if self._task is None else [self._task]


class Following:
    """Of one projection, until `stopping` is set; raises what ended the worker of the live version."""

    def __init__(self, settings: Settings, name: str, pool: Any, *, instance: str | None = None) -> None:
        self._settings = settings
        self._name = name
        self._pool = pool
        self._instance = instance
        self._followers: dict[int, _Follower] = {}
        self._job: subprocess.Popen[bytes] | None = None
        self._job_at = 0.0

    async def run(self, stopping: asyncio.Event) -> None:
        stop = asyncio.create_task(_until(stopping))
        try:
            while not stopping.is_set():
                try:
                    await self._look()
                except TRANSIENT as error:
                    log.warning("cannot read the versions of %s: %r", self._name, error)
                for follower in self._followers.values():
                    follower.tend()
                workers = [task for each in self._followers.values() for task in each.wakes()]
                await asyncio.wait(
                    [stop, *workers], timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
        finally:
            stop.cancel()
            if self._job is not None:
                self._job.terminate()
            await asyncio.gather(*(each.stop() for each in self._followers.values()))

    async def _look(self) -> None:
        versions = await read_versions(self._pool, self._name)
        followed = {each.version: each for each in versions if each.state in _FOLLOWED}
        for number in [number for number in self._followers if number not in followed]:
            await self._followers.pop(number).stop()
        for number, version in followed.items():
            if number not in self._followers:
                self._followers[number] = _Follower(self._settings, version, self._instance)
            self._followers[number].live = version.state == "live"
        for version in versions:
            if version.state == "retired" and version.dropped_at is None:
                await self._drop(version)
        await self._start_job()

    async def _drop(self, version: Version) -> None:
        """Once nobody reads it any more; where that fails it is tried again at the next look."""
        if datetime.now(UTC) - version.changed_at < timedelta(seconds=UNREAD_SECONDS):
            return
        log.info("drops the tables of %s", version)
        try:
            async with clickhouse(self._settings) as client:
                await drop_projection(self._pool, client, version.name, version.version)
        except Exception as error:  # noqa: BLE001 - cleaning up is no reason to stop
            log.warning("cannot drop the tables of %s: %r", version, error)

    async def _start_job(self) -> None:
        """Starts a process for a rebuild that waits for one."""
        if self._job is not None and self._job.poll() is not None:
            log.info("the rebuild of %s ended with %s", self._name, self._job.returncode)
            await self._release(self._job.pid)
            self._job, self._job_at = None, time.monotonic() + _FIRST_WAIT
        if (
            self._job is None
            and time.monotonic() >= self._job_at
            and await is_claimable(self._pool, self._name)
        ):
            folder = self._settings.data_dir
            output = None if folder is None else folder / "logs" / f"rebuild-{self._name}.log"
            self._job = spawn(python("speech_experiment_consumers.rebuild", self._name), output)

    async def _release(self, pid: int) -> None:
        """Another may take the job at once: its process is known to be gone."""
        from .rebuild.job import holder_name

        await self._pool.execute(
            "update coord.rebuilds set holder = null where name = $1 and holder = $2",
            self._name,
            holder_name(pid),
        )


async def _until(event: asyncio.Event) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        await event.wait()
