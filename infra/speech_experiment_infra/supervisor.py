"""Starts the processes of one data folder, keeps them running, and stops them in order.

One thread, no stores' drivers: it has to stay small and has to outlive everything else. Children
die with it (the kernel sees to that), and what a killed supervisor left behind is ended before a
new one starts.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from .client_config import write_client_config
from .embedded.kafka import Broker
from .embedded.processes import Identity, python, spawn, tail
from .layout import Child, Layout, open_layout
from .marks import are_set_up, mark_set_up
from .ownership import RefusedError, check_port, owned
from .paths import cache_dir
from .readiness import readiness
from .settings import SettingsError
from .state import ChildState, StackState, stack_status

__all__ = ["RefusedError", "StartError", "Supervisor", "run_stack", "stack_status"]

_log = logging.getLogger(__name__)

_POLL_S = 0.05
_LOOK_AGAIN_S = 5.0
_READY_TIMEOUT_S = 120.0
_LOAD_TIMEOUT_S = 5.0
_BACKOFF_S = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.0, 10.0)
"""Short at first: Postgres refuses to start until the kernel has buried a predecessor that was killed with -9."""
_STABLE_S = 30.0
_GIVE_UP_STARTING = 7

Report = Callable[[str], None]


class StartError(Exception):
    """The stack did not come up; the message says what failed and ends with its log."""


class _Running:
    """One row of the table while it runs."""

    def __init__(self, child: Child, state: ChildState) -> None:
        self.child = child
        self.state = state
        self.process: subprocess.Popen[bytes] | None = None
        self.failures = 0
        self.start_again_at = 0.0

    @property
    def up(self) -> bool:
        return self.process is not None and self.process.poll() is None


class Supervisor:
    """One stack from start to stop. ``run`` returns after `request_stop`, with everything ended."""

    def __init__(self, layout: Layout, report: Report) -> None:
        self._layout = layout
        self._report = report
        self._running: dict[str, _Running] = {}
        self._stopping = asyncio.Event()
        self._changed = asyncio.Event()
        self._hurry = False
        self._making_way: asyncio.Task[None] | None = None
        identity = Identity.of(os.getpid())
        self.state = StackState(
            pid=os.getpid(),
            started_ticks=identity.started_ticks if identity else 0,
            started_at=time.time(),
            status="starting",
            url=layout.settings.url,
        )

    def request_stop(self) -> None:
        """Stop in order; asked a second time, kill."""
        self._hurry = self._stopping.is_set()
        self._stopping.set()

    async def run(self, on_ready: Callable[[], None]) -> None:
        """Start, call ``on_ready``, supervise until asked to stop, stop.

        Raises:
            StartError: a store could not be set up, or the API was not ready in time.
        """
        self._save()
        try:
            watching = asyncio.create_task(self._watch())
            starting = asyncio.create_task(self._start(on_ready))
            stopped = asyncio.create_task(self._stopping.wait())
            tasks = {watching, starting, stopped}
            done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
            for task in done:
                task.result()
        except Exception as error:
            self.state.error = str(error) or repr(error)
            await self._stop("failed")
            raise
        await self._stop("stopped")

    async def _start(self, on_ready: Callable[[], None]) -> None:
        await self._prepare()
        self._step("starting the stores")
        for child in self._layout.stores():
            self._launch(child)
            if child.name == "kafka":
                await self._let_load()
        if not are_set_up(self._layout.folders(), self._layout.settings):
            self._step("setting up the stores")
            await self._provision()
            mark_set_up(self._layout.folders(), self._layout.settings)
        self._step("starting API and consumers")
        for child in self._layout.servers():
            self._launch(child)
        await self._api_ready()
        self.state.status = "ready"
        self._step("ready")
        on_ready()
        await self._stopping.wait()

    async def _let_load(self) -> None:
        """Leave the processor to the broker while it loads: it takes longest, and the others wait for it.

        One that was killed then waits, idle, for its old session to run out, and the others load meanwhile.
        """
        broker = self._layout.broker
        if broker is not None:
            await self._until(broker.loaded, _LOAD_TIMEOUT_S)

    async def _prepare(self) -> None:
        layout = self._layout
        work = []
        if layout.broker:
            work.append(asyncio.to_thread(layout.broker.prepare, cache_dir(), self._step))
        if layout.postgres:
            work.append(asyncio.to_thread(layout.postgres.prepare, self._step))
        try:
            await asyncio.gather(*work)
        except subprocess.CalledProcessError as error:
            output = error.stdout.decode("utf-8", "replace") if error.stdout else ""
            raise StartError(f"{error}\n{output}") from error
        except Exception as error:
            raise StartError(str(error)) from error

    async def _provision(self) -> None:
        """Run the one-off set-up, whose drivers this process does without."""
        log = self._layout.log("provision")
        log.unlink(missing_ok=True)
        process = spawn(
            python("speech_experiment_infra.provision"), log, environment=self._layout.environment
        )
        try:
            await self._until(lambda: process.poll() is not None)
        finally:
            process.kill()
            process.wait()
        if process.returncode:
            raise StartError(f"setting up the stores failed ({log}):\n{tail(log)}")

    async def _api_ready(self) -> None:
        deadline = time.monotonic() + _READY_TIMEOUT_S
        answer = "no answer"
        while time.monotonic() < deadline:
            answer = await asyncio.to_thread(
                readiness, self._layout.settings.port, self._layout.settings.host
            )
            if answer == "ready":
                return
            if "another log" in answer:  # waiting does not mend it
                raise StartError(answer)
            await asyncio.sleep(_POLL_S)
        log = self._layout.log("api")
        raise StartError(
            f"the API was not ready within {_READY_TIMEOUT_S:.0f} s: {answer} ({log}):\n{tail(log)}"
        )

    def _launch(self, child: Child) -> None:
        state = self.state.children.setdefault(child.name, ChildState(port=child.port))
        running = self._running.setdefault(child.name, _Running(child, state))
        if child.name == "kafka":
            self._make_way(child)
        try:
            running.process = spawn(
                child.command,
                self._layout.log(child.name),
                environment=child.environment,
                on_parent_death=child.on_parent_death,
                become=child.become,
            )
        except (OSError, subprocess.SubprocessError) as error:
            self._note_end(running, f"not started: {error}", 0.0)
            return
        identity = Identity.of(running.process.pid)
        state.pid, state.started_at = running.process.pid, time.time()
        state.started_ticks = identity.started_ticks if identity else 0
        self._notice_end(state.pid)
        self._save()

    def _make_way(self, child: Child) -> None:
        """The broker is not to wait for a predecessor that was killed."""
        broker, log = self._layout.broker, self._layout.log(child.name)
        epoch = broker.left_registered(log) if broker else None
        if self._making_way:
            self._making_way.cancel()
        if broker and epoch is not None:
            self._making_way = asyncio.create_task(_end_registration(broker, epoch))

    async def _watch(self) -> None:
        """Start again what ended, later each time it ends soon."""
        while True:
            self._changed.clear()
            for running in self._running.values():
                if running.process and not running.up:
                    lived_s = time.time() - running.state.started_at
                    self._note_end(running, _how(running.process.returncode), lived_s)
                if not running.process and time.monotonic() >= running.start_again_at:
                    running.state.restarts += 1
                    self._launch(running.child)
            waiting = any(running.process is None for running in self._running.values())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), _POLL_S if waiting else _LOOK_AGAIN_S)

    def _notice_end(self, pid: int) -> None:
        """Have the kernel tell `_watch` when a child ends."""
        loop = asyncio.get_running_loop()
        descriptor = os.pidfd_open(pid)

        def ended() -> None:
            loop.remove_reader(descriptor)
            os.close(descriptor)
            self._changed.set()

        loop.add_reader(descriptor, ended)

    def _note_end(self, running: _Running, how: str, lived_s: float) -> None:
        """Remember how a child ended, and when to start it again."""
        running.failures = 1 if lived_s > _STABLE_S else running.failures + 1
        wait_s = _BACKOFF_S[min(running.failures, len(_BACKOFF_S)) - 1]
        running.process, running.start_again_at = None, time.monotonic() + wait_s
        running.state.last_exit, running.state.last_exit_at = how, time.time()
        name = running.child.name
        _log.warning("%s ended by %s after %.1f s; starting it again in %.2g s", name, how, lived_s, wait_s)
        if self.state.status == "ready":
            self._report(f"{name} ended by {how}, starting it again")
        if self.state.status == "starting" and running.failures >= _GIVE_UP_STARTING and _is_needed(name):
            log = self._layout.log(name)
            raise StartError(f"{name} keeps ending by {how} ({log}):\n{tail(log)}")
        self._save()

    async def _stop(self, final: str) -> None:
        """End consumers and API first, then the stores they use."""
        self.state.status = "stopping"
        self._step("stopping")
        stores = {child.name for child in self._layout.stores()}
        await self._stop_all([one for name, one in self._running.items() if name == "api"])
        await self._stop_all([one for name, one in self._running.items() if name not in stores])
        await self._stop_all(list(self._running.values()))
        self.state.status = "failed" if final == "failed" else "stopped"
        self._step(self.state.status)

    async def _stop_all(self, group: Sequence[_Running]) -> None:
        for running in group:
            if running.up and running.process:
                running.process.send_signal(running.child.stop_signal)
        limit_s = max((one.child.stop_timeout_s for one in group), default=0.0)
        await self._until(lambda: self._hurry or not any(one.up for one in group), limit_s)
        for running in group:
            if running.up and running.process:
                _log.warning("%s does not stop, killing it", running.child.name)
                running.process.kill()
            if running.process:
                running.process.wait()

    async def _until(self, reached: Callable[[], bool], limit_s: float = float("inf")) -> None:
        """Wait for a condition of other processes, which nobody tells us about."""
        limit = time.monotonic() + limit_s
        while not reached() and time.monotonic() < limit:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_S / 5)

    def _step(self, text: str) -> None:
        self.state.step = text
        self._report(text)
        self._save()

    def _save(self) -> None:
        """A full disk makes the report old; it must not end the stack."""
        try:
            self.state.save(self._layout.data_dir)
        except OSError as error:
            _log.warning("cannot write the state of the stack: %s", error)


async def _end_registration(broker: Broker, epoch: int) -> None:
    with contextlib.suppress(TimeoutError):  # then it waits
        await asyncio.wait_for(broker.end_registration(epoch), _READY_TIMEOUT_S)


def _is_needed(name: str) -> bool:
    """A consumer that does not start must not keep gateway and queries down."""
    return not name.startswith("consumers-")


def _how(code: int) -> str:
    return f"signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"exit code {code}"


def run_stack(
    data_dir: Path, report: Report, *, host: str | None, port: int | None, on_ready: Callable[[Layout], None]
) -> None:
    """Run the stack of a data folder until SIGTERM or Ctrl-C; a second one ends it at once.

    Raises:
        RefusedError: the data folder or the port is taken.
        StartError: it did not come up.
    """
    with owned(data_dir):
        try:
            layout = open_layout(data_dir, host=host, port=port)
        except SettingsError as error:
            raise StartError(str(error)) from None
        check_port(layout.settings.host, layout.settings.port)

        def ready() -> None:
            write_client_config(layout)
            on_ready(layout)

        asyncio.run(_supervise(layout, report, ready))


async def _supervise(layout: Layout, report: Report, on_ready: Callable[[], None]) -> None:
    supervisor = Supervisor(layout, report)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, supervisor.request_stop)
    await supervisor.run(on_ready)


def main() -> int:
    """The detached supervisor; its starter follows ``state.json``."""
    parser = argparse.ArgumentParser(prog="python -m speech_experiment_infra.supervisor")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--host")
    parser.add_argument("--port", type=int)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        run_stack(given.data_dir, _log.info, host=given.host, port=given.port, on_ready=lambda _: None)
    except (RefusedError, StartError) as error:
        _log.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
