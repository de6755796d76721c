"""Which hypothesis belongs to which reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..errors import TrackerError
from ..formats import Utterance


class Matched(NamedTuple):
    """Hypotheses in the order of the references, None where one is missing; and what was found on the way."""

    hypotheses: list[str | None]
    notes: list[str]


def match(references: Sequence[Utterance], hypotheses: Sequence[Utterance], place: str) -> Matched:
    """Pairs by id.

    Hypotheses of unknown utterances are not scored, and noted. Raises TrackerError when no id fits, and when files
    of plain lines have different lengths.
    """
    given = {each.id: each for each in hypotheses}
    known = {each.id for each in references}
    _refuse_strangers(references, hypotheses, known, place)
    notes = []
    unknown = [each for each in hypotheses if each.id not in known]
    if unknown:
        notes.append(
            f"{place}: {len(unknown)} hypotheses of utterances that the reference does not have are not scored, the "
            f"first {unknown[0].id!r} at {unknown[0].place}"
        )
    missing = [each.id for each in references if each.id not in given or given[each.id].hypothesis is None]
    if missing:
        notes.append(
            f"{place}: no hypothesis for {len(missing)} of {len(references)} utterances, the first {missing[0]!r}"
        )
    return Matched([given[each.id].hypothesis if each.id in given else None for each in references], notes)


def _refuse_strangers(
    references: Sequence[Utterance], hypotheses: Sequence[Utterance], known: set[str], place: str
) -> None:
    by_line = references[0].id == "line 1" and hypotheses[0].id == "line 1"
    if by_line and len(references) != len(hypotheses):
        raise TrackerError(
            f"{place}: {len(hypotheses)} lines, but {references[0].place.rpartition(':')[0]} has {len(references)}",
            "write a line for each utterance, an empty one where nothing was recognised; or give the lines ids",
        )
    if not any(each.id in known for each in hypotheses):
        raise TrackerError(
            f"{place}: none of its utterances is in the reference: {hypotheses[0].id!r} here, {references[0].id!r} there",
            "use the same utterance ids in both files",
        )
