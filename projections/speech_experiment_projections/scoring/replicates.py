"""Runs of one configuration with different seeds: their mean and spread, and whether two configurations differ.

A claim from one seed each says something about two models, and nothing about two ways of training them.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean, stdev
from typing import NamedTuple

from .significance import Outcome, holm

SEED_NAME = "(^|[._-])(seed|seeds|seed_value)$"
"""Of a dotted config key in lower case: `seed`, `train.random_seed`, `data-seed`. The same to Python and Postgres."""


class Replicates(NamedTuple):
    """Rates of the seeds of one configuration; sd (n - 1) is None with one seed."""

    seeds: int
    mean: float
    sd: float | None

    @property
    def single_seed(self) -> bool:
        """Claims about the configuration are not backed by this."""
        return self.seeds == 1


class Ranked(NamedTuple):
    """One of several configurations on a test set.

    test  Welch's, against the best, and p of it by Holm over the configurations; None for the best itself, and where
          there are fewer than two seeds of one
    tied  not shown to differ from the best; None where nothing can be said: one of the two has a single seed
    """

    replicates: Replicates
    best: bool
    test: Outcome | None
    p: float | None
    tied: bool | None


def replicates(rates: Sequence[float]) -> Replicates:
    """Raises ValueError without a rate."""
    if not rates:
        raise ValueError("a configuration without a result")
    return Replicates(len(rates), mean(rates), stdev(rates) if len(rates) > 1 else None)


def compare_seeds(rates: Sequence[float], other_rates: Sequence[float]) -> Outcome:
    """Welch's test of two configurations over their seeds: p is None with fewer than two seeds of one."""
    seeds = len(rates) + len(other_rates)
    if min(len(rates), len(other_rates)) < 2:
        return Outcome("welch", None, 0.0, seeds)
    if len(set(rates)) == len(set(other_rates)) == 1:
        return Outcome("welch", None, 0.0, seeds)
    from scipy.stats import ttest_ind

    found = ttest_ind(rates, other_rates, equal_var=False)
    return Outcome("welch", float(found.pvalue), float(found.statistic), seeds)


def rank(configurations: Sequence[Sequence[float]], alpha: float) -> list[Ranked]:
    """Configurations by the rates of their seeds on one test set, in the order given; the lowest mean is the best.

    Raises ValueError for one without a rate.
    """
    found = [replicates(rates) for rates in configurations]
    best = min(range(len(found)), key=lambda place: (found[place].mean, place), default=0)
    tests = {
        str(place): compare_seeds(rates, configurations[best])
        for place, rates in enumerate(configurations)
        if place != best
    }
    adjusted = holm({place: test.p for place, test in tests.items() if test.p is not None})
    ranked = []
    for place, each in enumerate(found):
        p = adjusted.get(str(place))
        tied = place == best or _tied(each, found[best], p, alpha)
        ranked.append(Ranked(each, place == best, tests.get(str(place)), p, tied))
    return ranked


def _tied(one: Replicates, best: Replicates, p: float | None, alpha: float) -> bool | None:
    if one.single_seed or best.single_seed:
        return None
    return one.mean == best.mean if p is None else p >= alpha
