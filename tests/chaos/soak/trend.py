"""Whether a series of samples grows: a line fitted to medians of a minute, with honest error bars."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median

HOUR = 3600.0
_MINUTE = 60.0
_SURE = 1.96


@dataclass(frozen=True)
class Trend:
    """Growth per hour with the bounds of its 95 % interval, and the medians of the first and last fifth."""

    slope: float
    low: float
    high: float
    first: float
    last: float

    def grows(self, limit: float) -> bool:
        """Whether it surely grows by more than the limit per hour."""
        return self.low > limit

    def is_flat(self, limit: float) -> bool:
        """Whether it surely grows by less than the limit per hour."""
        return self.high < limit


def trend(times: Sequence[float], values: Sequence[float]) -> Trend:
    """The trend of values sampled at times (seconds). Raises ValueError for less than three minutes.

    Neighbouring samples resemble each other (caches fill, collectors run), so the samples count for
    less than their number: n (1 − r) / (1 + r), with r the correlation of neighbouring residuals.
    """
    minutes: dict[int, list[float]] = defaultdict(list)
    for time, value in zip(times, values, strict=True):
        minutes[int(time // _MINUTE)].append(value)
    if len(minutes) < 3:
        raise ValueError("a trend needs samples of at least three minutes")
    x = [minute * _MINUTE / HOUR for minute in sorted(minutes)]
    y = [median(minutes[minute]) for minute in sorted(minutes)]
    slope, residuals, spread = _line(x, y)
    count = _independent(residuals)
    error = math.sqrt(sum(r * r for r in residuals) / max(count - 2, 1) / spread)
    fifth = max(1, len(y) // 5)
    return Trend(slope, slope - _SURE * error, slope + _SURE * error, median(y[:fifth]), median(y[-fifth:]))


def _line(x: Sequence[float], y: Sequence[float]) -> tuple[float, list[float], float]:
    """(slope, residuals, sum of squares of x) of the least squares line."""
    mean_x, mean_y = fmean(x), fmean(y)
    spread = sum((each - mean_x) ** 2 for each in x)
    slope = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / spread
    return slope, [b - mean_y - slope * (a - mean_x) for a, b in zip(x, y, strict=True)], spread


def _independent(residuals: Sequence[float]) -> float:
    """How many independent samples the residuals are worth."""
    power = sum(r * r for r in residuals)
    if not power:
        return float(len(residuals))
    alike = sum(a * b for a, b in pairwise(residuals)) / power
    alike = min(max(alike, 0.0), 0.95)
    return len(residuals) * (1 - alike) / (1 + alike)
