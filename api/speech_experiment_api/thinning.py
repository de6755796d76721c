"""Thinning points for the eye: fewer of them, and no spike lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Point(NamedTuple):
    """step is None where the call had none; time in microseconds since 1970, the client's clock."""

    step: int | None
    time: int
    value: float


def thin(points: Sequence[Point], limit: int) -> Sequence[Point]:
    """At most about `limit` points, in order: of each stretch the smallest, the largest and every NaN's first."""
    if len(points) <= limit:
        return points
    length = -(-len(points) * 2 // limit)
    kept: list[Point] = []
    for start in range(0, len(points), length):
        kept += _extremes(points[start : start + length])
    return kept


def _extremes(stretch: Sequence[Point]) -> list[Point]:
    numbers = [i for i, point in enumerate(stretch) if point.value == point.value]
    chosen = {next((i for i, point in enumerate(stretch) if point.value != point.value), 0)}
    if numbers:
        chosen = {*(chosen if len(numbers) < len(stretch) else ())}
        chosen |= {min(numbers, key=lambda i: stretch[i].value), max(numbers, key=lambda i: stretch[i].value)}
    return [stretch[i] for i in sorted(chosen)]
