"""The computing of one task: no store, and nothing that waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import NamedTuple
from uuid import UUID

from speech_experiment_projections.scores import (
    Columns,
    Correction,
    Counted,
    Flags,
    Patch,
    Prepared,
    Seconds,
    Summing,
    Totals,
    count_corrections,
    count_list,
    placed,
)
from speech_experiment_projections.scoring.profiles import NotScoredError, Profile
from speech_experiment_projections.utterances import Recognised, References


class Earlier(NamedTuple):
    """What is there of an evaluation on a list.

    numbers  revisions that have totals
    texts    row → hypothesis, of the rows that corrections since concern
    """

    columns: Columns
    seconds: Seconds
    flags: Flags
    patches: list[Patch]
    numbers: frozenset[int]
    texts: Mapping[int, str]


class Material(NamedTuple):
    """All that a score is made of.

    definition  of the profile, as it was applied
    language    of utterances of which the list does not say it
    numbers     revisions to have totals; corrections: of the list, all
    digest      of the list
    recognised  None where earlier counts are there
    """

    evaluation: UUID
    run: UUID
    workspace: str
    test_set: UUID
    base: int
    profile: Profile
    definition: str
    language: str | None
    numbers: Sequence[int]
    references: References
    digest: int
    corrections: Sequence[Correction]
    recognised: Recognised | None
    earlier: Earlier | None


class Scored(NamedTuple):
    """What a task comes to: only what is new.

    totals  None in the place of totals that a rule of the profile forbids: `refused` says why
    """

    material: Material
    columns: Columns | None
    patches: Sequence[Patch]
    totals: Mapping[int, Totals | None]
    flags: Mapping[int, Flags]
    refused: str


def score(prepared: Prepared, material: Material) -> Scored:
    """Counts what has not been counted, and sums up what has no totals."""
    try:
        counted, earlier, fresh = _counted(prepared, material)
    except NotScoredError as error:
        nothing: dict[int, Totals | None] = dict.fromkeys(material.numbers)
        return Scored(material, None, [], nothing, dict.fromkeys(material.numbers, Flags()), str(error))
    known, unknown = placed(material.references.ids, material.corrections)
    old = {(patch.number, patch.position) for patch in earlier}
    new = [(each, position) for each, position in known if (each.number, position) not in old]
    patches, sound, refused = _patches(prepared, material, counted, new)
    texts = (material.references, counted.columns, counted.seconds)
    summing = Summing(*texts, known, [*earlier, *patches], material.digest)
    done = material.earlier.numbers if material.earlier else frozenset()
    numbers = [number for number in material.numbers if number not in done]
    flags = {
        number: counted.flags.corrected([each.utterance for each in unknown if each.number <= number])
        for number in numbers
    }
    totals = {number: summing.totals(number) if number < sound else None for number in numbers}
    return Scored(material, counted.columns if fresh else None, patches, totals, flags, refused)


def _counted(prepared: Prepared, material: Material) -> tuple[Counted, list[Patch], bool]:
    """(counts on the list, patches that are there, whether the counts are new)"""
    earlier = material.earlier
    if earlier is not None:
        return Counted(earlier.columns, earlier.seconds, earlier.flags), earlier.patches, False
    assert material.recognised is not None  # noqa: S101 - one of the two is there
    counted = count_list(prepared, material.references, material.recognised, material.language)
    return counted, [], True


def _patches(
    prepared: Prepared, material: Material, counted: Counted, corrections: Sequence[tuple[Correction, int]]
) -> tuple[list[Patch], float, str]:
    """(patches, the revision from which on a rule forbids a score, what it says)"""
    hypotheses = _hypotheses(material, counted, corrections)
    try:
        return _count(prepared, material, corrections, hypotheses), inf, ""
    except NotScoredError:
        patches: list[Patch] = []
        for correction, hypothesis in zip(corrections, hypotheses, strict=True):
            try:
                patches += _count(prepared, material, [correction], [hypothesis])
            except NotScoredError as error:
                return patches, correction[0].number, str(error)
        raise


def _count(
    prepared: Prepared,
    material: Material,
    corrections: Sequence[tuple[Correction, int]],
    hypotheses: Sequence[str | None],
) -> list[Patch]:
    return count_corrections(prepared, material.references, corrections, hypotheses, material.language)


def _hypotheses(
    material: Material, counted: Counted, corrections: Sequence[tuple[Correction, int]]
) -> list[str | None]:
    """The hypothesis of each corrected utterance."""
    rows = [int(counted.columns.rows[position]) for _, position in corrections]
    if material.recognised is not None:
        return [None if row < 0 else material.recognised.texts[row] for row in rows]
    assert material.earlier is not None  # noqa: S101 - as above
    return [None if row < 0 else material.earlier.texts[row] for row in rows]
