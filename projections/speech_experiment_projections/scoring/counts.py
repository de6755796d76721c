"""Counts of one alignment, or of many added up."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Counts(NamedTuple):
    """Tokens of a reference and a hypothesis by what an alignment makes of them."""

    hits: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    @property
    def errors(self) -> int:
        return self.substitutions + self.deletions + self.insertions

    @property
    def reference(self) -> int:
        """Tokens of the reference."""
        return self.hits + self.substitutions + self.deletions

    @property
    def hypothesis(self) -> int:
        """Tokens of the hypothesis."""
        return self.hits + self.substitutions + self.insertions

    @property
    def rate(self) -> float | None:
        """Errors per token of the reference, which may exceed 1; None without a reference token."""
        return self.errors / self.reference if self.reference else None


def total(counts: Iterable[Counts]) -> Counts:
    """The pooled counts: their rate is Σ errors / Σ reference tokens, not a mean of rates."""
    hits = substitutions = deletions = insertions = 0
    for each in counts:
        hits += each.hits
        substitutions += each.substitutions
        deletions += each.deletions
        insertions += each.insertions
    return Counts(hits, substitutions, deletions, insertions)
