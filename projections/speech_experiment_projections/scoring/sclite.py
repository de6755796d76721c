"""SCTK's sclite, alignment for alignment: substitution 4, deletion and insertion 3, ties as sclite breaks them.

Of alignments that cost the same, sclite takes the one that is found from the end of the texts by preferring a pair to an
insertion, and an insertion to a deletion. kaldialign's sclite mode has the same costs and is much faster, but breaks
ties otherwise, and so may count two deletions and two insertions where sclite counts three substitutions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SUBSTITUTION, GAP = 4, 3
Place = tuple[int | None, int | None]
"""Places of a reference and a hypothesis token; None where a side has none."""


def is_settled(substitutions: int, deletions: int, insertions: int) -> bool:
    """Whether no other alignment of the same pair can cost the same: three substitutions cost as much as two of each."""
    return substitutions < 3 and (deletions < 2 or insertions < 2)


def align(reference: Sequence[str], hypothesis: Sequence[str]) -> list[Place]:
    """The pairs of an alignment, in the order of the texts. Memory goes by the product of the lengths."""
    same = _common_end(reference, hypothesis)
    i, j = len(reference) - same, len(hypothesis) - same
    found: list[Place] = [(i + k, j + k) for k in reversed(range(same))]
    costs, pairs = _costs(reference[:i], hypothesis[:j])
    while i or j:
        here = costs[i][j]
        if i and j and here == costs[i - 1][j - 1] + pairs[i - 1][j - 1]:
            i, j = i - 1, j - 1
            found.append((i, j))
        elif j and here == costs[i][j - 1] + GAP:
            j -= 1
            found.append((None, j))
        else:
            i -= 1
            found.append((i, None))
    found.reverse()
    return found


def count(reference: Sequence[str], hypothesis: Sequence[str]) -> tuple[int, int]:
    """(substitutions, errors) of the alignment."""
    substitutions = gaps = 0
    for i, j in align(reference, hypothesis):
        if i is None or j is None:
            gaps += 1
        else:
            substitutions += reference[i] != hypothesis[j]
    return substitutions, substitutions + gaps


def _common_end(one: Sequence[str], other: Sequence[str]) -> int:
    """Tokens at the end that are the same: sclite always pairs them."""
    same = 0
    for mine, yours in zip(reversed(one), reversed(other), strict=False):
        if mine != yours:
            break
        same += 1
    return same


def _costs(
    reference: Sequence[str], hypothesis: Sequence[str]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The least cost of each pair of beginnings, and the cost of each pair of tokens."""
    numbers: dict[str, int] = {}
    left, right = (
        np.fromiter((numbers.setdefault(token, len(numbers)) for token in text), np.int32, len(text))
        for text in (reference, hypothesis)
    )
    pairs = np.where(left[:, None] == right[None, :], 0, SUBSTITUTION).astype(np.int32)
    insertions = GAP * np.arange(len(right) + 1, dtype=np.int32)
    costs = np.empty((len(left) + 1, len(right) + 1), np.int32)
    costs[0] = insertions
    for i in range(len(left)):
        row = costs[i] + GAP
        np.minimum(row[1:], costs[i, :-1] + pairs[i], out=row[1:])
        costs[i + 1] = np.minimum.accumulate(row - insertions) + insertions
    return costs, pairs
