"""How many utterances and speakers like a pilot's show a difference between two systems."""

from __future__ import annotations

from typing import NamedTuple

from .report import Scores, speaker_sums
from .significance import units_needed


class Needed(NamedTuple):
    """What a difference takes, and what that is judged by.

    speakers_needed    None where fewer than two are known
    pilot_utterances   that both systems are scored on; pilot_speakers: of those
    """

    utterances_needed: int
    speakers_needed: int | None
    pilot_utterances: int
    pilot_speakers: int


def needed_by_pilot(
    one: Scores, other: Scores, difference: float, *, alpha: float = 0.05, power: float = 0.8
) -> Needed:
    """For a difference of rates, e.g. 0.002 for 0.2 points; by the spread between two systems on the same utterances.

    Raises ValueError for fewer than two utterances that both are scored on, or a difference of zero.
    """
    both = one.counted & other.counted
    mine, yours = one.only(both), other.only(both)
    utterances = units_needed(mine.errors, yours.errors, mine.words, difference, alpha=alpha, power=power)
    first, second = speaker_sums(mine), speaker_sums(yours)
    speakers = None
    if len(first) > 1:
        errors, words = zip(*first.values(), strict=True)
        others = [wrong for wrong, _ in second.values()]
        speakers = units_needed(errors, others, words, difference, alpha=alpha, power=power)
    return Needed(utterances, speakers, int(both.sum()), len(first))
