"""Rows of test sets: their states folded over a batch, the lists as they were logged, revisions, corrections, marks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from speech_experiment_projections import test_sets
from speech_experiment_projections.recorded import Recorded
from speech_experiment_projections.test_sets import TestSet
from speech_experiment_projections.texts import clean_text
from speech_experiment_schemas.test_sets import (
    ReferenceCorrected,
    ReferenceMarked,
    TestSetEvent,
    TestSetRegistered,
    TestSetUtterances,
)

from .sql import statement
from .tables import Table

_SETS = Table(
    "test_sets",
    {
        "id": "uuid",
        "workspace": "text",
        "name": "text",
        "language": "text",
        "domain": "text",
        "corpus": "text",
        "description": "text",
        "revision": "int",
        "created_at": "time",
        "updated_at": "time",
        "partition": "int",
        "offset": "bigint",
        "state": "bytea",
    },
    ("id",),
)
_REVISIONS = Table(
    "test_set_revisions",
    {
        "test_set": "uuid",
        "number": "int",
        "base": "int",
        "upload": "uuid",
        "language": "text",
        "utterances": "bigint",
        "corrected": "int",
        "reason": "text",
        "actor": "text",
        "time": "time",
        "partition": "int",
        "offset": "bigint",
    },
    ("test_set", "number"),
)
_DESCRIPTIONS = Table(
    "test_set_descriptions",
    {
        "test_set": "uuid",
        "partition": "int",
        "offset": "bigint",
        "language": "text",
        "domain": "text",
        "corpus": "text",
        "description": "text",
    },
    ("test_set", "partition", "offset"),
)
_CORRECTIONS = Table(
    "corrections",
    {"test_set": "uuid", "number": "int", "base": "int", "utterance": "text", "reference": "text"},
    ("test_set", "number", "utterance"),
)
_MARKS = Table(
    "reference_marks",
    {
        "test_set": "uuid",
        "utterance": "text",
        "doubtful": "boolean",
        "note": "text",
        "actor": "text",
        "time": "time",
        "partition": "int",
        "offset": "bigint",
    },
    ("test_set", "utterance", "partition", "offset"),
)
_BATCHES = Table(
    "utterance_batches",
    {"test_set": "uuid", "upload": "uuid", "partition": "int", "offset": "bigint", "data": "bytea"},
    ("test_set", "upload", "partition", "offset"),
)
_STATES = "select state from {schema}.test_sets where id = any($1::uuid[])"
_DROP = """
delete from {schema}.utterance_batches b using unnest($1::uuid[], $2::uuid[]) as n (test_set, upload)
where b.test_set = n.test_set and b.upload = n.upload
"""


class Revision(NamedTuple):
    """A row of `test_set_revisions`."""

    test_set: UUID
    number: int
    base: int
    upload: UUID | None
    language: str | None
    utterances: int
    corrected: int
    reason: str
    actor: str | None
    time: int
    partition: int
    offset: int


class TestSetBatch:
    """The test sets of one batch. Whoever calls has locked their ids."""

    __test__ = False

    def __init__(self, schema: str) -> None:
        self._schema = schema
        self._known: dict[UUID, TestSet] = {}
        self._changed: set[UUID] = set()
        self._batches: list[tuple[Any, ...]] = []
        self._corrections: list[tuple[Any, ...]] = []
        self._marks: list[tuple[Any, ...]] = []
        self._descriptions: list[tuple[Any, ...]] = []
        self._dropped: list[tuple[UUID, UUID]] = []
        self.revisions: list[Revision] = []

    async def load(self, connection: Any, ids: Sequence[UUID]) -> None:
        rows = await connection.fetch(statement(_STATES, self._schema), ids)
        self._known = {state.id: state for state in (test_sets.load(row["state"]) for row in rows)}

    def apply(self, recorded: Recorded) -> None:
        payload = recorded.payload
        if not isinstance(payload, TestSetEvent):
            return
        subject = test_sets.identity(recorded)
        before = self._known.get(subject)
        after = test_sets.evolve(before, recorded)
        match payload:
            case TestSetRegistered():
                self._descriptions.append((subject, recorded.partition, recorded.offset, *_texts(after)))
            case TestSetUtterances():
                place = (recorded.partition, recorded.offset)
                self._batches.append((subject, payload.upload, *place, bytes(recorded.envelope.data)))
            case ReferenceCorrected():
                self._corrections += [
                    (subject, after.revision, after.base, clean_text(name), clean_text(text))
                    for name, text in zip(payload.ids, payload.references, strict=True)
                ]
            case ReferenceMarked():
                said = (payload.doubtful, clean_text(payload.note), recorded.actor, recorded.time)
                names = dict.fromkeys(map(clean_text, payload.ids))
                self._marks += [(subject, name, *said, recorded.partition, recorded.offset) for name in names]
        self._known[subject] = after
        self._changed.add(subject)
        self._note_revision(before, after, recorded)

    def _note_revision(self, before: TestSet | None, after: TestSet, recorded: Recorded) -> None:
        payload = recorded.payload
        if after.revision != (before.revision if before else 0):
            corrected = len(payload.ids) if isinstance(payload, ReferenceCorrected) else 0
            reason = clean_text(payload.reason) if isinstance(payload, ReferenceCorrected) else ""
            revision = Revision(
                test_set=after.id,
                number=after.revision,
                base=after.base,
                upload=after.upload,
                language=after.language,
                utterances=after.rows,
                corrected=corrected,
                reason=reason,
                actor=recorded.actor,
                time=recorded.time,
                partition=recorded.partition,
                offset=recorded.offset,
            )
            self.revisions.append(revision)
        elif before is not None:
            gone = before.uploads.keys() - after.uploads.keys()
            self._dropped += [(after.id, upload) for upload in gone]

    async def save(self, connection: Any) -> None:
        await _SETS.upsert(
            connection, self._schema, [_row(self._known[each]) for each in sorted(self._changed)]
        )
        await _BATCHES.insert(connection, self._schema, self._batches)
        await _REVISIONS.insert(connection, self._schema, self.revisions)
        await _DESCRIPTIONS.insert(connection, self._schema, self._descriptions)
        await _CORRECTIONS.insert(connection, self._schema, self._corrections)
        await _MARKS.insert(connection, self._schema, self._marks)
        if self._dropped:
            sets, uploads = zip(*self._dropped, strict=True)
            await connection.execute(statement(_DROP, self._schema), list(sets), list(uploads))


def _row(test_set: TestSet) -> tuple[Any, ...]:
    return (
        test_set.id,
        clean_text(test_set.workspace),
        clean_text(test_set.name),
        *_texts(test_set),
        test_set.revision,
        test_set.created_at,
        test_set.updated_at,
        test_set.partition,
        test_set.offset,
        test_sets.dump(test_set),
    )


def _texts(test_set: TestSet) -> list[str | None]:
    texts = (test_set.language, test_set.domain, test_set.corpus, test_set.description)
    return [None if text is None else clean_text(text) for text in texts]
