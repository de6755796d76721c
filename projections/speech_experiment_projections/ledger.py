"""The ledger: what was received of each producer in one topic, and how it opened and closed."""

from __future__ import annotations

from uuid import UUID

import msgspec

from speech_experiment_schemas import Envelope, digest
from speech_experiment_schemas.producers import ProducerClosed, ProducerOpened, SeqVoided

from .intervals import EMPTY, Intervals, missing, size, union
from .recorded import Recorded


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What the log holds of one producer in one topic; times in microseconds of the broker.

    received  sequence numbers seen, voided ones included
    voided    those that the producer's side gave up
    digest    xor of the digests of the records received: equal for equal sets of records
    last_seq  of the closing record; None while the producer is open
    """

    producer: UUID
    subject: tuple[str, UUID]
    run: UUID | None
    partition: int
    first_offset: int
    last_offset: int
    first_seen: int
    last_seen: int
    received: Intervals = EMPTY
    voided: Intervals = EMPTY
    digest: bytes = bytes(32)
    opened: ProducerOpened | None = None
    opened_at: int | None = None
    closed: ProducerClosed | None = None
    closed_at: int | None = None
    last_seq: int | None = None


def admit(entry: Entry | None, envelope: Envelope) -> Intervals:
    """The part of the record's range that was not received before: empty for a repetition."""
    received = EMPTY if entry is None else entry.received
    return missing(received, envelope.seq, envelope.last + 1)


def evolve(entry: Entry | None, recorded: Recorded) -> Entry:
    """The entry after a record that was admitted."""
    envelope, payload = recorded.envelope, recorded.payload
    entry = entry or _first(recorded)
    changes: dict[str, object] = {
        "received": union(entry.received, recorded.accepted),
        "digest": _xor(entry.digest, digest(envelope)),
        "last_offset": max(entry.last_offset, recorded.offset),
        "last_seen": max(entry.last_seen, recorded.time),
    }
    match payload:
        case ProducerOpened():
            changes |= {"opened": payload, "opened_at": recorded.time}
        case ProducerClosed():
            changes |= {"closed": payload, "closed_at": recorded.time, "last_seq": envelope.last}
        case SeqVoided():
            changes["voided"] = union(entry.voided, recorded.accepted)
    return msgspec.structs.replace(entry, **changes)


def _first(recorded: Recorded) -> Entry:
    envelope = recorded.envelope
    return Entry(
        producer=envelope.producer,
        subject=envelope.subject,
        run=envelope.run_id,
        partition=recorded.partition,
        first_offset=recorded.offset,
        last_offset=recorded.offset,
        first_seen=recorded.time,
        last_seen=recorded.time,
    )


def _xor(left: bytes, right: bytes) -> bytes:
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(32, "big")


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger's answer about one producer in one topic.

    verdict  complete (all received, some perhaps voided), open (not closed, no hole), missing (holes)
    voided   how many numbers were given up
    missing  first and last number of every hole
    """

    verdict: str
    received: int
    voided: int
    missing: list[tuple[int, int]]


def delivery(received: Intervals, voided: Intervals, last_seq: int | None) -> Delivery:
    """Complete, open or missing, by the numbers alone."""
    stop = (received[-1][1] if received else 0) if last_seq is None else last_seq + 1
    holes = missing(received, 0, stop)
    verdict = "missing" if holes else "open" if last_seq is None else "complete"
    return Delivery(
        verdict=verdict,
        received=size(received) - size(voided),
        voided=size(voided),
        missing=[(start, end - 1) for start, end in holes],
    )
