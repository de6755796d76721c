"""Giving memory back: a drain may serve for months, and the allocator keeps what it once took, with holes in it."""

from __future__ import annotations

import ctypes
import time

EVERY = 300.0
"""Seconds; it takes a millisecond or two."""


class Returner:
    """Returns free pages of the heap to the system now and then, where the C library can (glibc)."""

    def __init__(self) -> None:
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        self._next = time.monotonic() + EVERY

    def give_back(self) -> None:
        if self._trim is not None and time.monotonic() >= self._next:
            self._next = time.monotonic() + EVERY
            self._trim(0)
