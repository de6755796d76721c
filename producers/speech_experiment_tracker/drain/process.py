"""The drain's process: one for each spool directory and machine."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import sys
import threading
import time
from pathlib import Path

LOCK = "drain.lock"
WAKE = "wake"
LOG = "drain.log"
STATE = "drain.json"
AGAIN_AFTER = 0.01
"""Seconds in which one ring is enough: a drain looks again soon after it has found something."""
START_PAUSE = 3.0
"""Seconds that a drain has to come up before another one is started."""
_LARGEST_LOG = 1 << 20
_started: dict[Path, float] = {}
_rung: dict[Path, float] = {}


def hold(spool: Path) -> int | None:
    """The drain's lock on a spool as an open file; None while another process has it."""
    fd = os.open(spool / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return None
    return fd


def is_alive(spool: Path) -> bool:
    """Whether a drain of this machine serves the spool."""
    if not spool.is_dir():
        return False
    fd = hold(spool)
    if fd is None:
        return True
    os.close(fd)
    return False


def open_bell(spool: Path) -> int | None:
    """The pipe that trainers ring; None where the file system has no pipes."""
    path = spool / WAKE
    try:
        with contextlib.suppress(FileExistsError):
            os.mkfifo(path, 0o600)
        return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None


def ring(spool: Path) -> bool:
    """Tells the drain that there is something to deliver; False when no drain listens."""
    try:
        fd = os.open(spool / WAKE, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return error.errno not in (errno.ENXIO, errno.ENOENT) or (
            error.errno != errno.ENXIO and is_alive(spool)
        )
    with contextlib.suppress(OSError):
        os.write(fd, b"!")
    os.close(fd)
    return True


def wait_for_ring(bell: int | None, seconds: float) -> bool:
    """Waits until the bell rings, or for that long."""
    if bell is None:
        time.sleep(seconds)
        return False
    readable, _, _ = select.select([bell], [], [], seconds)
    if readable:
        with contextlib.suppress(OSError):
            os.read(bell, 65536)
    return bool(readable)


def ensure(spool: Path, *, after: float = AGAIN_AFTER) -> None:
    """Rings; starts a drain for the spool unless one is alive; returns at once.

    after  seconds since the last ring that was heard, before which nothing is done

    Raises OSError when no process can be started.
    """
    now = time.monotonic()
    if now - _rung.get(spool, -after) < after:
        return
    if ring(spool):
        _rung[spool] = now
        return
    if now - _started.get(spool, -START_PAUSE) < START_PAUSE:
        return
    _started[spool] = now
    spool.mkdir(parents=True, mode=0o700, exist_ok=True)
    log = spool / LOG
    with contextlib.suppress(OSError):
        if log.stat().st_size > _LARGEST_LOG:
            log.unlink()
    append = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    pid = os.posix_spawn(
        sys.executable,
        # -P: a folder named like one of our imports, in the trainer's directory, must not be found.
        [sys.executable, "-P", "-m", __package__ or "speech_experiment_tracker.drain", str(spool.resolve())],
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), append, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    # The process detaches itself by a fork; its first half must not stay as a zombie.
    with contextlib.suppress(RuntimeError):  # no more threads while the interpreter ends
        threading.Thread(target=_reap, args=(pid,), daemon=True).start()


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)
