"""Sums are exact: whatever the order and the batches, and whatever the values."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from speech_experiment_projections import exact
from tests.unit.metrics.naive import relaxed

ordinary = st.floats(min_value=-(2.0**399), max_value=2.0**399)
numbers = st.one_of(
    ordinary, st.floats(-1, 1), st.sampled_from([0.0, -0.0, 0.1, 1e-300, 5e-324, 1e300, math.inf, -math.inf])
)
stretches = st.lists(st.lists(numbers, min_size=1, max_size=30), min_size=1, max_size=6)


def naive(values: list[float]) -> Fraction | float:
    infinite = [math.copysign(math.inf, value) for value in values if abs(value) >= exact.LARGEST]
    if infinite:
        return sum(infinite)
    return sum((Fraction(value) for value in values if abs(value) >= exact.SMALLEST), Fraction(0))


def value_of(found: exact.Exact) -> Fraction | float:
    return Fraction(found, 1 << exact.SCALE) if isinstance(found, int) else found


@relaxed
@given(stretches)
def test_sums_of_stretches_are_exact(lists: list[list[float]]) -> None:
    starts = np.cumsum([0, *map(len, lists)])[:-1]
    found = exact.sums(np.array([value for each in lists for value in each]), starts)
    assert repr([value_of(each) for each in found]) == repr([naive(each) for each in lists])


@relaxed
@given(st.lists(numbers, min_size=1, max_size=20), st.randoms())
def test_adding_one_by_one_in_any_order_gives_the_same(values: list[float], dice: object) -> None:
    together = exact.sums(np.array(values), np.array([0]))[0]
    dice.shuffle(values)  # type: ignore[attr-defined]
    total: exact.Exact = 0
    for value in values:
        total = exact.add(total, exact.of_float(value))
    assert repr(total) == repr(together)


@relaxed
@given(ordinary)
def test_the_text_has_every_digit_and_the_float_is_the_nearest(value: float) -> None:
    total = exact.of_float(value)
    if abs(value) >= exact.SMALLEST:
        assert Decimal(exact.to_text(total)) == Decimal(value)
        assert exact.to_float(total) == value


def test_sums_that_floats_get_wrong() -> None:
    values = np.array([1e100, 1.0, -1e100] * 1_000)
    assert exact.to_float(exact.sums(values, np.array([0]))[0]) == 1_000.0
    tenths = np.full(100_000, 0.1)
    assert exact.to_float(exact.sums(tenths, np.array([0]))[0]) == math.fsum(tenths)
