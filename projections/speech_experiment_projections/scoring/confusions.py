"""Which tokens a system takes for which others, leaves out, and puts in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .alignment import Step

KINDS = ("substitution", "deletion", "insertion")


class Confusion(NamedTuple):
    """One error that recurs. reference: None of an insertion; hypothesis: None of a deletion.

    times    how often, in how many utterances
    example  the first utterance with it
    """

    reference: str | None
    hypothesis: str | None
    times: int
    utterances: int
    example: int


def confusions(aligned: Iterable[tuple[int, Sequence[Step]]]) -> dict[str, list[Confusion]]:
    """By kind, the most frequent first; aligned: utterances with their alignments, each utterance once."""
    found: dict[str, dict[tuple[str | None, str | None], Confusion]] = {kind: {} for kind in KINDS}
    for utterance, steps in aligned:
        met: set[tuple[str, str | None, str | None]] = set()
        for operation, reference, hypothesis in steps:
            if operation == "hit":
                continue
            pair = (reference, hypothesis)
            known = found[operation].get(pair) or Confusion(*pair, 0, 0, utterance)
            first = (operation, *pair) not in met
            found[operation][pair] = known._replace(
                times=known.times + 1, utterances=known.utterances + first
            )
            met.add((operation, *pair))
    return {kind: sorted(pairs.values(), key=_order) for kind, pairs in found.items()}


def _order(confusion: Confusion) -> tuple[int, str, str]:
    return -confusion.times, confusion.reference or "", confusion.hypothesis or ""
