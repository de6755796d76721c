"""Runs of one configuration with different seeds: their mean and spread, and whether two configurations differ.

A claim from one seed each says something about two models, and nothing about two ways of training them.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean, stdev
from typing import NamedTuple

from .significance import Outcome


class Replicates(NamedTuple):
    """Rates of the seeds of one configuration; sd (n - 1) is None with one seed."""

    seeds: int
    mean: float
    sd: float | None

    @property
    def single_seed(self) -> bool:
        """Claims about the configuration are not backed by this."""
        return self.seeds == 1


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
