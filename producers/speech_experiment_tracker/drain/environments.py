"""The environments of the processes that log: captured once each, in a process of its own, and forgotten in time."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading

import msgspec

from speech_experiment_schemas.runs import RunEnvironment

from ..spool.files import birth, lives
from .meta import Meta

REMEMBERED, LINGERING = 64, 16
"""Environments kept for the next run of a process, and of those the newest of processes that have ended, whose run may
not have been told yet: one has all its packages, and a drain may serve for months."""
_CAPTURE_TIMEOUT = 60.0


class _Captured:
    """The environment of one process.

    born  when the process began: a later one may get its number
    told  encoded, empty when it could not be captured, None while it is: the thousands of words of each, gone at
          different times, would leave holes all over the memory
    """

    def __init__(self, born: str) -> None:
        self.born = born
        self.told: bytes | None = None

    def capture(self, meta: Meta) -> None:
        told = b""
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            answer = subprocess.run(
                [meta.python or sys.executable, "-P", "-m", f"{__package__}.environment"],
                input=msgspec.json.encode(meta),
                capture_output=True,
                timeout=_CAPTURE_TIMEOUT,
                check=True,
            )
            told = answer.stdout
        self.told = told


class Environments:
    """Captures the environment of each process that logs, once, with that process's interpreter."""

    def __init__(self) -> None:
        self._known: dict[int, _Captured] = {}

    def get(self, meta: Meta) -> tuple[bool, RunEnvironment | None]:
        """(whether it is settled, the environment or None when it could not be captured)"""
        known, born = self._known.get(meta.pid), birth(meta.pid)
        if known is None or (born and known.born != born):
            self._forget()
            known = self._known[meta.pid] = _Captured(born)
            threading.Thread(target=known.capture, args=(meta,), daemon=True).start()
        return known.told is not None, _decoded(known.told) if known.told else None

    def _forget(self) -> None:
        settled = [pid for pid, each in self._known.items() if each.told is not None]
        ended = [pid for pid in settled if not lives(pid, self._known[pid].born)]
        surplus = len(settled) - REMEMBERED + 1
        for pid in {*ended[:-LINGERING], *settled[: max(surplus, 0)]}:
            del self._known[pid]


def _decoded(told: bytes) -> RunEnvironment | None:
    """None for what is no environment."""
    with contextlib.suppress(msgspec.MsgspecError):
        return msgspec.msgpack.decode(told, type=RunEnvironment)
    return None
