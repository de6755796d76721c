"""Listening tests: mean opinion scores (MOS), comparison scores (CMOS), and how sure they are.

Scores of one listener, and of one item, are not independent. `two-way` draws listeners and items with replacement, each
by itself, and weighs a rating by how often both were drawn (the pigeonhole bootstrap, Owen 2007): it is the default,
and somewhat wide. `t over listeners` is the t-interval of the listeners' means, for tests with few of them (it
treats the items as fixed).

Systems are compared by listeners and items that rated both: the difference of each such pair is drawn likewise.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from math import isfinite
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from .definitions import OURS, Definition, define
from .lines import BadLine

Kind = Literal["mos", "cmos"]
Method = Literal["two-way", "t over listeners"]
Floats = NDArray[np.float64]
SCALES: dict[Kind, tuple[float, float]] = {"mos": (1, 5), "cmos": (-3, 3)}
"""ITU-T P.800: absolute category rating, comparison category rating."""
FEW = 8
"""Fewer listeners or items than this are too few for a bootstrap."""
DRAWS = 10_000
_CELLS = 4_000_000


class Rating(NamedTuple):
    """One score of one listener for one item (sentence) of a system.

    reference  the system compared with, in a CMOS: a positive score prefers `system`
    """

    listener: str
    item: str
    system: str
    score: float
    reference: str = ""


class Opinion(NamedTuple):
    """A mean and its interval; `method` is how it came about. Without an interval both ends are NaN."""

    mean: float
    low: float
    high: float
    ratings: int
    listeners: int
    items: int
    method: Method


class Preference(NamedTuple):
    """Of two systems: mean difference of scores by the same listener for the same item; positive prefers the first.

    probability  share of draws in which the first is better, ties counted half; None without a bootstrap
    """

    first: str
    second: str
    difference: Opinion
    probability: float | None


class Listening(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a listening test.

    systems      {system: opinion}; in a CMOS the system stands for `system vs reference`
    preferences  of all pairs of systems that common listeners rated on common items; none in a CMOS
    """

    definition: Definition
    systems: dict[str, Opinion]
    preferences: list[Preference]


def listening(
    ratings: Sequence[Rating],
    *,
    kind: Kind = "mos",
    scale: tuple[float, float] | None = None,
    level: float = 0.95,
    draws: int = DRAWS,
    seed: int = 0,
) -> Listening:
    """Scores a listening test.

    scale  lowest and highest score; None: 1 to 5 of a MOS, -3 to 3 of a CMOS; (0, 100) is MUSHRA's

    Raises ValueError without ratings, for a score beyond the scale, without a listener, item or system, and in a CMOS
    without a reference.
    """
    low, high = _scale(kind, scale)
    if not ratings:
        raise ValueError("there are no ratings")
    for place, each in enumerate(ratings):
        _check(each, place, kind, low, high)
    systems: dict[str, list[Rating]] = defaultdict(list)
    for each in ratings:
        systems[f"{each.system} vs {each.reference}" if kind == "cmos" else each.system].append(each)
    sampler = _Sampler(level, draws, seed)
    opinions = {name: sampler.opinion(rows)[0] for name, rows in systems.items()}
    definition = define(
        "listening",
        OURS,
        kind=kind,
        scale_low=float(low),
        scale_high=float(high),
        interval=f"two-way bootstrap of listeners and items; t over listeners below {FEW} listeners or items",
        level=level,
    )
    preferences = [] if kind == "cmos" else _preferences(systems, sampler)
    return Listening(definition=definition, systems=opinions, preferences=preferences)


def _scale(kind: Kind, scale: tuple[float, float] | None) -> tuple[float, float]:
    if kind not in SCALES:
        raise ValueError(f"kind is {kind!r}, expected one of {', '.join(SCALES)}")
    low, high = scale or SCALES[kind]
    if not low < high:
        raise ValueError(f"the scale goes from {low} to {high}; give its lowest and its highest score")
    return low, high


def _check(rating: Rating, place: int, kind: Kind, low: float, high: float) -> None:
    for name in ("listener", "item", "system"):
        if not str(getattr(rating, name) or "").strip():
            raise ValueError(f"rating {place} has no {name}")
    if not isinstance(rating.score, int | float | np.number):
        raise ValueError(f"{_named(rating)} is {rating.score!r}, not a number")
    if not low <= rating.score <= high:
        raise ValueError(f"{_named(rating)} is {rating.score:g}, beyond the scale from {low:g} to {high:g}")
    if kind == "cmos" and not rating.reference:
        raise ValueError(f"{_named(rating)} has no reference; a CMOS compares a system with one")


def _preferences(systems: dict[str, list[Rating]], sampler: _Sampler) -> list[Preference]:
    means = {name: _by_pair(rows) for name, rows in systems.items()}
    names = list(systems)
    found = []
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            common = means[first].keys() & means[second].keys()
            rows = [
                Rating(listener, item, first, means[first][listener, item] - means[second][listener, item])
                for listener, item in sorted(common)
            ]
            if rows:
                found.append(Preference(first, second, *sampler.opinion(rows)))
    return found


def _by_pair(ratings: Iterable[Rating]) -> dict[tuple[str, str], float]:
    """The mean of each listener and item, where an item was rated more than once."""
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for each in ratings:
        found[each.listener, each.item].append(each.score)
    return {pair: sum(scores) / len(scores) for pair, scores in found.items()}


class _Sampler:
    """How intervals are made."""

    def __init__(self, level: float, draws: int, seed: int) -> None:
        self._level, self._draws, self._seed = level, draws, seed

    def opinion(self, ratings: Sequence[Rating]) -> tuple[Opinion, float | None]:
        """The mean with its interval, and the share of draws above 0, those at 0 counted half."""
        listeners, people = _numbered([each.listener for each in ratings])
        items, sentences = _numbered([each.item for each in ratings])
        scores = np.array([each.score for each in ratings], np.float64)
        sizes = len(ratings), people, sentences
        if min(people, sentences) < FEW or not self._draws:
            low, high = self._by_t(listeners, scores)
            return Opinion(float(scores.mean()), low, high, *sizes, "t over listeners"), None
        means = self._two_way(listeners, items, scores, people, sentences)
        low, high = np.quantile(means, ((1 - self._level) / 2, (1 + self._level) / 2))
        better = float(np.mean(means > 0) + np.mean(means == 0) / 2)
        return Opinion(float(scores.mean()), float(low), float(high), *sizes, "two-way"), better

    def _by_t(self, listeners: NDArray[np.int64], scores: Floats) -> tuple[float, float]:
        """Around the mean of all ratings, by the spread of the listeners' means; NaN for one listener."""
        from scipy.stats import t

        means = np.bincount(listeners, scores) / np.bincount(listeners)
        if len(means) < 2:
            return float("nan"), float("nan")
        reach = t.ppf((1 + self._level) / 2, len(means) - 1) * means.std(ddof=1) / len(means) ** 0.5
        return float(scores.mean() - reach), float(scores.mean() + reach)

    def _two_way(
        self,
        listeners: NDArray[np.int64],
        items: NDArray[np.int64],
        scores: Floats,
        people: int,
        sentences: int,
    ) -> Floats:
        random = np.random.default_rng(self._seed)
        block = max(1, _CELLS // max(len(scores), people, sentences))
        means = []
        for start in range(0, self._draws, block):
            size = min(block, self._draws - start)
            heard = random.multinomial(people, np.full(people, 1 / people), size)
            spoken = random.multinomial(sentences, np.full(sentences, 1 / sentences), size)
            weights = heard[:, listeners] * spoken[:, items]
            total = weights.sum(axis=1)
            means.append((weights @ scores)[total > 0] / total[total > 0])
        return np.concatenate(means)


def _numbered(names: Sequence[Hashable]) -> tuple[NDArray[np.int64], int]:
    numbers: dict[Hashable, int] = {}
    index = np.array([numbers.setdefault(name, len(numbers)) for name in names], np.int64)
    return index, len(numbers)


def _named(rating: Rating) -> str:
    return f"the score of listener {rating.listener!r} for item {rating.item!r} of {rating.system!r}"


COLUMNS = ("listener", "item", "system", "score")


def read_ratings(lines: Iterable[str], source: str = "ratings.csv") -> list[Rating]:
    """A CSV file in long form, with a header: listener, item, system, score and, for a CMOS, reference.

    Other columns are passed over. Raises BadLine for a missing column, an empty field, and a score that is no number.
    """
    rows = csv.DictReader(line.lstrip("\ufeff") for line in lines)
    missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
    if missing:
        raise BadLine(
            f"{source}:1: has no column {', '.join(missing)}; expected {', '.join(COLUMNS)}[, reference]"
        )
    return [_rating(row, f"{source}:{rows.line_num}") for row in rows]


def _rating(row: dict[str, str | None], place: str) -> Rating:
    values = {name: (row.get(name) or "").strip() for name in (*COLUMNS, "reference")}
    for name in COLUMNS:
        if not values[name]:
            raise BadLine(f"{place}: {name} is empty")
    try:
        score = float(values["score"])
    except ValueError:
        score = float("nan")
    if not isfinite(score):
        raise BadLine(f"{place}: score is {values['score'][:40]!r}, not a finite number")
    return Rating(values["listener"], values["item"], values["system"], score, values["reference"])
