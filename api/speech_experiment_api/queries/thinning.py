"""Thinning curves out in memory, where that is quicker than in the store: the same rule as its SQL.

The axis is cut into equal buckets, the same for all runs of a key; each bucket keeps its smallest, its
largest and its first NaN point, and the newest point is always kept. A key with no more points than
asked for comes whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Index = NDArray[np.int64]

_WIDEST = 2**62
"""Spans beyond it do not fit 64 bits when counted in buckets."""


def thinned(x: NDArray[Any], values: NDArray[np.float64], series: Sequence[slice], points: int) -> Index:
    """The rows to keep of the series of one key, ascending.

    x        (N,) place on the axis, whole numbers or floats
    values   (N,) may be NaN or infinite
    series   the rows of each, none empty; together they are the key
    points   wanted of each series, about
    """
    if sum(rows.stop - rows.start for rows in series) <= points * len(series):
        return np.concatenate([np.arange(rows.start, rows.stop) for rows in series])
    lowest = min(x[rows].min() for rows in series)
    highest = max(x[rows].max() for rows in series)
    if x.dtype.kind == "i" and int(highest) - int(lowest) >= _WIDEST:
        x, lowest, highest = x.astype(np.float64), np.float64(lowest), np.float64(highest)
    width = _width(highest - lowest, max(1, points // 2 - 1))
    return np.concatenate(
        [rows.start + _kept(x[rows], values[rows], lowest, highest, width) for rows in series]
    )


def _width(span: Any, buckets: int) -> Any:
    if isinstance(span, np.floating):
        return span / buckets if span > 0 and np.isfinite(span) else 1.0
    return max(1, int(span) // buckets)


def _kept(x: NDArray[Any], values: NDArray[np.float64], lowest: Any, highest: Any, width: Any) -> Index:
    """The places of the extremes of one series, ascending."""
    if (x[1:] >= x[:-1]).all():
        return _extremes(values, _starts(x, lowest, highest, width))
    order = np.argsort(x, kind="stable")
    return np.sort(order[_extremes(values[order], _starts(x[order], lowest, highest, width))])


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
    sizes = np.diff(starts, append=len(values))
    least = values == np.repeat(np.fmin.reduceat(values, starts), sizes)
    most = values == np.repeat(np.fmax.reduceat(values, starts), sizes)
    undefined = np.isnan(values)
    return np.unique(np.concatenate([_firsts(chosen, starts) for chosen in (least, most, undefined)]))


def _firsts(chosen: NDArray[np.bool_], starts: Index) -> Index:
    """Of the chosen places, the first in each bucket."""
    places = np.flatnonzero(chosen)
    bucket = np.searchsorted(starts, places, side="right")
    first: Index = places[np.diff(bucket, prepend=0) != 0]
    return first
