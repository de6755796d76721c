"""The trend of a soak: growth is told from noise, however alike neighbouring samples are."""

from __future__ import annotations

import random

import pytest

from tests.chaos.soak.trend import Trend, trend

TIMES = [10.0 * i for i in range(720)]


def drifting(dice: random.Random, slope: float) -> Trend:
    """Two hours of a process that allocates and frees in slow waves, plus a leak (per hour)."""
    values, wave = [], 0.0
    for time in TIMES:
        wave = 0.97 * wave + dice.gauss(0, 0.05)
        values.append(100 + slope * time / 3600 + wave)
    return trend(TIMES, values)


def test_a_leak_is_found_and_noise_is_not_one() -> None:
    dice = random.Random(1)
    assert all(drifting(dice, 4.0).grows(1.0) for _ in range(20))
    assert not any(drifting(dice, 0.0).grows(1.0) for _ in range(20))


def test_the_slope_of_a_line_is_exact() -> None:
    line = trend(TIMES, [5 + time / 3600 for time in TIMES])
    assert (line.slope, line.low, line.high) == pytest.approx((1, 1, 1))
    assert line.first < line.last


def test_constant_values_are_flat() -> None:
    assert trend(TIMES, [7.0] * len(TIMES)).is_flat(1.0)


def test_too_few_minutes_say_nothing() -> None:
    with pytest.raises(ValueError, match="three minutes"):
        trend([0, 10, 70], [1, 2, 3])
