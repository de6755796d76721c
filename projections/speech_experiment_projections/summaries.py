"""Summaries of curves: per run, rank and key, folded per batch and merged.

Merging is associative and commutative, sums are exact, and a minimum or maximum of zero is 0.0: so batch
boundaries and the order of batches do not matter, to the last bit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from speech_experiment_schemas.metrics import NO_STEP

from . import exact
from .exact import Exact
from .metrics import Rows, Series

Array = NDArray[Any]


class Summary(NamedTuple):
    """Of the points of one series that count.

    points  NaN included; nans of them are NaN, which is in no minimum, maximum or sum
    last   the value at the greatest step, and of equals the latest in the log; points without a
           step come before all with one, in log order. time in µs, seq of its call, offset in the log
    min    None when every value is NaN; its step is the smallest of those that have it
    """

    series: Series
    points: int
    nans: int
    last: float
    last_step: int | None
    last_time: int
    last_seq: int
    offset: int
    min: float | None
    min_step: int | None
    max: float | None
    max_step: int | None
    sum: Exact


class Summaries(NamedTuple):
    """Summaries of many series as columns, each a list with an item for each series.

    A step that is none is NO_STEP; a minimum or maximum that is none is NaN. Names as in Summary.
    """

    series: list[Series]
    points: list[int]
    nans: list[int]
    last: list[float]
    last_step: list[int]
    last_time: list[int]
    last_seq: list[int]
    offset: list[int]
    min: list[float]
    min_step: list[int]
    max: list[float]
    max_step: list[int]
    sum: list[Exact]

    def rows(self) -> list[Summary]:
        """One by one."""
        return [_summary(*values) for values in zip(*self, strict=True)]

    def without(self, runs: Collection[UUID]) -> Summaries:
        """Those of other runs."""
        if not runs:
            return self
        kept = [i for i, series in enumerate(self.series) if series.run not in runs]
        columns: Any = ([column[i] for i in kept] for column in self)
        return Summaries(*columns)


def columns_of(summaries: Sequence[Summary]) -> Summaries:
    """The inverse of Summaries.rows."""
    plain = [_plain(each) for each in summaries]
    return Summaries(*map(list, zip(*plain, strict=True))) if plain else NO_SUMMARIES


NO_SUMMARIES = Summaries._make([] for _ in range(13))


def summarise(rows: Rows) -> Summaries:
    """Of each series that has a point on its effective curve."""
    selected = _Selected(rows)
    if not len(selected.value):
        return NO_SUMMARIES
    starts, ends = selected.starts[:-1], selected.starts[1:]
    nan = np.isnan(selected.value)
    nans = np.add.reduceat(nan, starts, dtype=np.int64) if nan.any() else np.zeros(len(starts), np.int64)
    last = _last(selected, starts, ends)
    low, low_step = _extreme(selected, nan, nans, np.minimum, np.inf)
    high, high_step = _extreme(selected, nan, nans, np.maximum, -np.inf)
    addends = np.where(nan, 0.0, selected.value) if nans.any() else selected.value
    columns = (
        ends - starts,
        nans,
        selected.value[last],
        selected.step[last],
        selected.time[last],
        selected.seq[last],
        selected.offset[last],
        low,
        low_step,
        high,
        high_step,
    )
    lists = (column.tolist() for column in columns)
    return Summaries._make((selected.series, *lists, exact.sums(addends, starts)))


def merge(one: Summary, other: Summary) -> Summary:
    """The summary of both sets of points."""
    last = max(one, other, key=_recency)
    low = min(one, other, key=lambda each: _rank(each.min, each.min_step, 1))
    high = min(one, other, key=lambda each: _rank(each.max, each.max_step, -1))
    return last._replace(
        points=one.points + other.points,
        nans=one.nans + other.nans,
        min=low.min,
        min_step=low.min_step,
        max=high.max,
        max_step=high.max_step,
        sum=exact.add(one.sum, other.sum),
    )


def merge_all(summaries: Iterable[Summary]) -> dict[Series, Summary]:
    """One summary for each series."""
    merged: dict[Series, Summary] = {}
    for each in summaries:
        known = merged.get(each.series)
        merged[each.series] = each if known is None else merge(known, each)
    return merged


def _recency(summary: Summary) -> tuple[int, int, int]:
    return _number(summary.last_step), summary.offset, summary.last_seq


def _rank(value: float | None, step: int | None, sign: int) -> tuple[bool, float, int]:
    return (value is None, 0.0 if value is None else sign * value, _number(step))


def _number(step: int | None) -> int:
    return NO_STEP if step is None else step


class _Selected:
    """The rows that count, with the starts of the series that have any."""

    def __init__(self, rows: Rows) -> None:
        self.series, self.starts = rows.series, rows.starts
        self.value, self.step, self.time = rows.value, rows.step, rows.time
        self.seq, self.offset = rows.seq, rows.offset
        if rows.counts is not None:
            self._keep(rows.counts)

    def _keep(self, counts: Array) -> None:
        kept = np.concatenate(([0], np.cumsum(counts)))[self.starts]
        some = np.flatnonzero(np.diff(kept))
        self.series = [self.series[int(i)] for i in some]
        self.starts = np.concatenate((kept[:-1][some], kept[-1:]))
        for name in ("value", "step", "time", "seq", "offset"):
            setattr(self, name, getattr(self, name)[counts])


def _last(rows: _Selected, starts: Array, ends: Array) -> Array:
    """Index of each series' last row: the latest of those with the greatest step."""
    greatest = np.maximum.reduceat(rows.step, starts)
    final = ends - 1
    late = np.flatnonzero(rows.step[final] != greatest)
    for i in late:
        span = rows.step[starts[i] : ends[i]]
        final[i] = ends[i] - 1 - np.argmax(span[::-1] == greatest[i])
    return final


def _extreme(
    rows: _Selected, nan: Array, nans: Array, ufunc: np.ufunc, neutral: float
) -> tuple[Array, Array]:
    """Each series' extreme and the smallest step that has it; NaN where there is none."""
    starts = rows.starts[:-1]
    sizes = np.diff(rows.starts)
    values = np.where(nan, neutral, rows.value) if nans.any() else rows.value
    extremes = ufunc.reduceat(values, starts) + 0.0
    hits = np.flatnonzero((values == np.repeat(extremes, sizes)) & ~nan)
    steps = np.full(len(starts), NO_STEP, np.int64)
    owner = np.searchsorted(starts, hits, side="right") - 1
    first = np.flatnonzero(np.diff(owner, prepend=-1))
    if len(hits):
        steps[owner[first]] = np.minimum.reduceat(rows.step[hits], first)
    return np.where(nans == sizes, np.nan, extremes), steps


def _summary(
    series: Series,
    points: int,
    nans: int,
    last: float,
    last_step: int,
    last_time: int,
    last_seq: int,
    offset: int,
    low: float,
    low_step: int,
    high: float,
    high_step: int,
    total: Exact,
) -> Summary:
    return Summary(
        series=series,
        points=points,
        nans=nans,
        last=last,
        last_step=_step(last_step),
        last_time=last_time,
        last_seq=last_seq,
        offset=offset,
        min=None if low != low else low,
        min_step=_step(low_step),
        max=None if high != high else high,
        max_step=_step(high_step),
        sum=total,
    )


def _plain(summary: Summary) -> Summary:
    return summary._replace(
        last_step=_number(summary.last_step),
        min=np.nan if summary.min is None else summary.min,
        min_step=_number(summary.min_step),
        max=np.nan if summary.max is None else summary.max,
        max_step=_number(summary.max_step),
    )


def _step(step: int) -> int | None:
    return None if step == NO_STEP else step
