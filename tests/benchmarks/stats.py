"""Percentiles and timing; standard library only, since peers' environments import it too."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median


def percentile(values: Sequence[float], percent: float) -> float:
    """The value at that percent, by linear interpolation; values need no order."""
    if not values:
        raise ValueError("percentile of no values: nothing was measured")
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def spread(values: Sequence[float]) -> dict[str, float]:
    """p50, p95, p99, largest and number of some measured values."""
    return {
        "p50": median(values),
        "p95": percentile(values, 95),
        "p99": percentile(values, 99),
        "max": max(values),
        "n": float(len(values)),
    }


def milliseconds(work: Callable[[], object], times: int, warm_up: int = 1) -> list[float]:
    """The duration of each call of `work`, in milliseconds, after some that do not count."""
    for _ in range(warm_up):
        work()
    taken = []
    for _ in range(times):
        start = time.perf_counter_ns()
        work()
        taken.append((time.perf_counter_ns() - start) / 1e6)
    return taken
