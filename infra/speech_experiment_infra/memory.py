"""Giving memory back: after a large backlog the allocator would keep what it once had."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from functools import cache


def release_memory() -> None:
    """Collects garbage and returns free heap pages to the system, where the C library can."""
    gc.collect()
    _trim()()


@cache
def _trim() -> Callable[[], object]:
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):
        return bool
    return lambda: trim(0)
