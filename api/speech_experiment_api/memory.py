"""Giving memory back: after a busy time the allocator would keep what it once had."""

from __future__ import annotations

import asyncio
import ctypes
import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .services import State

_LOOK_SECONDS = 5.0
_WORTH_BYTES = 32_000_000


async def give_back(state: State) -> None:
    """Runs for ever: returns free heap pages to the system when ingest has paused after much."""
    before, released = 0, 0
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        now = state.ingested_bytes
        if now == before and now - released > _WORTH_BYTES:
            released = now
            await asyncio.to_thread(_release)
        before = now


def _release() -> None:
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
