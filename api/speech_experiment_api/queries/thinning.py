"""Thinning curves out in memory, where that is quicker than in the store: the same rule as its SQL.

The axis is cut into equal buckets, the same for all runs of a key; each bucket keeps its smallest, its
largest and its first NaN point, and the newest point is always kept. A key with no more points than
asked for comes whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Index = NDArray[np.int64]

_WIDEST = 2**62
"""Spans beyond it do not fit 64 bits when counted in buckets."""


def thinned(
    x: NDArray[Any], values: NDArray[np.float64], keys: Iterable[Sequence[slice]], points: int
) -> Index:
    """The rows to keep, ascending.

    x        (N,) place on the axis, whole numbers or floats
    values   (N,) may be NaN or infinite
    keys     the rows of each series of each key, none empty; together they are all rows
    points   wanted of each series, about
    """
    order: Index | None = None
    starts: list[Index] = []
    for series in keys:
        if sum(rows.stop - rows.start for rows in series) <= points * len(series):
            starts += [np.arange(rows.start, rows.stop) for rows in series]
            continue
        lowest, highest, width = _buckets([x[rows] for rows in series], points)
        for rows in series:
            places = x[rows]
            if (places[1:] < places[:-1]).any():
                order = np.arange(len(x)) if order is None else order
                order[rows] = rows.start + np.argsort(places, kind="stable")
                places = x[order[rows]]
            starts.append(rows.start + _starts(places, lowest, highest, width))
    ascending = np.sort(np.concatenate(starts))
    if order is None:
        return _extremes(values, ascending)
    return np.sort(order[_extremes(values[order], ascending)])


def _buckets(places: Sequence[NDArray[Any]], points: int) -> tuple[Any, Any, Any]:
    """The two ends of the axis and the width of a bucket, for all series of a key."""
    lowest, highest = min(each.min() for each in places), max(each.max() for each in places)
    if places[0].dtype.kind == "i" and int(highest) - int(lowest) >= _WIDEST:
        lowest, highest = np.float64(lowest), np.float64(highest)
    return lowest, highest, _width(highest - lowest, max(1, points // 2 - 1))


def _width(span: Any, buckets: int) -> Any:
    if isinstance(span, np.floating):
        return span / buckets if span > 0 and np.isfinite(span) else 1.0
    return max(1, int(span) // buckets)


def _starts(x: NDArray[Any], lowest: Any, highest: Any, width: Any) -> Index:
    """Where each bucket that is not empty begins, in ascending x.

    Buckets are counted from the newest end, and the newest point is alone in the last.
    """
    if not np.isfinite(highest - lowest):
        return np.arange(len(x))
    count = int(np.ceil((highest - lowest) / width))
    places = np.searchsorted(x, highest - width * np.arange(count, -1, -1, dtype=x.dtype))
    starts: Index = np.unique(np.concatenate([[0], places]))
    return starts[starts < len(x)]


def _extremes(values: NDArray[np.float64], starts: Index) -> Index:
    """The places of the first least, the first largest and the first NaN of each bucket, ascending."""
    bucket = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(values)))
    kept = np.zeros(len(values), np.bool_)
    for chosen in (
        values == np.fmin.reduceat(values, starts)[bucket],
        values == np.fmax.reduceat(values, starts)[bucket],
        np.isnan(values),
    ):
        places = np.flatnonzero(chosen)
        kept[places[np.diff(bucket[places], prepend=-1) != 0]] = True
    return np.flatnonzero(kept)
