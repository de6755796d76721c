"""Scores of plain files under a profile: the same functions that the server scores with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from speech_experiment_projections.scoring.alignment import Step, TooLongError
from speech_experiment_projections.scoring.networks import parse
from speech_experiment_projections.scoring.profiles import NotScoredError, Profile
from speech_experiment_projections.scoring.report import Scores

from ..errors import TrackerError
from ..formats import Format, Utterance, detect, read
from .layout import FoundSet
from .matching import match
from .timed import score_timed

Tokens = tuple[str, ...]
TIMED_PROFILE = "sclite-wer"


class SetScores(NamedTuple):
    """All systems on one set.

    utterances  of the reference, in its order; the scores' rows are in this order too
    """

    name: str
    utterances: list[Utterance]
    scores: dict[str, Scores]
    notes: list[str]


class Preparer:
    """Prepares texts under a profile, each distinct one once."""

    def __init__(self, profile: Profile, language: str | None = None) -> None:
        self.profile = profile
        self._language = language
        self._known: dict[tuple[str, str | None], Tokens] = {}

    def __call__(self, text: str, language: str | None) -> Tokens:
        key = text, language or self._language
        if key not in self._known:
            self._known[key] = self.profile.prepare(*key)
        return self._known[key]


def score_set(
    found: FoundSet,
    prepare: Preparer,
    *,
    form: Format | None = None,
    encoding: str = "utf-8",
    told: Callable[[str], None] = lambda _: None,
) -> SetScores:
    """Scores every system of a set.

    told  hears of each system that is done

    Raises TrackerError with the file, and the line where there is one.
    """
    if any(".stm" in path.suffixes for path in found.references):
        return _score_timed(found, prepare.profile, told)
    references = _references(found, form, encoding)
    scored = SetScores(found.name, references, {}, _unread_choices(references, prepare.profile))
    for system, path in found.systems.items():
        matched = match(references, read(path, "hypothesis", format=form, encoding=encoding), str(path))
        scored.scores[system] = score_texts(prepare, references, matched.hypotheses, str(path))
        scored.notes.extend(matched.notes)
        told(system)
    return scored


def score_texts(
    prepare: Preparer, references: Sequence[Utterance], hypotheses: Sequence[str | None], place: str
) -> Scores:
    """Scores of one system; raises TrackerError where the profile forbids them."""
    wanted = [prepare(each.reference or "", each.language) for each in references]
    given = [
        None if text is None else prepare(text, each.language)
        for each, text in zip(references, hypotheses, strict=True)
    ]
    try:
        counts, counted = prepare.profile.count(wanted, given), prepare.profile.counted(wanted, given)
    except NotScoredError as error:
        first = references[error.places[0]]
        raise TrackerError(
            f"{place}: {error}; the first is {first.id!r}",
            "complete the file, or take another profile: speech-tracker profiles",
        ) from None
    except TooLongError as error:
        raise TrackerError(f"{place}: {error}", "score utterances, not whole recordings") from None
    return Scores(counts, counted, speakers_of(references))


def aligner(
    prepare: Preparer, references: Sequence[Utterance], one: Sequence[str | None], other: Sequence[str | None]
) -> Callable[[int], tuple[Sequence[Step], Sequence[Step]]]:
    """Both alignments of an utterance by its place, for MAPSSWE."""

    def both(place: int) -> tuple[Sequence[Step], Sequence[Step]]:
        utterance = references[place]
        wanted = prepare(utterance.reference or "", utterance.language)
        first, second = (prepare(texts[place] or "", utterance.language) for texts in (one, other))
        return prepare.profile.align(wanted, first), prepare.profile.align(wanted, second)

    return both


def speakers_of(references: Iterable[Utterance]) -> list[str]:
    """Empty when none is known."""
    found = [each.speaker or "" for each in references]
    return found if any(found) else []


def _references(found: FoundSet, form: Format | None, encoding: str) -> list[Utterance]:
    """The references of a set, which must be the same wherever they stand."""
    paths = found.references or [*found.systems.values()]
    first = read(paths[0], format=form, encoding=encoding)
    without = next((each for each in first if each.reference is None), None)
    if without:
        raise TrackerError(
            f"{without.place}: utterance {without.id!r} has no reference",
            "add it, or a file ref.trn beside it",
        )
    for path in paths[1:]:
        _same(first, read(path, format=form, encoding=encoding), path)
    return first


def _unread_choices(references: Sequence[Utterance], profile: Profile) -> list[str]:
    """A note where references hold alternatives that the profile takes for words."""
    if profile.alternations:
        return []
    holding = [
        each
        for each in references
        if any(not isinstance(piece, str) for piece in parse(each.reference or ""))
    ]
    if not holding:
        return []
    return [
        (
            f"{holding[0].place}: {len(holding)} of {len(references)} references hold choices such as {{ a / b }}, which the "
            f"profile {profile.name!r} scores as words; with --profile {TIMED_PROFILE} whichever costs least counts"
        )
    ]


def _same(first: Sequence[Utterance], others: Sequence[Utterance], path: Path) -> None:
    known = {each.id: each for each in first}
    for other in others:
        mine = known.pop(other.id, None)
        if mine is None or mine.reference != other.reference:
            raise TrackerError(
                f"{other.place}: the reference of {other.id!r} is not that of {mine.place if mine else first[0].place}",
                "systems can only be compared on the same references",
            )
    if known:
        raise TrackerError(
            f"{path}: has no reference of {next(iter(known))!r}",
            "systems can only be compared on the same references",
        )


def _score_timed(found: FoundSet, profile: Profile, told: Callable[[str], None]) -> SetScores:
    """By sclite, whose own rules count."""
    if profile.name != TIMED_PROFILE:
        raise TrackerError(
            f"{found.references[0]}: an stm is scored by time, by sclite, and not under the profile {profile.name!r}",
            f"say --profile {TIMED_PROFILE}, or cut the recordings into utterances",
        )
    scored = SetScores(found.name, [], {}, [])
    for system, path in found.systems.items():
        if detect(path) != "ctm":
            raise TrackerError(f"{path}: is no ctm", "an stm is scored against a ctm")
        segments = score_timed(found.references[0], path)
        order = {each.segment.id: each for each in segments}
        scored.utterances[:] = scored.utterances or [each.segment for each in segments]
        counts = np.array([order[each.id].counts for each in scored.utterances], np.int64).reshape(-1, 4)
        speakers = speakers_of(scored.utterances)
        scored.scores[system] = Scores(counts, np.ones(len(counts), np.bool_), speakers)
        told(system)
    return scored
