"""How much data shows a difference of rates: planned before a test set is recorded, or from a pilot.

For a pilot, `significance.units_needed` takes the spread from its utterances or speakers. Without one, words are taken
as trials: an error rate p has the variance p (1 - p) a word, two systems make many of their errors on the same words
(their correlation), and errors come in bursts (the overdispersion: how many times wider than for independent words an
interval of a rate is, squared; utterances of read speech have about 2, speakers 5 and more).
"""

from __future__ import annotations

from math import ceil, sqrt
from typing import NamedTuple

CORRELATION = 0.6
OVERDISPERSION = 2.0


class Plan(NamedTuple):
    """Words, or seeds of each configuration, that show a difference; and what was assumed."""

    needed: int
    alpha: float
    power: float


def words_needed(
    rate: float,
    difference: float,
    *,
    correlation: float = CORRELATION,
    overdispersion: float = OVERDISPERSION,
    alpha: float = 0.05,
    power: float = 0.8,
) -> Plan:
    """Reference words of a test set on which two systems, with rates `rate` and `rate - difference`, are told apart.

    Raises ValueError for rates that are no rates.
    """
    other = rate - difference
    if not 0 < rate < 1 or not 0 <= other < 1 or not difference:
        raise ValueError(
            f"rates of {rate:g} and {other:g}: give a rate between 0 and 1 and a smaller difference"
        )
    if not -1 < correlation < 1 or overdispersion < 1:
        raise ValueError("the correlation lies between -1 and 1, the overdispersion is 1 or more")
    own, others = rate * (1 - rate), other * (1 - other)
    variance = (own + others - 2 * correlation * sqrt(own * others)) * overdispersion
    return Plan(ceil(variance * (reach(alpha, power) / difference) ** 2), alpha, power)


def seeds_needed(sd: float, difference: float, *, alpha: float = 0.05, power: float = 0.8) -> Plan:
    """Seeds of each of two configurations, for a standard deviation over seeds.

    The two-sample t-test; found by its noncentral distribution. Raises ValueError for what is not positive.
    """
    if sd <= 0 or not difference:
        raise ValueError("the deviation over seeds and the difference must not be zero")
    from scipy.stats import nct, t

    for seeds in range(2, 10_001):
        freedom, shift = 2 * seeds - 2, abs(difference) / sd * sqrt(seeds / 2)
        limit = t.ppf(1 - alpha / 2, freedom)
        if 1 - nct.cdf(limit, freedom, shift) + nct.cdf(-limit, freedom, shift) >= power:
            return Plan(seeds, alpha, power)
    raise ValueError("more than 10,000 seeds: the difference is too small to be seen")


def reach(alpha: float, power: float) -> float:
    """How many standard errors a difference must be."""
    if not 0 < alpha < 1 or not 0 < power < 1:
        raise ValueError("alpha and power lie between 0 and 1")
    from scipy.stats import norm

    return float(norm.ppf(1 - alpha / 2) + norm.ppf(power))
