"""The figures that a worker keeps of itself."""

from __future__ import annotations

import time
from collections import deque

import msgspec

_WINDOW = 512


class Quantiles(msgspec.Struct, frozen=True):
    """Milliseconds, over the latest batches."""

    p50: float
    p99: float
    max: float


class PartitionStatus(msgspec.Struct, frozen=True):
    """next: offset to be written next; end: offset that the log will give next."""

    next: int
    end: int


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """One worker of one projection; latency runs from the broker's append to the commit."""

    projection: str
    version: int
    worker: str
    pid: int
    started_at: float
    partitions: dict[int, PartitionStatus]
    lag: int
    records: int
    bytes: int
    batches: int
    write_ms: Quantiles
    latency_ms: Quantiles


class Meter:
    """Counts batches as they are written."""

    def __init__(self) -> None:
        self.records = self.bytes = self.batches = 0
        self.next: dict[int, int] = {}
        self._writes: deque[float] = deque(maxlen=_WINDOW)
        self._latencies: deque[float] = deque(maxlen=_WINDOW)

    def wrote(self, records: int, size: int, seconds: float, oldest_append_ms: int) -> None:
        self.records += records
        self.bytes += size
        self.batches += 1
        self._writes.append(seconds * 1000)
        self._latencies.append(max(0.0, time.time() * 1000 - oldest_append_ms))

    @property
    def write_ms(self) -> Quantiles:
        return _quantiles(self._writes)

    @property
    def latency_ms(self) -> Quantiles:
        return _quantiles(self._latencies)


def _quantiles(values: deque[float]) -> Quantiles:
    if not values:
        return Quantiles(0.0, 0.0, 0.0)
    ordered = sorted(values)
    last = len(ordered) - 1
    return Quantiles(*(round(ordered[round(last * q)], 3) for q in (0.5, 0.99, 1.0)))
