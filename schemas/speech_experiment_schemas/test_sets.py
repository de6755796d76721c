"""Test sets: the utterances that systems are scored on, in revisions.

All events of a set carry its name. A list of utterances travels in batches under the id of its upload;
`test_set.revised` closes it with its number of rows and their digest, so that half a list is never
scored on. A correction changes references of the newest list, and makes a revision of its own; a mark says
that a reference is doubtful, and changes nothing.
"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec

from .catalogue import event
from .columns import check_seconds, check_utterances, rows_digest
from .envelope import Envelope
from .errors import InvalidEvent
from .limits import Count, Digest, Line, Name, Text, Word
from .metrics import unpack

MAX_CONDITIONS = 50
Conditions = Annotated[dict[Word, list[Line]], msgspec.Meta(max_length=MAX_CONDITIONS)]
"""Name → value of each utterance, the empty string where it is unknown."""


@event("test_set.registered", stream="evaluations", subject="test_set")
class TestSetRegistered(msgspec.Struct, frozen=True, kw_only=True):
    """What a set is; fields left at None keep their value.

    corpus  that speakers belong to: the same name in two corpora is two people
    """

    test_set: Name
    language: Word | None = None
    domain: Word | None = None
    corpus: Word | None = None
    description: Text | None = None


def check_columns(utterances: TestSetUtterances, envelope: Envelope) -> None:
    """Raises InvalidEvent for columns that do not fit, and for an utterance that stands there twice."""
    named = {"references": utterances.references, "speakers": utterances.speakers, "audio": utterances.audio}
    conditions = {f"conditions.{name}": values for name, values in utterances.conditions.items()}
    check_utterances(utterances.ids, {**named, "languages": utterances.languages, **conditions})
    if len(utterances.references) != len(utterances.ids):
        raise InvalidEvent("malformed", "data.references", "is missing")
    if len(set(utterances.ids)) != len(utterances.ids):
        raise InvalidEvent("malformed", "data.ids", "names an utterance twice")
    for field in ("starts", "durations"):
        check_seconds(field, getattr(utterances, field), len(utterances.ids))


@event("test_set.utterances", stream="evaluations", subject="test_set", check=check_columns)
class TestSetUtterances(msgspec.Struct, frozen=True, kw_only=True):
    """A batch of an upload; columns that are empty are unknown for all of it.

    first       number of its first utterance in the list, from 0
    speakers    "" where unknown
    audio       URIs, never copied; with starts and durations (float64, seconds, NaN unknown) a stretch of them
    """

    test_set: Name
    upload: UUID
    first: Count
    ids: list[Name]
    references: list[Text]
    speakers: list[Line] = []
    languages: list[Line] = []
    audio: list[Line] = []
    starts: bytes = b""
    durations: bytes = b""
    conditions: Conditions = {}


@event("test_set.revised", stream="evaluations", subject="test_set")
class TestSetRevised(msgspec.Struct, frozen=True, kw_only=True):
    """Closes an upload: from here on, once all of it is there, it is the set's list of utterances.

    digest  of all its rows: digest_text(rows_digest(…)) of utterance_rows
    """

    test_set: Name
    upload: UUID
    count: Annotated[int, msgspec.Meta(ge=1)]
    digest: Digest


def check_correction(corrected: ReferenceCorrected, envelope: Envelope) -> None:
    """Raises InvalidEvent unless each utterance has one new reference."""
    check_utterances(corrected.ids, {"references": corrected.references})
    if len(corrected.references) != len(corrected.ids):
        raise InvalidEvent("malformed", "data.references", "is missing")
    if len(set(corrected.ids)) != len(corrected.ids):
        raise InvalidEvent("malformed", "data.ids", "names an utterance twice")


@event("test_set.reference_corrected", stream="evaluations", subject="test_set", check=check_correction)
class ReferenceCorrected(msgspec.Struct, frozen=True, kw_only=True):
    """New references of some utterances: a revision, on which all systems are scored again."""

    test_set: Name
    ids: list[Name]
    references: list[Text]
    reason: Line = ""


def check_marks(marked: ReferenceMarked, envelope: Envelope) -> None:
    """Raises InvalidEvent unless there are utterances."""
    check_utterances(marked.ids, {})


@event("test_set.reference_marked", stream="evaluations", subject="test_set", check=check_marks)
class ReferenceMarked(msgspec.Struct, frozen=True, kw_only=True):
    """References that somebody doubts; nothing is scored again. A correction of one settles its mark.

    doubtful  false: whoever looked found them right, and dismisses their marks
    """

    test_set: Name
    ids: list[Name]
    doubtful: bool
    note: Line = ""


TestSetEvent = TestSetRegistered | TestSetUtterances | TestSetRevised | ReferenceCorrected | ReferenceMarked


def utterance_rows(batch: TestSetUtterances) -> list[tuple[object, ...]]:
    """The rows of a batch, as the digest of a list takes them."""
    size = len(batch.ids)
    unknown = [""] * size
    seconds = [
        unpack("d", packed).tolist() if packed else [None] * size
        for packed in (batch.starts, batch.durations)
    ]
    times = [[None if value != value else value for value in column] for column in seconds]
    conditions: list[list[tuple[str, str]]] = [[] for _ in range(size)]
    for name, values in sorted(batch.conditions.items()):
        for place, value in enumerate(values):
            if value:
                conditions[place].append((name, value))
    return list(
        zip(
            batch.ids,
            batch.references,
            batch.speakers or unknown,
            batch.languages or unknown,
            batch.audio or unknown,
            *times,
            conditions,
            strict=True,
        )
    )


def list_digest(batch: TestSetUtterances) -> int:
    """The digest of a batch; those of all batches, added up, are the list's."""
    return rows_digest(utterance_rows(batch))


def references_digest(ids: list[str], references: list[str]) -> int:
    """The digest of what is compared with hypotheses: equal for sets that have the same references."""
    return rows_digest(zip(ids, references, strict=True))
