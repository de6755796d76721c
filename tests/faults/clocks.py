"""A wall clock that jumps, in one process: everything that asks the time of day gets the shifted one.

The monotonic clock goes on as it is, as it does on a machine whose clock is set.
"""

from __future__ import annotations

import time
from collections.abc import Callable

_time: Callable[[], float] = time.time
_time_ns: Callable[[], int] = time.time_ns
_offset = 0.0


def install() -> None:
    """Call it before anything has taken `time.time` away for itself by an import of its name."""
    time.time = lambda: _time() + _offset
    time.time_ns = lambda: _time_ns() + int(_offset * 1e9)


def shift(seconds: float) -> None:
    """Sets the clock that many seconds from the true time, forwards or back."""
    global _offset
    _offset = seconds
