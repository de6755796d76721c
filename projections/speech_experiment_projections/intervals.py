"""Sets of sequence numbers as sorted, disjoint, half-open intervals.

The set of what was received, not a watermark: records may be retried, overtake each other,
be parked and replayed, or be cut anew, and each call still counts once.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

Interval = tuple[int, int]
"""(start, stop): start included, stop not."""

Intervals = tuple[Interval, ...]
"""Sorted, disjoint, not touching, none empty."""

EMPTY: Intervals = ()


def add(intervals: Intervals, start: int, stop: int) -> Intervals:
    """The set with start … stop - 1 in it."""
    if start >= stop:
        return intervals
    if not intervals or intervals[-1][1] < start:
        return (*intervals, (start, stop))
    last_start, last_stop = intervals[-1]
    if last_start <= start:
        return (*intervals[:-1], (last_start, max(last_stop, stop)))
    low = bisect_left(intervals, start, key=_stop)
    high = bisect_right(intervals, stop, key=_start)
    if low < high:
        start = min(start, intervals[low][0])
        stop = max(stop, intervals[high - 1][1])
    return (*intervals[:low], (start, stop), *intervals[high:])


def missing(intervals: Intervals, start: int, stop: int) -> Intervals:
    """The part of start … stop - 1 that the set does not hold."""
    if not intervals or intervals[-1][1] <= start:
        return ((start, stop),) if start < stop else EMPTY
    gaps: list[Interval] = []
    for known_start, known_stop in intervals[bisect_right(intervals, start, key=_stop) :]:
        if known_start >= stop:
            break
        if start < known_start:
            gaps.append((start, known_start))
        start = known_stop
    if start < stop:
        gaps.append((start, stop))
    return tuple(gaps)


def contains(intervals: Intervals, number: int) -> bool:
    """Whether the set holds a number."""
    at = bisect_right(intervals, number, key=_start) - 1
    return at >= 0 and number < intervals[at][1]


def size(intervals: Intervals) -> int:
    """How many numbers the set holds."""
    return sum(stop - start for start, stop in intervals)


def union(intervals: Intervals, others: Iterable[Interval]) -> Intervals:
    """The set with several intervals in it."""
    for start, stop in others:
        intervals = add(intervals, start, stop)
    return intervals


def to_multirange(intervals: Intervals) -> str:
    """The text of a Postgres int8multirange."""
    return "{" + ",".join(f"[{start},{stop})" for start, stop in intervals) + "}"


def from_multirange(text: str) -> Intervals:
    """The inverse of to_multirange, for canonical text as Postgres prints it."""
    inner = text[1:-1]
    if not inner:
        return EMPTY
    pairs = (part.strip("[)").split(",") for part in inner.split("),"))
    return tuple((int(start), int(stop)) for start, stop in pairs)


def _start(interval: Interval) -> int:
    return interval[0]


def _stop(interval: Interval) -> int:
    return interval[1]
