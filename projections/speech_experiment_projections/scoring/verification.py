"""Same speaker or not: equal error rate, detection cost and DET curve, of trials with scores.

A trial is accepted when its score is ≥ the threshold. P_miss is the share of target trials rejected, P_fa that of
non-target trials accepted; an operating point is a threshold between two distinct scores, so trials with equal
scores are never told apart.

EER, by four definitions, which differ where few trials lie near the crossing:
rocch        P_miss = P_fa on the convex hull of the ROC (Brümmer & de Villiers 2013, BOSARIS): no other threshold, or mixture of
             two, does better; never above `interpolated`
interpolated P_miss = P_fa on the straight lines between neighbouring operating points
nearest      mean of both rates at the operating point where they are nearest (as SpeechBrain's EER, but by distinct scores)
kaldi        P_miss at the first operating point with P_miss ≥ P_fa: Kaldi's compute-eer, where no targets score the same

minDCF = min over thresholds of c_miss · p_target · P_miss + c_fa · (1 - p_target) · P_fa. `unnormalised` is that
number (SpeechBrain's minDCF); `normalised` divides it by the cost of the better of accepting all and rejecting all,
min(c_miss · p_target, c_fa · (1 - p_target)) (NIST SRE, Kaldi's compute_min_dcf.py, WeSpeaker). Both are given.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from math import log
from typing import Any, Literal, NamedTuple, get_args

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from .definitions import OURS, Definition, define

EerMethod = Literal["rocch", "interpolated", "nearest", "kaldi"]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Draw = Callable[[], list[NDArray[Any]]]
"""One draw: trials by cell, of targets and of non-targets."""

DRAWS = 1_000
CELLS = 4_096
"""Cells that scores are grouped into for drawing: a cell holds at most a 4,096th of either kind of trial."""


class Costs(msgspec.Struct, frozen=True):
    """An application: prior of a target trial, and the costs of both errors."""

    p_target: float = 0.01
    c_miss: float = 1.0
    c_fa: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.p_target < 1 or self.c_miss <= 0 or self.c_fa <= 0:
            raise ValueError(f"{self} is no application: 0 < p_target < 1, and costs are positive")

    @property
    def miss(self) -> float:
        """Weight of P_miss."""
        return self.c_miss * self.p_target

    @property
    def false_alarm(self) -> float:
        """Weight of P_fa."""
        return self.c_fa * (1 - self.p_target)

    @property
    def default(self) -> float:
        """Cost of the better of accepting all and rejecting all."""
        return min(self.miss, self.false_alarm)

    @property
    def bayes_threshold(self) -> float:
        """Of natural log-likelihood ratios."""
        return log(self.false_alarm / self.miss)


class Cost(NamedTuple):
    """A detection cost under both names, and where it lies."""

    normalised: float
    unnormalised: float
    threshold: float
    p_miss: float
    p_fa: float


class Bounds(NamedTuple):
    """Percentiles of the draws."""

    low: float
    high: float


class Curve(NamedTuple):
    """The operating points, thresholds rising: accepted is what scores at least `thresholds[i]`.

    The first point accepts all, the last (threshold +∞) none.
    """

    thresholds: Floats
    p_miss: Floats
    p_fa: Floats


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """The result over a list of trials.

    eer               of the definition's method, with the threshold it lies at
    min_dcf           over all thresholds
    actual_dcf        at the Bayes threshold; None unless the scores were said to be calibrated
    cllr              cost of log-likelihood ratios in bits (Brümmer & du Preez 2006); None likewise
    eer_bounds, min_dcf_bounds   of the bootstrap over `drawn`, at `level`; None when it was not asked for
    det               (threshold, p_miss, p_fa) along the curve, thinned
    """

    definition: Definition
    targets: int
    nontargets: int
    eer: float
    eer_threshold: float
    min_dcf: Cost
    actual_dcf: Cost | None = None
    cllr: float | None = None
    eer_bounds: Bounds | None = None
    min_dcf_bounds: Bounds | None = None
    level: float = 0.95
    drawn: str = "trials"
    det: list[tuple[float, float, float]] = []


def verification(
    scores: ArrayLike,
    targets: ArrayLike,
    *,
    costs: Costs | None = None,
    method: EerMethod = "rocch",
    calibrated: bool = False,
    groups: Sequence[Hashable] | None = None,
    draws: int = DRAWS,
    level: float = 0.95,
    seed: int = 0,
    points: int = 500,
) -> Verification:
    """Scores trials.

    scores      of the trials, higher for the same speaker
    targets     whether each trial is of the same speaker
    calibrated  scores are natural log-likelihood ratios: actual DCF and Cllr are given too
    groups      what is drawn as a whole, such as the enrolled speaker of each trial; None: trials, targets and
                non-targets by themselves
    draws       of the bootstrap; 0 leaves it out
    points      of the DET curve at most

    Raises ValueError without trials of both kinds, for scores that are not numbers, and where lengths differ.
    """
    values, is_target = _checked(scores, targets)
    costs = costs or Costs()
    curve = roc(values, is_target)
    eer, threshold = equal_error_rate(curve, method)
    drawn = _draw(values, is_target, costs, method, groups, draws, seed) if draws else None
    tail = (1 - level) / 2
    definition = define(
        "verification",
        OURS,
        eer=method,
        p_target=costs.p_target,
        c_miss=costs.c_miss,
        c_fa=costs.c_fa,
        calibrated=calibrated,
    )
    return Verification(
        definition=definition,
        targets=int(is_target.sum()),
        nontargets=int((~is_target).sum()),
        eer=eer,
        eer_threshold=threshold,
        min_dcf=minimum_cost(curve, costs),
        actual_dcf=cost_at(values, is_target, costs, costs.bayes_threshold) if calibrated else None,
        cllr=cllr(values, is_target) if calibrated else None,
        eer_bounds=None if drawn is None else _bounds(drawn[:, 0], tail),
        min_dcf_bounds=None if drawn is None else _bounds(drawn[:, 1], tail),
        level=level,
        drawn="trials" if groups is None else "groups",
        det=thinned(curve, points),
    )


def roc(scores: Floats, targets: Bools) -> Curve:
    """The curve over all distinct scores."""
    return _curve(np.sort(scores[targets]), np.sort(scores[~targets]))


def _curve(same: Floats, different: Floats) -> Curve:
    """Of sorted scores of both kinds."""
    thresholds = np.append(np.unique(np.concatenate((same, different))), np.inf)
    p_miss = np.searchsorted(same, thresholds, "left") / len(same)
    p_fa = 1 - np.searchsorted(different, thresholds, "left") / len(different)
    return Curve(thresholds, p_miss, p_fa)


def equal_error_rate(curve: Curve, method: EerMethod = "rocch") -> tuple[float, float]:
    """(EER, threshold); the threshold is the operating point at or right above the crossing."""
    if method not in get_args(EerMethod):
        raise ValueError(f"EER method is {method!r}, expected one of {', '.join(get_args(EerMethod))}")
    if method == "nearest":
        at = int(np.argmin(abs(curve.p_miss - curve.p_fa)))
        return float(curve.p_miss[at] + curve.p_fa[at]) / 2, float(curve.thresholds[at])
    if method == "rocch":
        before, at = _hull_edge(curve)
    else:
        at = int(np.argmax(curve.p_miss >= curve.p_fa))
        before = at - 1
    if method == "kaldi":
        return float(curve.p_miss[at]), float(curve.thresholds[at])
    return _crossing(curve, before, at), float(curve.thresholds[at])


def _crossing(curve: Curve, before: int, at: int) -> float:
    """Where the straight line between two points, the first with P_miss < P_fa, meets P_miss = P_fa."""
    below, above = curve.p_fa[before] - curve.p_miss[before], curve.p_miss[at] - curve.p_fa[at]
    rise = curve.p_miss[at] - curve.p_miss[before]
    return float(curve.p_miss[before] + below / (below + above) * rise)


def _hull_edge(curve: Curve) -> tuple[int, int]:
    """The edge of the lower convex hull that meets P_miss = P_fa; quickhull of that edge alone."""
    first, last = 0, len(curve.thresholds) - 1
    while last - first > 1:
        x, y = curve.p_fa[first : last + 1], curve.p_miss[first : last + 1]
        above = (x[0] - x[-1]) * (y - y[0]) - (y[-1] - y[0]) * (x[0] - x)
        lowest = int(np.argmin(above))
        if above[lowest] >= 0:
            break
        if y[lowest] >= x[lowest]:
            last = first + lowest
        else:
            first += lowest
    return first, last


def _corners(x: Floats, y: Floats) -> NDArray[np.intp]:
    """Points that a falling x has moved to and a rising y is about to leave; the others lie on lines between them."""
    moved = np.append(True, np.diff(x) != 0)
    moves = np.append(np.diff(y) != 0, True)
    kept = moved & moves
    kept[0] = kept[-1] = True
    return np.flatnonzero(kept)


def minimum_cost(curve: Curve, costs: Costs) -> Cost:
    """The least cost over all operating points, the lowest threshold where several have it."""
    values = costs.miss * curve.p_miss + costs.false_alarm * curve.p_fa
    at = int(np.argmin(values))
    return Cost(
        float(values[at] / costs.default),
        float(values[at]),
        float(curve.thresholds[at]),
        float(curve.p_miss[at]),
        float(curve.p_fa[at]),
    )


def cost_at(scores: Floats, targets: Bools, costs: Costs, threshold: float) -> Cost:
    """The cost of accepting what scores at least a threshold."""
    accepted = scores >= threshold
    p_miss = float(1 - accepted[targets].mean())
    p_fa = float(accepted[~targets].mean())
    value = costs.miss * p_miss + costs.false_alarm * p_fa
    return Cost(value / costs.default, value, threshold, p_miss, p_fa)


def cllr(scores: Floats, targets: Bools) -> float:
    """Mean of log2(1 + 1/LR) over targets and of log2(1 + LR) over non-targets, halved: 0 is perfect, 1 tells nothing."""
    misses = np.logaddexp(0, -scores[targets]).mean()
    alarms = np.logaddexp(0, scores[~targets]).mean()
    return float((misses + alarms) / 2 / log(2))


def thinned(curve: Curve, points: int) -> list[tuple[float, float, float]]:
    """At most so many points of the curve: its corners, spread evenly on the axes of a DET plot."""
    from scipy.special import ndtri

    corners = _corners(curve.p_fa, curve.p_miss)
    if len(corners) > points:
        inside = np.clip([curve.p_miss[corners], curve.p_fa[corners]], 1e-9, 1 - 1e-9)
        walked = abs(np.diff(ndtri(inside), axis=1)).sum(axis=0).cumsum()
        wanted = np.linspace(0, walked[-1], points)
        corners = corners[np.unique(np.append(np.searchsorted(walked, wanted[:-1]), len(corners) - 1))]
    rows = zip(*(column[corners].tolist() for column in curve), strict=True)
    return list(rows)


def _checked(scores: ArrayLike, targets: ArrayLike) -> tuple[Floats, Bools]:
    values, is_target = _numbers(scores), np.asarray(targets)
    if is_target.dtype != np.bool_:
        if not np.isin(is_target, (0, 1)).all():
            raise ValueError("targets are neither booleans nor 0 and 1")
        is_target = is_target.astype(np.bool_)
    if values.ndim != 1 or values.shape != is_target.shape:
        raise ValueError(f"{values.size} scores, but {is_target.size} labels of trials")
    if not np.isfinite(values).all():
        at = int(np.flatnonzero(~np.isfinite(values))[0])
        raise ValueError(f"the score of trial {at} is {values[at]}; give finite scores")
    if not is_target.any() or is_target.all():
        raise ValueError(
            f"needs target and non-target trials, got {int(is_target.sum())} and {int((~is_target).sum())}"
        )
    return values, is_target


def _numbers(scores: ArrayLike) -> Floats:
    try:
        return np.asarray(scores, np.float64)
    except (ValueError, TypeError):
        raise ValueError(f"scores are no numbers: {scores!r:.60}") from None


def _bounds(values: Floats, tail: float) -> Bounds:
    low, high = np.quantile(values, (tail, 1 - tail))
    return Bounds(float(low), float(high))


def _draw(
    scores: Floats,
    targets: Bools,
    costs: Costs,
    method: EerMethod,
    groups: Sequence[Hashable] | None,
    draws: int,
    seed: int,
) -> Floats:
    """(EER, normalised minDCF) of each draw, of scores grouped into cells."""
    edges = _cell_edges(scores, targets)
    cells = np.searchsorted(edges, scores, "right")
    random = np.random.default_rng(seed)
    if groups is None:
        draw = _of_trials(
            random, *(np.bincount(cells[kind], minlength=len(edges) + 1) for kind in (targets, ~targets))
        )
    else:
        draw = _of_groups(random, cells, targets, groups, len(edges) + 1)
    thresholds = np.concatenate(([-np.inf], edges, [np.inf]))
    found = []
    for _ in range(draws):
        rates = [np.append(0, np.cumsum(counts)) for counts in draw()]
        if rates[0][-1] and rates[1][-1]:
            curve = Curve(thresholds, rates[0] / rates[0][-1], 1 - rates[1] / rates[1][-1])
            found.append((equal_error_rate(curve, method)[0], minimum_cost(curve, costs).normalised))
    if not found:
        raise ValueError("no draw has trials of both kinds: there are too few groups")
    return np.array(found)


def _of_trials(random: np.random.Generator, *kinds: NDArray[np.int64]) -> Draw:
    """Draws trials: counts of targets and of non-targets by cell."""
    shares = [(int(counts.sum()), counts / counts.sum()) for counts in kinds]
    return lambda: [random.multinomial(total, each) for total, each in shares]


def _of_groups(
    random: np.random.Generator,
    cells: NDArray[np.intp],
    targets: Bools,
    groups: Sequence[Hashable],
    size: int,
) -> Draw:
    """Draws whole groups; raises ValueError unless each trial has one."""
    if len(groups) != len(cells):
        raise ValueError(f"{len(cells)} trials, but {len(groups)} groups")
    numbers: dict[Hashable, int] = {}
    index = np.fromiter((numbers.setdefault(each, len(numbers)) for each in groups), np.int64, len(groups))
    parts = []
    for kind in (targets, ~targets):
        pairs, copies = np.unique(index[kind] * size + cells[kind], return_counts=True)
        parts.append((pairs // size, pairs % size, copies))
    even = np.full(len(numbers), 1 / len(numbers))

    def draw() -> list[NDArray[Any]]:
        weights = random.multinomial(len(numbers), even)
        return [np.bincount(cell, weights[group] * copies, minlength=size) for group, cell, copies in parts]

    return draw


def _cell_edges(scores: Floats, targets: Bools) -> Floats:
    """Scores that cells begin at: every distinct one where there are few, else quantiles of both kinds."""
    if len(scores) <= CELLS:
        return np.unique(scores)[1:]
    shares = np.linspace(0, 1, CELLS // 2 + 1)[1:-1]
    kinds = [np.quantile(scores[kind], shares, method="nearest") for kind in (targets, ~targets)]
    return np.unique(np.concatenate(kinds))
