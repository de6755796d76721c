"""The process's memory: what is never garbage is not looked through, and what is free goes back to the system."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING

from speech_experiment_infra.memory import release_memory

if TYPE_CHECKING:
    from .services import State

_LOOK_SECONDS = 5.0
_WORTH_BYTES = 32_000_000
_GC_THRESHOLDS = (20_000, 20, 20)
"""Questions about many runs make many small objects and hardly a cycle: looking for some cost a quarter of them."""


def keep_started() -> None:
    """What the start has made stays: the collector passes over it from now on, and looks less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)


async def give_back(state: State) -> None:
    """Runs for ever: returns free heap pages to the system when ingest has paused after much.

    After a busy time the allocator would keep what it once had.
    """
    before, released = 0, 0
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        now = state.ingested_bytes
        if now == before and now - released > _WORTH_BYTES:
            released = now
            await asyncio.to_thread(release_memory)
        before = now
