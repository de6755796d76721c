"""How sure a rate is, and a difference of two rates: the bootstrap of Bisani & Ney (ICASSP 2004).

Utterances are drawn with replacement, and the rate of each draw is Σ errors / Σ words. Errors of one speaker
or session are not independent: given groups, whole groups are drawn, which gives wider and more
honest intervals. A draw of n units is a multinomial draw over the distinct units, which is exact, so
that a hundred thousand utterances cost no more than their few hundred distinct (errors, words).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

DRAWS = 10_000
LEVEL = 0.95
_CELLS = 4_000_000
"""Numbers of one block of draws: bounds the memory."""
_REPEATED = 4
"""Copies of a distinct unit, on average, from which on the multinomial is the quicker way to draw."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Interval(NamedTuple):
    """Of a rate, or of a difference of rates.

    value           observed
    low, high       percentiles of the draws
    standard_error  deviation of the draws
    units           utterances or groups that were drawn from
    """

    value: float
    low: float
    high: float
    standard_error: float
    units: int


class Comparison(NamedTuple):
    """Of two systems on the same utterances; a negative difference says that the first has fewer errors.

    difference   rate of the first - rate of the second
    improvement  probability of improvement: the share of draws in which the first has fewer errors,
                 draws with as many counted half
    """

    difference: Interval
    improvement: float


def rate_interval(
    errors: ArrayLike,
    words: ArrayLike,
    *,
    groups: Sequence[Hashable] | None = None,
    draws: int = DRAWS,
    level: float = LEVEL,
    seed: int = 0,
) -> Interval:
    """The interval of Σ errors / Σ words, given both of each utterance.

    groups  speaker or session of each utterance

    Raises ValueError without a word, and where lengths differ.
    """
    units = _units(groups, errors, words)
    sums = _draw(units, draws, seed)
    return _interval(units[:, 0].sum() / _words(units), sums[:, 0] / np.maximum(sums[:, 1], 1), level, units)


def compare_rates(
    errors: ArrayLike,
    other_errors: ArrayLike,
    words: ArrayLike,
    *,
    groups: Sequence[Hashable] | None = None,
    draws: int = DRAWS,
    level: float = LEVEL,
    seed: int = 0,
) -> Comparison:
    """The paired bootstrap of two systems' errors on the same utterances; as rate_interval otherwise."""
    lengths = {len(np.asarray(each)) for each in (errors, other_errors)}
    if len(lengths) > 1:
        raise ValueError(f"the systems have {' and '.join(map(str, sorted(lengths)))} utterances")
    more = np.asarray(errors, np.int64) - np.asarray(other_errors, np.int64)
    units = _units(groups, more, words)
    sums = _draw(units, draws, seed)
    rates = sums[:, 0] / np.maximum(sums[:, 1], 1)
    difference = _interval(units[:, 0].sum() / _words(units), rates, level, units)
    improvement = float(np.mean(sums[:, 0] < 0) + np.mean(sums[:, 0] == 0) / 2)
    return Comparison(difference, improvement)


def _units(groups: Sequence[Hashable] | None, *columns: ArrayLike) -> Ints:
    """A row for each utterance or group, the columns added up."""
    rows = [np.asarray(column, np.int64) for column in columns]
    if len({len(row) for row in rows}) > 1:
        raise ValueError(f"the columns have {', '.join(str(len(row)) for row in rows)} utterances")
    units = np.column_stack(rows)
    if groups is not None:
        if len(groups) != len(units):
            raise ValueError(f"{len(units)} utterances, but {len(groups)} groups")
        numbers: dict[Hashable, int] = {}
        index = [numbers.setdefault(group, len(numbers)) for group in groups]
        summed = np.zeros((len(numbers), units.shape[1]), np.int64)
        np.add.at(summed, index, units)
        units = summed
    if not len(units) or not units[:, -1].sum():
        raise ValueError("there is no word to count errors by")
    return units


def _words(units: Ints) -> int:
    return int(units[:, -1].sum())


def _draw(units: Ints, draws: int, seed: int) -> Ints:
    """The sums of each draw of as many units as there are: [draws, columns]."""
    distinct, copies = np.unique(units, axis=0, return_counts=True)
    random = np.random.default_rng(seed)
    by_index = len(units) < _REPEATED * len(distinct)
    block = max(1, _CELLS // (len(units) if by_index else len(distinct)))
    sums = []
    for start in range(0, draws, block):
        size = min(block, draws - start)
        if by_index:
            drawn = random.integers(0, len(units), (size, len(units)))
            sums.append(np.column_stack([column[drawn].sum(axis=1) for column in units.T]))
        else:
            sums.append(random.multinomial(len(units), copies / len(units), size) @ distinct)
    return np.concatenate(sums)


def _interval(value: float, rates: Floats, level: float, units: Ints) -> Interval:
    low, high = np.quantile(rates, ((1 - level) / 2, (1 + level) / 2))
    return Interval(float(value), float(low), float(high), float(rates.std(ddof=1)), len(units))
