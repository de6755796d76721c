"""What the test over matched segments needs: both alignments of the utterances in which a system has errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from speech_experiment_projections.applied import defined
from speech_experiment_projections.scores import DELETIONS, HITS, INSERTIONS, SUBSTITUTIONS, Columns
from speech_experiment_projections.scoring.alignment import Step
from speech_experiment_projections.scoring.comparing import Alignments
from speech_experiment_projections.scoring.profiles import Profile

from .packed import Scored, batches_of, languages_of, names_of, references_of, texts_of
from .reading import Reading
from .scored import Seen
from .together import Places

MAX_ALIGNED = 20_000
"""Hypotheses of one answer: a second of aligning, and several with a normaliser such as Whisper's."""
MAX_CELLS = 100_000_000
"""Reference tokens times hypothesis tokens, over all of them: what aligning takes."""
_NONE: tuple[Sequence[Step], Sequence[Step]] = ((), ())


class Segments(NamedTuple):
    """alignments: as compare takes them, None where nothing is aligned; warnings: say why."""

    alignments: Alignments | None
    warnings: list[str]


class Heard(NamedTuple):
    """Hypotheses of one system, still packed. places: number among the utterances compared → place in its list."""

    batches: list[Any]
    columns: Columns
    places: dict[int, int]

    def texts(self) -> dict[int, str | None]:
        """Number among the utterances compared → hypothesis."""
        found = texts_of(self.batches, self.columns, self.places.values())
        return {at: found[place] for at, place in self.places.items()}


class Aligner:
    """Aligns what is asked for, each hypothesis once; texts of utterances by their number among those compared."""

    def __init__(
        self,
        profile: Profile,
        references: dict[int, str],
        languages: dict[int, str | None],
        systems: Sequence[Heard],
    ) -> None:
        self._profile = profile
        self._references = references
        self._languages = languages
        self._systems = systems
        self._texts: dict[int, dict[int, str | None]] = {}
        self._steps: dict[tuple[int, int], Sequence[Step]] = {}
        self._tokens: dict[int, tuple[str, ...]] = {}

    def alignments(self, one: int, other: int) -> Callable[[int], tuple[Sequence[Step], Sequence[Step]]]:
        return lambda at: self._both(at, one, other)

    def _both(self, at: int, one: int, other: int) -> tuple[Sequence[Step], Sequence[Step]]:
        """Nothing where no system has an error: such an utterance has no segment."""
        if at not in self._references:
            return _NONE
        return self.steps(at, one), self.steps(at, other)

    def steps(self, at: int, system: int) -> Sequence[Step]:
        found = self._steps.get((at, system))
        if found is None:
            found = self._steps[at, system] = self._profile.align(
                self._reference(at), self._hypothesis(at, system)
            )
        return found

    def _reference(self, at: int) -> tuple[str, ...]:
        if at not in self._tokens:
            self._tokens[at] = self._profile.prepare(self._references[at], self._languages[at])
        return self._tokens[at]

    def _hypothesis(self, at: int, system: int) -> tuple[str, ...]:
        if system not in self._texts:
            self._texts[system] = self._systems[system].texts()
        text = self._texts[system][at]
        return () if text is None else self._profile.prepare(text, self._languages[at])


async def segments_of(
    read: Reading, sight: Seen, parts: Sequence[Scored], places: Sequence[Places]
) -> Segments:
    """Reads the texts of the utterances in which any system has errors."""
    wrong = np.logical_or.reduce([part.errors[each] > 0 for part, each in zip(parts, places, strict=True)])
    chosen = np.flatnonzero(wrong)
    profile = defined(sight.profile, sight.definition.encode())
    if profile.has_choices:
        return _left_out("by this profile each hypothesis chooses a reference of its own")
    aligned = len(chosen) * len(parts)
    if aligned > MAX_ALIGNED:
        return _left_out(f"{aligned:,} hypotheses would be aligned, at most {MAX_ALIGNED:,} are")
    if sum(_cells(part, each[chosen]) for part, each in zip(parts, places, strict=True)) > MAX_CELLS:
        return _left_out("the texts with errors are too long to align")
    profile = msgspec.structs.replace(profile, scorer="sclite")
    names = await names_of(read, parts[0].row)
    aligner = await aligner_of(read, profile, parts, places, chosen.tolist(), names)
    return Segments(aligner.alignments, [])


async def aligner_of(
    read: Reading,
    profile: Profile,
    parts: Sequence[Scored],
    places: Sequence[Places],
    chosen: Sequence[int],
    names: Sequence[str],
) -> Aligner:
    """Reads the texts of the chosen ones among the utterances at these places; names: of the first list."""
    first = [int(place) for place in places[0][chosen]]
    references = await references_of(read, parts[0].row, {place: names[place] for place in first})
    languages = languages_of(parts[0], first)
    systems = []
    for part, each in zip(parts, places, strict=True):
        mine = dict(zip(chosen, each[chosen].tolist(), strict=True))
        systems.append(
            Heard(await batches_of(read, part.row, part.columns, mine.values()), part.columns, mine)
        )
    return Aligner(
        profile,
        {at: references[place] for at, place in zip(chosen, first, strict=True)},
        {at: language or None for at, language in zip(chosen, languages, strict=True)},
        systems,
    )


def _cells(part: Scored, places: Places) -> int:
    counts = part.columns.counts[places].astype(np.int64)
    heard = counts[:, [HITS, SUBSTITUTIONS, INSERTIONS]].sum(axis=1)
    return int((counts[:, [HITS, SUBSTITUTIONS, DELETIONS]].sum(axis=1) * heard).sum())


def _left_out(why: str) -> Segments:
    return Segments(None, [f"MAPSSWE is left out: {why}"])
