"""Keeps freed memory for the next batch: a batch needs hundreds of megabytes for a moment.

Otherwise the C library gives arrays back to the system one by one, and the system clears every page
of the next batch anew, which costs as much as all of the projection. What is kept is given back
when the worker is idle (infra's memory.release_memory).
"""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_LARGEST = 32 << 20
"""glibc takes no larger threshold for what is mapped on its own."""


def keep_memory() -> bool:
    """Sets the C library's allocator up; False where it is another one."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    settings = ((_ARENA_MAX, 1), (_MMAP_THRESHOLD, _LARGEST), (_TRIM_THRESHOLD, 1 << 30))
    accepted = [mallopt(name, value) == 1 for name, value in settings]
    return all(accepted)
