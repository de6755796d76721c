"""Sums of floats without rounding: the same for any order of the addends and any cut into batches.

A mean that is asked for as of an old position is computed from other pieces than the one that grew batch by
batch; only exact sums make both the same number. A sum is an integer, in units of 2**-452. Values of
2**400 (2.6e120) and more count as infinite, those under 2**-400 as zero. A sum with an infinite
addend is the float that IEEE arithmetic gives: inf, -inf or nan.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Exact = int | float
"""An integer in units of 2**-SCALE; a float only where it is not finite."""

SCALE = 452
LARGEST, SMALLEST = 2.0**400, 2.0**-400
_STEP = 31
"""Bits of a slice; floats hold the sums of up to 2**22 slices exactly."""
_CHUNK = 1 << 14


def add(one: Exact, other: Exact) -> Exact:
    if isinstance(one, int) and isinstance(other, int):
        return one + other
    if isinstance(one, int) or isinstance(other, int):
        return other if isinstance(one, int) else one
    return one + other


def scaled(number: int, exponent: int) -> int:
    """number * 2**exponent in units; exact, as what was summed is a multiple of the unit."""
    shift = exponent + SCALE
    return number << shift if shift >= 0 else number >> -shift


def of_float(value: float) -> Exact:
    """A single addend, NaN aside."""
    if abs(value) >= LARGEST:
        return float("inf") if value > 0 else float("-inf")
    if abs(value) < SMALLEST:
        return 0
    numerator, denominator = value.as_integer_ratio()
    return (numerator << SCALE) // denominator


def to_float(sum_of: Exact) -> float:
    """The nearest float."""
    return sum_of if isinstance(sum_of, float) else sum_of / (1 << SCALE)


def to_text(sum_of: Exact) -> str:
    """All its decimal digits, as Postgres' numeric takes them."""
    if isinstance(sum_of, float):
        return "NaN" if sum_of != sum_of else "Infinity" if sum_of > 0 else "-Infinity"
    if not sum_of:
        return "0"
    zeros = (sum_of & -sum_of).bit_length() - 1
    number, places = sum_of >> zeros, SCALE - zeros
    return str(number << -places) if places <= 0 else f"{number * 5**places}e-{places}"


def infinities(positive: int, negative: int) -> float:
    """The sum of so many infinities; 0.0 for none."""
    return (float("inf") if positive else 0.0) + (float("-inf") if negative else 0.0)


def sums(values: NDArray[np.float64], starts: NDArray[Any]) -> list[Exact]:
    """The sum of each stretch of values; starts: of the stretches, ascending from 0, none empty.

    Works on as many values at a time as stay in the processor's cache.
    """
    totals: list[Exact] = [0] * len(starts)
    for first in range(0, len(values), _CHUNK):
        chunk = values[first : first + _CHUNK]
        begin = int(np.searchsorted(starts, first, side="right")) - 1
        end = int(np.searchsorted(starts, first + len(chunk)))
        inner = np.maximum(starts[begin:end] - first, 0)
        for i, part in enumerate(_sums(chunk, inner), begin):
            totals[i] = add(totals[i], part) if totals[i] else part
    return totals


def _sums(values: NDArray[np.float64], starts: NDArray[Any]) -> list[Exact]:
    """Each value is split into slices of 31 bits, counted from the largest of its stretch downwards."""
    size = np.abs(values)
    if not size.max() < LARGEST:
        finite = _sums(np.where(size < LARGEST, values, 0.0), starts)
        with np.errstate(invalid="ignore"):
            infinite = np.add.reduceat(np.where(size < LARGEST, 0.0, np.copysign(np.inf, values)), starts)
        return [each or total for each, total in zip(infinite.tolist(), finite, strict=True)]
    if size.min() < SMALLEST:
        values = np.where(size < SMALLEST, 0.0, values)
        size = np.abs(values)
    top = np.frexp(np.maximum.reduceat(size, starts))[1]
    rest = values * np.repeat(np.ldexp(1.0, _STEP - 1 - top), np.diff(starts, append=len(values)))
    slices = np.rint(rest)
    totals: list[int] = list(map(int, np.add.reduceat(slices, starts).tolist()))
    rest -= slices
    lowest = 1
    while rest.any():
        rest *= 2.0**_STEP
        np.rint(rest, out=slices)
        parts = np.add.reduceat(slices, starts).tolist()
        totals = [(total << _STEP) + int(part) for total, part in zip(totals, parts, strict=True)]
        rest -= slices
        lowest += _STEP
    return [
        scaled(total, exponent - _STEP - lowest + 2)
        for total, exponent in zip(totals, top.tolist(), strict=True)
    ]
