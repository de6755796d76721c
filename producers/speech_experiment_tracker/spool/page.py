"""The page that tells the drain whether a producer lives, and what it could not write."""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import threading
from pathlib import Path

from speech_experiment_schemas.envelope import STREAMS

from .segments import allocate

PAGE_SIZE = 4096
PROBLEMS = (
    "invalid_value",
    "invalid_call",
    "dropped",
    "after_finish",
    "artifact_lost",
    "output_dropped",
    "no_drain",
    "internal",
)
"""Kinds of problems that a client swallows, in the order of their counters on the page."""

_COUNTER = struct.Struct("<Q")
_PENDING, _PROBLEMS = 64, 128
FILE = "producer.lock"


class Page:
    """The writer's side: the file is locked from its creation until `release` or the process's death."""

    def __init__(self, folder: Path) -> None:
        self.fd = allocate(folder / FILE, PAGE_SIZE)
        fcntl.flock(self.fd, fcntl.LOCK_EX)
        self._memory = mmap.mmap(self.fd, PAGE_SIZE)
        self._lock = threading.RLock()

    def set_pending(self, stream: str, count: int) -> None:
        """Calls of a stream given up and not yet named in its segments."""
        _COUNTER.pack_into(self._memory, _PENDING + 8 * STREAMS.index(stream), count)

    def count(self, problem: str, times: int = 1) -> None:
        """Counts a problem; kinds that are not known count as internal."""
        kind = PROBLEMS.index(problem) if problem in PROBLEMS else PROBLEMS.index("internal")
        place = _PROBLEMS + 8 * kind
        with self._lock:
            _COUNTER.pack_into(self._memory, place, _COUNTER.unpack_from(self._memory, place)[0] + times)

    def problems(self) -> dict[str, int]:
        return problems_of(self._memory[:])

    def forget(self) -> None:
        """In a forked child: lets go of the parent's lock without releasing it."""
        self._memory.close()  # the map has a descriptor of its own, which shares the lock
        os.close(self.fd)

    def release(self) -> None:
        fcntl.flock(self.fd, fcntl.LOCK_UN)
        os.close(self.fd)


def problems_of(page: bytes) -> dict[str, int]:
    """The counters that are not zero, by kind."""
    counts = {kind: _COUNTER.unpack_from(page, _PROBLEMS + 8 * i)[0] for i, kind in enumerate(PROBLEMS)}
    return {kind: count for kind, count in counts.items() if count}


def pending_of(page: bytes, stream: str) -> int:
    return int(_COUNTER.unpack_from(page, _PENDING + 8 * STREAMS.index(stream))[0])


def read_page(folder: Path) -> bytes:
    """The page of a producer's folder; zeros when there is none."""
    try:
        return (folder / FILE).read_bytes().ljust(PAGE_SIZE, b"\0")
    except OSError:
        return bytes(PAGE_SIZE)


def is_held(folder: Path) -> bool:
    """Whether a process holds the page's lock."""
    try:
        fd = os.open(folder / FILE, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
