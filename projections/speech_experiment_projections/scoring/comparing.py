"""Systems side by side on the same utterances: how sure each rate is, how far it is from another, who ties with the best."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from .alignment import Step
from .intervals import DRAWS, LEVEL
from .report import (
    ALPHA,
    Certainty,
    Difference,
    Scores,
    Totals,
    certainty,
    difference,
    relative_reduction,
    totals,
)
from .significance import holm

Alignments = Callable[[int, int], Callable[[int], tuple[Sequence[Step], Sequence[Step]]]]
"""Of two systems: what gives both alignments of an utterance by its place, those of the scorer `sclite`."""


class Compared(NamedTuple):
    """One of several systems.

    certainty   None where no utterance with a reference token is scored
    difference  to the system that all are compared with; None for itself, and where the two have nothing in common
    p           of that difference, adjusted by Holm over the systems
    reduction   by how much of the other's rate this one is lower, on the utterances of both
    best, tied  the lowest rate; not shown to be different from it (Holm over the systems, alpha)
    """

    totals: Totals
    certainty: Certainty | None
    difference: Difference | None
    p: float | None
    reduction: float | None
    best: bool
    tied: bool


def compare(
    systems: Sequence[Scores],
    *,
    against: int | None = None,
    alignments: Alignments | None = None,
    alpha: float = ALPHA,
    level: float = LEVEL,
    draws: int = DRAWS,
    seed: int = 0,
) -> list[Compared]:
    """In the order given. All have the same utterances in the same order, and the same speakers.

    against     place of the system that the others are compared with; None: the best
    alignments  for MAPSSWE, which is left out without
    """
    found = [totals(each) for each in systems]
    best = best_of(found)
    base = best if against is None else against
    differences = _differences(systems, base, alignments, level, draws, seed)
    p_values = _adjusted(differences)
    to_best = p_values if base == best else _adjusted(_differences(systems, best, None, level, draws, seed))
    return [
        Compared(
            totals=found[place],
            certainty=None
            if found[place].rate is None
            else certainty(each, level=level, draws=draws, seed=seed),
            difference=differences.get(place),
            p=p_values.get(place),
            reduction=_reduction(each, systems[base]) if base is not None and place in differences else None,
            best=place == best,
            tied=found[place].rate is not None and (place == best or to_best.get(place, 1.0) >= alpha),
        )
        for place, each in enumerate(systems)
    ]


def best_of(found: Sequence[Totals]) -> int | None:
    """Place of the lowest rate, of equal ones the first; None where there is no rate."""
    rates = [(each.rate, place) for place, each in enumerate(found) if each.rate is not None]
    return min(rates)[1] if rates else None


def _differences(
    systems: Sequence[Scores],
    base: int | None,
    alignments: Alignments | None,
    level: float,
    draws: int,
    seed: int,
) -> dict[int, Difference]:
    """Place → difference to the base, of those that have an utterance in common with it."""
    if base is None:
        return {}
    other = systems[base]
    return {
        place: difference(
            each,
            other,
            alignments=alignments and alignments(place, base),
            level=level,
            draws=draws,
            seed=seed,
        )
        for place, each in enumerate(systems)
        if place != base and bool((other.words[each.counted & other.counted] > 0).any())
    }


def _adjusted(differences: dict[int, Difference]) -> dict[int, float]:
    adjusted = holm({str(place): each.p for place, each in differences.items()})
    return {int(place): p for place, p in adjusted.items()}


def _reduction(one: Scores, other: Scores) -> float | None:
    both = one.counted & other.counted
    words = int(one.words[both].sum())
    return relative_reduction(int(one.errors[both].sum()) / words, int(other.errors[both].sum()) / words)
