"""A run's life in this process: its producer, forks, waiting, and its end."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self
from uuid import UUID

import msgspec

from speech_experiment_schemas.runs import RunFailed, RunFinished, RunOutput, RunResumed

from .ending import end_with_process, forget, traceback_of
from .errors import TrackerError
from .guard import Problems, say, stay_if_dying
from .spool.keeper import keeper
from .spool.producers import Producer

if TYPE_CHECKING:
    from .client import Client
    from .output import Capture
    from .seam import Seam

FINISH_TIMEOUT = 30.0
RETRY_EVERY = 5.0
"""Seconds between tries to make a spool that could not be made."""
Failure = BaseException | str | None
Status = Literal["failed", "cancelled"]


class Lifecycle:
    """What Run is built on: see its methods finish, fail and flush."""

    def __init__(self, client: Client, run_id: UUID, attempt: int, seam: Seam | None) -> None:
        self.id = run_id
        self.attempt = attempt
        self._seam = seam
        self._launch = ""
        self._client = client
        self._problems = Problems(client.on_error)
        self._producer: Producer | None = None
        self._capture: Capture | None = None
        self._log: Callable[..., Any] = _not_open
        self._lock = threading.RLock()
        self._announced: msgspec.Struct | None = None
        self._retry_at = 0.0
        self._pid = os.getpid()
        self._finished = False
        self._said_dropped = False
        self._copies: list[threading.Thread] = []
        self._final_positions: list[str] | None = None

    # The producer.

    def _attach(self, *, child: bool = False) -> Producer:
        """Makes this process's producer and the streams that every run has."""
        producer = self._client.session.open(
            self.id, attempt=self.attempt, seam=self._seam, child=child, launch=self._launch
        )
        self._producer = producer
        self._problems.count = producer.page.count
        self._pid = os.getpid()
        if not child and self.attempt > 1:
            producer.stream("artifacts")
        self._log = _not_open if self._joins(producer) else producer.metrics.log
        producer.on_fork.append(self._after_fork)
        keeper.tasks.append(self._watch)
        end_with_process(self, child=child)
        announced, self._announced = self._announced, None
        if announced is not None:
            producer.emit(announced)
        return producer

    def _joins(self, producer: Producer) -> bool:
        """Whether it is still open from where the curves of a resumed run go on."""
        leads = not producer.meta["child"] and not producer.meta["rank"]
        return leads and self._seam is not None and not self._seam.settled

    def _join(self, producer: Producer, keys: Iterable[str], step: int | None) -> None:
        """Takes in one of a resumed run's first calls, before it is written."""
        with self._lock:
            seam, announced = self._seam, "metrics" in producer.streams
            if seam is None or not self._joins(producer):
                return
            if seam.meet(keys, step, announced=announced) and announced:
                producer.emit(RunResumed(attempt=self.attempt, from_step=seam.step), stream="metrics")
            if seam.settled:
                self._log = producer.metrics.log

    def _after_fork(self) -> None:
        self._lock = threading.RLock()
        self._copies = []
        self._problems.count = lambda kind: None
        if self._capture is not None:
            self._capture.abandon()
            self._capture = None

    def _open(self) -> Producer:
        """This process's producer; in a forked child a new one, made at its first call."""
        producer = self._producer
        if producer is not None and not producer.forked:
            return producer
        with self._lock:
            if self._producer is None or self._producer.forked:
                if time.monotonic() < self._retry_at:
                    raise TrackerError("the spool cannot be written", "see the first error")
                self._retry_at = time.monotonic() + RETRY_EVERY
                self._attach(child=self._producer is not None)
                self._retry_at = 0.0
                self._start_drain()
            assert self._producer is not None  # noqa: S101 - attached above
            return self._producer

    def _watch(self) -> None:
        """Regularly: starts a drain that was killed again, and says once that calls are being dropped."""
        self._start_drain()
        producer = self._producer
        if producer is not None and not producer.forked and not self._said_dropped:
            dropped = producer.page.problems().get("dropped", 0)
            if dropped:
                self._said_dropped = True
                say(
                    f"disk or quota is full: {dropped:,} calls were dropped so far [dropped; counted on the run]"
                )

    def _start_drain(self) -> None:
        try:
            self._client.session.start_drain()
        except OSError as error:
            self._problems.note("no_drain", f"the drain cannot be started: {error}")

    def _is_open(self, method: str) -> bool:
        """Whether there is something to log to; raises TrackerError after the end."""
        if self._client.config.mode == "disabled":
            return False
        if self._finished:
            stay_if_dying()
            self._problems.note("after_finish", f"{method} was called after the run had ended")
            return False
        return True

    def _capture_output(self) -> None:
        from .output import Capture

        self._capture = Capture(self._emit_output, lambda: self._problems.count("output_dropped"))
        keeper.tasks.append(self._capture.tick)

    def _emit_output(self, output: RunOutput) -> bool:
        producer = self._producer
        if producer is None or producer.forked:
            return False
        return producer.emit(output, droppable=True)

    # Waiting.

    def flush(
        self,
        wait: Literal["disk", "acknowledged", "queryable"] = "acknowledged",
        timeout: float = FINISH_TIMEOUT,
    ) -> bool:
        """Waits until what was logged so far is on the disk, in the log, or shown by queries.

        Whether that was so within `timeout` seconds; offline only `disk` can be.
        """
        try:
            return self._flush(wait, timeout)
        except Exception as error:  # noqa: BLE001 - waiting must not break a training loop either
            self._problems.swallow(error)
            return False

    def _flush(self, wait: str, timeout: float) -> bool:
        if self._client.config.mode == "disabled" or self._producer is None:
            return True
        if self._capture is not None:
            self._capture.tick()
        keeper.flush()
        if wait == "disk":
            return True
        start = time.monotonic()
        self._join_copies(timeout)
        if not self._wait(timeout):
            return False
        if wait == "acknowledged":
            return True
        left = timeout - (time.monotonic() - start)
        positions = self._positions()
        if not positions:
            from .acknowledgement import wait_delivered

            return wait_delivered(self._client.api(), self.id, left)
        return self._client.wait_queryable(positions, left)

    def _positions(self) -> list[str]:
        from .acknowledgement import positions_of

        if self._final_positions is not None or self._producer is None:
            return self._final_positions or []
        return positions_of(self._producer)

    def _wait(self, timeout: float) -> bool:
        """Whether all that was logged is acknowledged in time; offline there is nothing to wait for."""
        producer = self._producer
        if producer is None or self._final_positions is not None:
            return True
        self._start_drain()
        if self._client.config.mode != "online" or timeout <= 0:
            return False
        from .acknowledgement import wait_acknowledged

        wanted = {name: stream.seq + stream.pending for name, stream in producer.streams.items()}
        return wait_acknowledged(producer, wanted, timeout, self._start_drain)

    # The end.

    def finish(self, timeout: float = FINISH_TIMEOUT) -> bool:
        """Ends the run as completed and waits until everything is delivered, at most `timeout` seconds.

        Whether all was delivered in time; the rest is delivered in the background. With timeout=0, or
        offline, it does not wait. A second call does nothing.
        """
        return self._end(None, timeout)

    def fail(self, error: BaseException | str = "failed", timeout: float = FINISH_TIMEOUT) -> bool:
        """Ends the run as failed, with the error's traceback; waits as finish does."""
        return self._end(error, timeout)

    def _end(self, error: Failure, timeout: float, status: Status = "failed") -> bool:
        try:
            with self._lock:
                if self._finished or self._producer is None or self._producer.forked:
                    self._finished = True
                    return True
                return self._close(self._producer, error, timeout, status)
        except Exception as problem:  # noqa: BLE001 - as in flush
            self._problems.swallow(problem)
            return False

    def _close(self, producer: Producer, error: Failure, timeout: float, status: Status) -> bool:
        start = time.monotonic()
        self._stop_capture()
        self._join_copies(timeout)
        if not producer.meta["child"] and not producer.meta["rank"]:
            if error is None:
                producer.emit(RunFinished())
            else:
                line, text = traceback_of(error)
                producer.emit(RunFailed(error=line, traceback=text, status=status))
        self._finished = True
        self._log = _not_open
        keeper.tasks.remove(self._watch)
        producer.close("finished" if error is None else "failed")
        forget(self)
        delivered = self._wait(timeout - (time.monotonic() - start))
        if delivered:
            self._final_positions = self._positions()
            producer.release()
        else:
            keeper.dismiss(producer)
        return delivered

    def _stop_capture(self) -> None:
        if self._capture is not None:
            keeper.tasks.remove(self._capture.tick)
            self._capture.close()
            self._capture = None

    def _join_copies(self, timeout: float) -> None:
        """Waits for large files that are being copied into the spool."""
        end = time.monotonic() + timeout
        for thread in self._copies:
            thread.join(max(0.0, end - time.monotonic()))
        self._copies = [thread for thread in self._copies if thread.is_alive()]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or (isinstance(error, SystemExit) and not error.code):
            self.finish()
        else:
            interrupted = isinstance(error, KeyboardInterrupt | SystemExit)
            self._end(error, FINISH_TIMEOUT, "cancelled" if interrupted else "failed")


def _not_open(*arguments: Any) -> bool:
    raise TrackerError("the run is not open")
