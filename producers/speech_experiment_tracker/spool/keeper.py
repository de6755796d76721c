"""The one background thread of a process that logs: flushes to the disk, and regular small tasks."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from .files import disk_use, sync_folder
from .segments import Segment

if TYPE_CHECKING:
    from .producers import Producer

FLUSH_AFTER = 0.1
"""Seconds until what was logged is flushed (the promise is 0.2), and at least between two flushes."""
TICK = 1.0


class Keeper:
    """Flushes producers' segments in groups. One per process; a forked child makes its own thread."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self.lock = threading.RLock()
        self._flushing = threading.RLock()
        self.producers: set[Producer] = set()
        self.tasks: list[Callable[[], None]] = []
        self._retired: list[Segment] = []
        self._dismissed: list[Producer] = []
        # Unlike an Event, a SimpleQueue may be put to by a signal handler at any moment.
        self._bell: SimpleQueue[bool] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._measured: dict[Path, tuple[float, int]] = {}
        self._flushed = 0.0

    def after_fork(self) -> None:
        """In the child: forgets the parent's producers, which are no longer its own."""
        for producer in self.producers:
            producer.after_fork()
        self._reset()

    def add(self, producer: Producer) -> None:
        with self.lock:
            self.producers.add(producer)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="speech-tracker-keeper", daemon=True)
                with contextlib.suppress(RuntimeError):  # no more threads while the interpreter ends
                    self._thread.start()

    def remove(self, producer: Producer) -> None:
        with self.lock:
            self.producers.discard(producer)

    def wake(self, *, urgent: bool) -> None:
        """Has what was logged flushed: at once when it is urgent, else with what follows soon."""
        self._bell.put(urgent)

    def retire(self, segment: Segment) -> None:
        """Takes over a full segment: flushes and closes it."""
        with self.lock:
            self._retired.append(segment)
        self.wake(urgent=False)

    def dismiss(self, producer: Producer) -> None:
        """Takes over a producer that is closed: flushes it soon, and lets go of it."""
        with self.lock:
            self._dismissed.append(producer)
        self.wake(urgent=True)

    def used(self, spool: Path, *, most_age: float = 5.0) -> int:
        """Bytes that a spool takes on the disk, as known by now."""
        measured, used = self._measured.get(spool, (0.0, 0))
        if time.monotonic() - measured > most_age:
            used = disk_use(spool)
            self._measured[spool] = (time.monotonic(), used)
        return used

    def grown(self, spool: Path, size: int) -> None:
        measured, used = self._measured.get(spool, (0.0, 0))
        self._measured[spool] = (measured, used + size)

    def _run(self) -> None:
        thread = self._thread
        while self._thread is thread:
            self._wait()
            self.flush()
            for task in list(self.tasks):
                with contextlib.suppress(Exception):
                    task()

    def _wait(self) -> None:
        """Until something urgent happened, or something else a moment ago, or nothing for a while.

        Many short runs are urgent all the time: what they write is flushed together.
        """
        end = time.monotonic() + TICK
        urgent = False
        with contextlib.suppress(Empty):
            while not urgent:
                urgent = self._bell.get(timeout=max(0.0, end - time.monotonic()))
                end = min(end, time.monotonic() + FLUSH_AFTER)
        if urgent:
            time.sleep(max(0.0, self._flushed + FLUSH_AFTER - time.monotonic()))
        with contextlib.suppress(Empty):
            while True:
                self._bell.get_nowait()

    def flush(self) -> None:
        """Brings everything logged so far onto the disk."""
        with self._flushing:
            self._flushed = time.monotonic()
            with self.lock:
                retired, self._retired = self._retired, []
                dismissed, self._dismissed = self._dismissed, []
                dirty = [producer for producer in self.producers if producer.dirty]
            # Nobody who begins or ends a run waits for the disk: a producer that is released meanwhile
            # has been flushed, or is acknowledged.
            for segment in retired:
                os.fdatasync(segment.fd)
                segment.close()
            folders = set()
            for producer in dirty:
                producer.dirty = False
                if producer.sync():
                    folders |= {producer.place.folder, producer.place.folder.parent}
            for folder in folders:
                sync_folder(folder)
            for producer in dismissed:
                producer.release()


keeper = Keeper()
os.register_at_fork(after_in_child=keeper.after_fork)
