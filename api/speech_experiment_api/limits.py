"""How much one key may send: token buckets, one pair per key."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

from .problems import Problem

_BURST_SECONDS = 2.0
_KEYS_REMEMBERED = 10_000


class Bucket:
    """Fills at `rate` a second up to two seconds' worth, and may be overdrawn by what is already here."""

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._level = rate * _BURST_SECONDS
        self._at = now

    def wait(self, now: float) -> float:
        """Seconds until something may be taken; 0 when it may be now."""
        self._level = min(self._level + (now - self._at) * self._rate, self._rate * _BURST_SECONDS)
        self._at = now
        return 0.0 if self._level > 0 else (1 - self._level) / self._rate

    def take(self, amount: float) -> None:
        self._level -= amount


class RateLimit:
    """Requests and bytes per second and key; raises 429 with the time to wait."""

    def __init__(self, requests: float, bytes_: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rates = (requests, bytes_)
        self._clock = clock
        self._buckets: dict[UUID, tuple[Bucket, Bucket]] = {}

    def admit(self, key: UUID) -> None:
        """Counts a request; raises Problem 429 while the key is over one of its rates."""
        requests, volume = self._of(key)
        now = self._clock()
        wait = max(requests.wait(now), volume.wait(now))
        if wait:
            raise _too_many(wait)
        requests.take(1)

    def spend(self, key: UUID, size: int) -> None:
        """Counts the bytes of a request that was admitted."""
        self._of(key)[1].take(size)

    def _of(self, key: UUID) -> tuple[Bucket, Bucket]:
        buckets = self._buckets.get(key)
        if buckets is None:
            if len(self._buckets) >= _KEYS_REMEMBERED:
                self._buckets.clear()
            requests, bytes_ = self._rates
            now = self._clock()
            buckets = self._buckets[key] = (Bucket(requests, now), Bucket(bytes_, now))
        return buckets


class Room:
    """Bounds the memory that bodies take, from their first byte to the answer."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken = 0

    @contextmanager
    def taken(self, size: int) -> Iterator[None]:
        """Holds `size` bytes; raises 429 when there is no room, unless nothing else is held."""
        if self._taken and self._taken + size > self._limit:
            detail = "the server is busy with other requests; send this one again later"
            raise Problem(429, "busy", detail, headers={"Retry-After": "1"})
        self._taken += size
        try:
            yield
        finally:
            self._taken -= size


def _too_many(wait: float) -> Problem:
    seconds = max(1, math.ceil(wait))
    detail = f"this key sends more than the server takes from one key; try again in {seconds} s"
    return Problem(429, "rate_limited", detail, headers={"Retry-After": str(seconds)})
