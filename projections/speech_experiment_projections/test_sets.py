"""The fold of one test set over the topic `evaluations`: lists of utterances, and corrections of references.

A list counts from the moment when it is closed and all of it is there. The same list again changes nothing, so
a script that registers a set may run twice; corrections made since stay.
"""

from __future__ import annotations

from uuid import UUID

import msgspec

from speech_experiment_schemas.columns import digest_text
from speech_experiment_schemas.ids import birth_name, test_set_id
from speech_experiment_schemas.test_sets import (
    ReferenceCorrected,
    ReferenceMarked,
    TestSetEvent,
    TestSetRegistered,
    TestSetRevised,
    TestSetUtterances,
    list_digest,
)

from .recorded import Recorded
from .refusal import Refused

_DIGEST_BYTES = 32
EMPTY_DIGEST = bytes(_DIGEST_BYTES)


class Upload(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A list that is on its way.

    rows, digest   of the batches that are there
    count, closed  what the list must have, once it is closed
    """

    rows: int = 0
    digest: bytes = EMPTY_DIGEST
    count: int | None = None
    closed: str = ""

    @property
    def complete(self) -> bool:
        return self.count == self.rows and self.closed == digest_text(to_number(self.digest))


class TestSet(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The state of a test set. Times are microseconds since 1970, by the broker.

    revision      number of the newest; 0 while no list is complete
    base          revision that the newest list made; corrections since then count upwards from it
    upload, rows, digest  of that list
    uploads       lists that are not complete
    """

    id: UUID
    workspace: str
    name: str
    partition: int
    offset: int
    created_at: int
    updated_at: int
    language: str | None = None
    domain: str | None = None
    corpus: str | None = None
    description: str | None = None
    revision: int = 0
    base: int = 0
    upload: UUID | None = None
    rows: int = 0
    digest: bytes = EMPTY_DIGEST
    uploads: dict[UUID, Upload] = {}


def identity(recorded: Recorded) -> UUID:
    """The id of the set that an event is about: by workspace and name, whatever its client took for its workspace."""
    payload = recorded.payload
    assert isinstance(payload, TestSetEvent)  # noqa: S101 - the caller selected them
    return test_set_id(recorded.workspace, payload.test_set)


def evolve(test_set: TestSet | None, recorded: Recorded) -> TestSet:
    """The set after an event about it; raises Refused for a correction or mark where there is no utterance."""
    test_set = test_set or _first(recorded)
    match recorded.payload:
        case TestSetRegistered() as registered:
            found = _describe(test_set, registered)
        case TestSetUtterances() as batch:
            upload = test_set.uploads.get(batch.upload, Upload())
            digest = add_digests(upload.digest, list_digest(batch))
            found = _take(test_set, batch.upload, rows=upload.rows + len(batch.ids), digest=digest)
        case TestSetRevised() as revised:
            found = _take(test_set, revised.upload, count=revised.count, closed=revised.digest)
        case ReferenceCorrected() | ReferenceMarked() as remark:
            what = "corrected" if isinstance(remark, ReferenceCorrected) else "marked"
            if not test_set.base:
                raise Refused(
                    "malformed", f"the test set {test_set.name!r} has no utterances that could be {what}"
                )
            found = msgspec.structs.replace(test_set, revision=test_set.revision + (what == "corrected"))
        case _:
            return test_set
    return msgspec.structs.replace(
        found, offset=recorded.offset, partition=recorded.partition, updated_at=recorded.time
    )


def _first(recorded: Recorded) -> TestSet:
    payload = recorded.payload
    assert isinstance(payload, TestSetEvent)  # noqa: S101 - as in identity
    return TestSet(
        id=identity(recorded),
        workspace=recorded.workspace,
        name=birth_name(payload.test_set),
        partition=recorded.partition,
        offset=recorded.offset,
        created_at=recorded.time,
        updated_at=recorded.time,
    )


def _describe(test_set: TestSet, registered: TestSetRegistered) -> TestSet:
    fields = ("language", "domain", "corpus", "description")
    given = {field: getattr(registered, field) for field in fields if getattr(registered, field) is not None}
    return msgspec.structs.replace(test_set, **given)


def _take(test_set: TestSet, name: UUID, **changes: object) -> TestSet:
    """Takes in what is said of an upload, and makes it the set's list when it is complete."""
    upload = msgspec.structs.replace(test_set.uploads.get(name, Upload()), **changes)
    others = {each: known for each, known in test_set.uploads.items() if each != name}
    if not upload.complete:
        return msgspec.structs.replace(test_set, uploads={**others, name: upload})
    if upload.digest == test_set.digest:
        return msgspec.structs.replace(test_set, uploads=others)
    following = test_set.revision + 1
    return msgspec.structs.replace(
        test_set,
        uploads=others,
        revision=following,
        base=following,
        upload=name,
        rows=upload.rows,
        digest=upload.digest,
    )


def add_digests(digest: bytes, more: int) -> bytes:
    return ((to_number(digest) + more) % (1 << 8 * _DIGEST_BYTES)).to_bytes(_DIGEST_BYTES, "big")


def to_number(digest: bytes) -> int:
    return int.from_bytes(digest, "big")


_encoder = msgspec.msgpack.Encoder(uuid_format="bytes")
_decoder = msgspec.msgpack.Decoder(TestSet)


def dump(test_set: TestSet) -> bytes:
    """The state as it is stored, msgpack."""
    return _encoder.encode(test_set)


def load(state: bytes) -> TestSet:
    return _decoder.decode(state)
