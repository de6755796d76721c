"""The effective curve over attempts: which points count after a run was resumed."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import NamedTuple


class Resume(NamedTuple):
    """An attempt from the second on; from_step None: nothing of earlier attempts is abandoned."""

    attempt: int
    from_step: int | None


class Cutoffs(NamedTuple):
    """For ascending attempts, the smallest resume step of each of them and all after it."""

    attempts: tuple[int, ...]
    steps: tuple[int, ...]

    def last_step(self, attempt: int) -> int | None:
        """The last step of an attempt that counts; None when all of them do."""
        later = bisect_right(self.attempts, attempt)
        return self.steps[later] if later < len(self.steps) else None


NO_CUTOFFS = Cutoffs((), ())


def cutoffs(resumes: Iterable[Resume]) -> Cutoffs:
    """What resumes cut off; of an attempt announced twice the smaller step counts."""
    cutting = sorted((resume.attempt, resume.from_step) for resume in resumes if resume.from_step is not None)
    smallest: list[int] = []
    for _, step in reversed(cutting):
        smallest.append(min(step, smallest[-1]) if smallest else step)
    return Cutoffs(tuple(attempt for attempt, _ in cutting), tuple(reversed(smallest)))
