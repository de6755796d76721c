"""Whether two systems differ: tests on matched segments, speakers and utterances, and how much data one needs.

Every p-value is two-sided. Where many systems are compared, `holm` keeps the chance of one false claim at α.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .alignment import Step
from .power import reach

MIN_GOOD_WORDS = 2
"""Reference words that both systems have right, in a row, which end a segment; as in SCTK."""


class Outcome(NamedTuple):
    """What a test says.

    p          None when there is nothing to tell the systems apart by
    statistic  Z, W, or the number of units that only the first system has wrong
    units      segments, speakers or utterances that the test looked at
    """

    test: str
    p: float | None
    statistic: float
    units: int


def mapsswe(systems: Sequence[tuple[Sequence[Step], Sequence[Step]]]) -> Outcome:
    """Matched pairs sentence-segment word error (Gillick & Cox 1989): of each utterance both alignments.

    An utterance is cut where both systems have at least two reference words in a row right, with nothing inserted
    between them; each stretch between cuts in which either has an error is a segment. Z is the mean difference of
    errors a segment over its standard error. Steps should be those of the scorer `sclite`.

    Raises ValueError where the two alignments are not of one reference.
    """
    differences = [first - second for one, other in systems for first, second in segment_errors(one, other)]
    count = len(differences)
    deviation = float(np.std(differences, ddof=1)) if count > 1 else 0.0
    if not deviation:
        return Outcome("mapsswe", None, 0.0, count)
    from scipy.stats import norm

    z = float(np.mean(differences)) / (deviation / sqrt(count))
    return Outcome("mapsswe", float(2 * norm.sf(abs(z))), z, count)


def segment_errors(one: Sequence[Step], other: Sequence[Step]) -> list[tuple[int, int]]:
    """Errors of both systems in each segment of an utterance that has any."""
    mine, yours = _slots(one), _slots(other)
    if [word for word, _, _ in mine] != [word for word, _, _ in yours]:
        raise ValueError("the two alignments are not of one reference")
    segments: list[tuple[int, int]] = []
    errors = [0, 0]
    good = 0
    for (_, wrong, inserted), (_, also_wrong, also_inserted) in zip(mine, yours, strict=True):
        # Insertions come before the word of their slot, and break a run of good words.
        if inserted or also_inserted:
            _cut(segments, errors, good)
            good = 0
        errors[0] += inserted
        errors[1] += also_inserted
        if wrong or also_wrong:
            _cut(segments, errors, good)
            good = 0
            errors[0] += wrong
            errors[1] += also_wrong
        else:
            good += 1
    _cut(segments, errors, MIN_GOOD_WORDS)
    return segments


def _cut(segments: list[tuple[int, int]], errors: list[int], good: int) -> None:
    """Closes a segment when enough good words lie behind it."""
    if good >= MIN_GOOD_WORDS and any(errors):
        segments.append((errors[0], errors[1]))
        errors[:] = [0, 0]


def _slots(steps: Sequence[Step]) -> list[tuple[str | None, int, int]]:
    """(reference word, 1 when it is wrong, insertions before it); the last slot is the end, without a word."""
    slots: list[tuple[str | None, int, int]] = []
    inserted = 0
    for step in steps:
        if step.operation == "insertion":
            inserted += 1
        else:
            slots.append((step.reference, int(step.operation != "hit"), inserted))
            inserted = 0
    return [*slots, (None, 0, inserted)]


def mcnemar(wrong: ArrayLike, other_wrong: ArrayLike) -> Outcome:
    """Exact McNemar test over utterances, by the binomial distribution: who has which of them wrong."""
    mine, yours = np.asarray(wrong, bool), np.asarray(other_wrong, bool)
    if mine.shape != yours.shape:
        raise ValueError(f"{mine.size} utterances of one system, {yours.size} of the other")
    only_mine, only_yours = int(np.sum(mine & ~yours)), int(np.sum(yours & ~mine))
    if not only_mine + only_yours:
        return Outcome("mcnemar", None, 0.0, mine.size)
    from scipy.stats import binomtest

    return Outcome(
        "mcnemar", float(binomtest(only_mine, only_mine + only_yours).pvalue), float(only_mine), mine.size
    )


def wilcoxon(rates: ArrayLike, other_rates: ArrayLike) -> Outcome:
    """Wilcoxon signed-rank test over speakers' rates; speakers with equal rates are left out."""
    mine, yours = np.asarray(rates, float), np.asarray(other_rates, float)
    if mine.shape != yours.shape:
        raise ValueError(f"{mine.size} speakers of one system, {yours.size} of the other")
    differences = mine - yours
    if not np.any(differences):
        return Outcome("wilcoxon", None, 0.0, mine.size)
    from scipy import stats

    found = stats.wilcoxon(differences[differences != 0])
    return Outcome("wilcoxon", float(found.pvalue), float(found.statistic), mine.size)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Holm's adjusted p-values: those below α are claims that hold together at α."""
    adjusted: dict[str, float] = {}
    least = 0.0
    for rank, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        least = max(least, min(1.0, (len(p_values) - rank) * p))
        adjusted[name] = least
    return {name: adjusted[name] for name in p_values}


def units_needed(
    errors: ArrayLike,
    other_errors: ArrayLike,
    words: ArrayLike,
    difference: float,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
) -> int:
    """How many units like these (utterances, or speakers' sums) show a difference of rates, with that power.

    difference  of rates, e.g. 0.002 for 0.2 points of WER

    By the variance of the paired ratio estimator: each unit's residual is its difference of errors less the
    observed rate of difference times its words. Raises ValueError for fewer than two units.
    """
    saved = np.asarray(errors, float) - np.asarray(other_errors, float)
    lengths = np.asarray(words, float)
    if saved.shape != lengths.shape or saved.size < 2:
        raise ValueError(f"needs at least two units of both systems, got {saved.size}")
    if not difference or not lengths.sum():
        raise ValueError("needs a difference that is not zero, and units with words")
    residuals = saved - lengths * (saved.sum() / lengths.sum())
    deviation = float(residuals.std(ddof=1)) / float(lengths.mean())
    return max(2, ceil((reach(alpha, power) * deviation / difference) ** 2))
