"""What was fetched and not yet written: a queue bounded in bytes that hands out growing batches.

While the writer is busy the queue fills; the next batch is then everything that came meanwhile,
so batches are small when there is little to do and large under load, without a timer.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import NamedTuple

from .sink import Incoming


class Bundle(NamedTuple):
    """Consecutive records of one partition as one fetch brought them; size in bytes of values."""

    records: list[Incoming]
    size: int


class Feed:
    """Between the fetcher, which puts bundles, and the writer, which takes batches."""

    def __init__(self, *, max_records: int, max_bytes: int, held_bytes: int) -> None:
        """max_*: limits of one batch; held_bytes: fetching pauses while more than this is waiting."""
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._held_bytes = held_bytes
        self._bundles: deque[Bundle] = deque()
        self._size = 0
        self._filled = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()

    @property
    def size(self) -> int:
        """Bytes waiting."""
        return self._size

    @property
    def waiting(self) -> bool:
        """Whether a batch can be taken at once."""
        return bool(self._bundles)

    def put(self, bundle: Bundle) -> None:
        self._bundles.append(bundle)
        self._size += bundle.size
        self._filled.set()
        if self._size > self._held_bytes:
            self._drained.clear()

    async def room(self, seconds: float) -> bool:
        """Waits until fetching may go on; False when it may not yet after so many seconds."""
        if not self._drained.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._drained.wait(), seconds)
        return self._drained.is_set()

    async def take(self) -> list[Incoming]:
        """The next batch: at least one record, in the order they came, up to the limits."""
        await self._filled.wait()
        batch: list[Incoming] = []
        size = 0
        while self._bundles and (not batch or self._fits(len(batch), size)):
            bundle = self._next(self._max_records - len(batch))
            batch += bundle.records
            size += bundle.size
        self._settle(size)
        return batch

    def clear(self) -> None:
        """Forgets what waits: it is read again from the sink's position."""
        self._bundles.clear()
        self._settle(self._size)

    def _fits(self, records: int, size: int) -> bool:
        return records < self._max_records and size + self._bundles[0].size <= self._max_bytes

    def _next(self, limit: int) -> Bundle:
        """The first bundle, or its first `limit` records when it has more."""
        bundle = self._bundles.popleft()
        if len(bundle.records) <= limit and (bundle.size <= self._max_bytes or len(bundle.records) == 1):
            return bundle
        cut = self._cut(bundle, limit)
        head, tail = bundle.records[:cut], bundle.records[cut:]
        head_size = sum(len(record.value) for record in head)
        if tail:
            self._bundles.appendleft(Bundle(tail, bundle.size - head_size))
        return Bundle(head, head_size)

    def _cut(self, bundle: Bundle, limit: int) -> int:
        size = 0
        for index, record in enumerate(bundle.records[:limit]):
            size += len(record.value)
            if size > self._max_bytes:
                return max(index, 1)
        return min(limit, len(bundle.records))

    def _settle(self, taken: int) -> None:
        self._size -= taken
        if not self._bundles:
            self._filled.clear()
        if self._size <= self._held_bytes:
            self._drained.set()
