"""What is said of a system on a set: rates under their own names, how sure they are, and who is really better.

rate                Σ errors / Σ reference tokens over all that is scored: the headline
mean_of_speakers    mean of the speakers' rates, each speaker's pooled
mean_of_utterances  mean of the utterances' rates, without those whose reference is empty
sentence_rate       share of the scored utterances with an error
coverage            share of the registered utterances that are scored; it stands next to every number
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .alignment import Step
from .counts import Counts
from .intervals import DRAWS, LEVEL, Comparison, Interval, compare_rates, rate_interval
from .significance import Outcome, holm, mapsswe, mcnemar, wilcoxon

ALPHA = 0.05
FEW_SPEAKERS = 20
"""Below, an interval over speakers is itself a guess."""

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Scores(NamedTuple):
    """One system on one set, utterance by utterance, in the order of the set.

    counts    [utterances, 4]: hits, substitutions, deletions, insertions
    counted   which of them are scored
    speakers  of each, "" where unknown; empty when none is known
    """

    counts: Ints
    counted: Bools
    speakers: Sequence[str] = ()

    @property
    def errors(self) -> Ints:
        found: Ints = self.counts[:, 1:].sum(axis=1)
        return found

    @property
    def words(self) -> Ints:
        """Tokens of each reference."""
        found: Ints = self.counts[:, :3].sum(axis=1)
        return found

    def only(self, chosen: Bools) -> Scores:
        """Those that are chosen; all others are as if not registered."""
        if chosen.all():
            return self
        speakers = (
            [self.speakers[place] for place in np.flatnonzero(chosen).tolist()] if self.speakers else ()
        )
        return Scores(self.counts[chosen], self.counted[chosen], speakers)


class Totals(NamedTuple):
    """Of a set, or of a group of its utterances; rates are None where there is no reference token."""

    counts: Counts
    utterances: int
    scored: int
    wrong: int
    speakers: int
    mean_of_speakers: float | None
    mean_of_utterances: float | None

    @property
    def rate(self) -> float | None:
        return self.counts.rate

    @property
    def sentence_rate(self) -> float | None:
        return self.wrong / self.scored if self.scored else None

    @property
    def coverage(self) -> float:
        return self.scored / self.utterances if self.utterances else 0.0


class Certainty(NamedTuple):
    """The interval of a rate, what was drawn for it, and what to bear in mind."""

    interval: Interval
    drawn: str
    warnings: tuple[str, ...]


class Difference(NamedTuple):
    """Of a system to another, on the utterances that both have scored.

    difference   rate less the other's rate; negative: fewer errors
    improvement  probability that the system has fewer errors (Bisani & Ney 2004)
    p            two-sided, of the paired bootstrap; with few speakers it cannot be small
    mapsswe      None without alignments; wilcoxon None without speakers
    """

    difference: Interval
    improvement: float
    p: float
    drawn: str
    mcnemar: Outcome
    wilcoxon: Outcome | None
    mapsswe: Outcome | None
    warnings: tuple[str, ...]

    def different(self, alpha: float = ALPHA) -> bool:
        return self.p < alpha


class Standing(NamedTuple):
    """A system among others on one set.

    p        adjusted by Holm, against the best; None for the best
    tied     not shown to be different from the best
    """

    system: str
    rate: float
    p: float | None
    tied: bool


def totals(scores: Scores) -> Totals:
    """Of all utterances."""
    errors, words, kept = scores.errors, scores.words, scores.counted
    speaking = kept & (words > 0)
    by_speaker = _sums(scores.speakers, errors, words, kept)
    rates = [wrong / said for wrong, said in by_speaker.values() if said]
    return Totals(
        counts=Counts(*map(int, scores.counts[kept].sum(axis=0))),
        utterances=len(kept),
        scored=int(kept.sum()),
        wrong=int((errors[kept] > 0).sum()),
        speakers=len(by_speaker),
        mean_of_speakers=macro(rates),
        mean_of_utterances=float(np.mean(errors[speaking] / words[speaking])) if speaking.any() else None,
    )


def breakdown(scores: Scores, groups: Sequence[str]) -> dict[str, Totals]:
    """Totals of each group: a speaker, a condition's value, a language; "" is unknown, and a group too."""
    if len(groups) != len(scores.counted):
        raise ValueError(f"{len(scores.counted)} utterances, but {len(groups)} groups")
    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    of = np.fromiter((numbers[group] for group in groups), np.int64, len(groups))
    return {group: totals(scores.only(of == number)) for group, number in numbers.items()}


def macro(rates: Iterable[float | None]) -> float | None:
    """The mean of the rates of sets, languages or speakers that have one, each as heavy as any other."""
    found = [rate for rate in rates if rate is not None]
    return sum(found) / len(found) if found else None


def relative_reduction(rate: float, other: float) -> float | None:
    """By how much of the other's rate a rate is lower; None when there is nothing to reduce."""
    return (other - rate) / other if other else None


def certainty(scores: Scores, *, level: float = LEVEL, draws: int = DRAWS, seed: int = 0) -> Certainty:
    """The bootstrap interval of the rate: over speakers when all are known and more than one, else over utterances.

    Raises ValueError without a reference token.
    """
    chosen = scores.only(scores.counted)
    groups, warnings = _clusters(chosen.speakers)
    interval = rate_interval(chosen.errors, chosen.words, groups=groups, draws=draws, level=level, seed=seed)
    return Certainty(interval, "utterances" if groups is None else "speakers", warnings)


def difference(
    one: Scores,
    other: Scores,
    *,
    alignments: Callable[[int], tuple[Sequence[Step], Sequence[Step]]] | None = None,
    level: float = LEVEL,
    draws: int = DRAWS,
    seed: int = 0,
) -> Difference:
    """All paired tests of two systems on the same utterances of a set.

    alignments  gives both alignments of an utterance by its place, those of the scorer `sclite`, for MAPSSWE

    Raises ValueError when no utterance is scored in both.
    """
    both = _common(one, other)
    mine, yours = one.only(both), other.only(both)
    groups, warnings = _clusters(mine.speakers)
    found = compare_rates(
        mine.errors, yours.errors, mine.words, groups=groups, draws=draws, level=level, seed=seed
    )
    steps = alignments and [alignments(place) for place in np.flatnonzero(both).tolist()]
    return Difference(
        difference=found.difference,
        improvement=found.improvement,
        p=_two_sided(found, draws),
        drawn="utterances" if groups is None else "speakers",
        mcnemar=mcnemar(mine.errors > 0, yours.errors > 0),
        wilcoxon=_over_speakers(mine, yours) if groups is not None else None,
        mapsswe=mapsswe(steps) if steps is not None else None,
        warnings=warnings,
    )


def standings(systems: Mapping[str, Scores], *, alpha: float = ALPHA, draws: int = DRAWS) -> list[Standing]:
    """The systems on one set, the best first, and which of them are not shown to be worse than the best.

    Each is compared with the best by the paired bootstrap; Holm keeps the chance of one false claim at alpha.
    Systems without a rate are left out.
    """
    rated = {name: rate for name, each in systems.items() if (rate := totals(each).rate) is not None}
    order = sorted(rated, key=lambda name: (rated[name], name))
    if not order:
        return []
    best = order[0]
    p_values = {name: p_against(systems[name], systems[best], draws=draws) for name in order[1:]}
    adjusted = holm({name: p for name, p in p_values.items() if p is not None})
    return [
        Standing(name, rated[name], adjusted.get(name), tied=name == best or adjusted.get(name, 1.0) >= alpha)
        for name in order
    ]


def p_against(one: Scores, best: Scores, *, draws: int = DRAWS) -> float | None:
    """Of the paired bootstrap, two-sided; None where the two have no utterance in common."""
    both = _common_or_none(one, best)
    if both is None:
        return None
    mine, yours = one.only(both), best.only(both)
    groups, _ = _clusters(mine.speakers)
    found = compare_rates(mine.errors, yours.errors, mine.words, groups=groups, draws=draws)
    return _two_sided(found, draws)


def _two_sided(found: Comparison, draws: int) -> float:
    """Of the paired bootstrap; never below what as many draws, or the signs of as few units, can show."""
    least = max(1 / draws, 2.0 ** (1 - found.difference.units))
    return min(1.0, max(2 * min(found.improvement, 1 - found.improvement), least))


def speaker_sums(scores: Scores) -> dict[str, tuple[int, int]]:
    """Speaker → (errors, reference tokens) of what is scored; without the unknown."""
    return _sums(scores.speakers, scores.errors, scores.words, scores.counted)


def _common_or_none(one: Scores, other: Scores) -> Bools | None:
    try:
        return _common(one, other)
    except ValueError:
        return None


def _common(one: Scores, other: Scores) -> Bools:
    if len(one.counted) != len(other.counted):
        raise ValueError(f"{len(one.counted)} utterances of one system, {len(other.counted)} of the other")
    both: Bools = one.counted & other.counted
    if not (one.words[both] > 0).any():
        raise ValueError("no utterance with a reference token is scored for both systems")
    return both


def _clusters(speakers: Sequence[str]) -> tuple[Sequence[str] | None, tuple[str, ...]]:
    """The speakers to draw by, None for utterances; and warnings."""
    number = len(set(speakers))
    if not number or "" in speakers:
        return None, ("speakers are not known: utterances of one speaker are taken as independent",)
    if number == 1:
        return None, ("one speaker: nothing can be said about others",)
    if number < FEW_SPEAKERS:
        return speakers, (
            f"{number} speakers are few: below {FEW_SPEAKERS} an interval over speakers is a guess",
        )
    return speakers, ()


def _over_speakers(mine: Scores, yours: Scores) -> Outcome:
    """Wilcoxon over the rates of speakers who say anything."""
    everything = np.ones(len(mine.counted), np.bool_)
    first = _sums(mine.speakers, mine.errors, mine.words, everything)
    second = _sums(yours.speakers, yours.errors, mine.words, everything)
    speakers = [speaker for speaker, (_, said) in first.items() if said]
    return wilcoxon(
        [first[speaker][0] / first[speaker][1] for speaker in speakers],
        [second[speaker][0] / second[speaker][1] for speaker in speakers],
    )


def _sums(speakers: Sequence[str], errors: Ints, words: Ints, kept: Bools) -> dict[str, tuple[int, int]]:
    """Speaker → (errors, words), of known speakers."""
    if not speakers:
        return {}
    numbers: dict[str, int] = {}
    of = np.fromiter(
        (numbers.setdefault(speaker, len(numbers)) for speaker in speakers), np.int64, len(speakers)
    )
    wrong = np.bincount(of[kept], errors[kept], len(numbers)).astype(np.int64)
    said = np.bincount(of[kept], words[kept], len(numbers)).astype(np.int64)
    present = np.bincount(of[kept], minlength=len(numbers)) > 0
    return {
        speaker: (int(wrong[number]), int(said[number]))
        for speaker, number in numbers.items()
        if speaker and present[number]
    }
