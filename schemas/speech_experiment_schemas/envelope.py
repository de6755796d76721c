"""The envelope of every event, its bytes, its digest and its record key.

Wire format: a msgpack map (never JSON, which turns NaN and Inf into null), UUIDs as 16 bytes.
A record is sealed once; from then on its exact bytes travel from the spool to the log.
"""

from __future__ import annotations

from hashlib import sha256
from uuid import UUID

import msgspec

from .ids import random_bytes

MAX_RECORD_BYTES = 900_000
STREAMS = ("runs", "metrics", "evaluations", "artifacts", "control")
_NOTHING = msgspec.Raw(b"\xc0")

_encoder = msgspec.msgpack.Encoder(uuid_format="bytes")


class Envelope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What stands around every event.

    type, v    name and version of the payload, the key into the catalogue
    id         UUIDv7 of this record
    subject    (kind, id) of what the event is about: run, experiment, workspace, key, …
    run        the run that the subject belongs to, when the subject is not a run itself
    producer   id of the (process, run) pair that speaks; never used again after the process
    stream     topic the record belongs to
    seq        number of the producer's first call in this stream that the record carries, from 0
    count      number of calls carried: the record covers seq … seq + count - 1
    ts         the client's clock, microseconds since 1970 (data, never order)
    salt       16 random bytes that blind the payload's digest
    prev       digest of the producer's previous record in this stream, empty for its first
    data       the payload, decoded in a second step by (type, v)
    """

    type: str
    v: int
    id: UUID
    subject: tuple[str, UUID]
    run: UUID | None = None
    producer: UUID
    stream: str
    seq: int
    count: int
    ts: int
    salt: bytes
    prev: bytes
    data: msgspec.Raw

    @property
    def last(self) -> int:
        """The last sequence number that the record covers."""
        return self.seq + self.count - 1

    @property
    def run_id(self) -> UUID | None:
        """The run that the event belongs to, if any."""
        return self.subject[1] if self.subject[0] == "run" else self.run


_decoder = msgspec.msgpack.Decoder(Envelope)


def encode_payload(data: object) -> msgspec.Raw:
    """The msgpack form of a payload."""
    return msgspec.Raw(_encoder.encode(data))


def encode(envelope: Envelope) -> bytes:
    """The bytes of a record."""
    return _encoder.encode(envelope)


def decode(record: bytes | memoryview) -> Envelope:
    """The envelope of a record; raises msgspec.DecodeError or msgspec.ValidationError."""
    return _decoder.decode(record)


def new_salt() -> bytes:
    return random_bytes()


def payload_digest(envelope: Envelope) -> bytes:
    """SHA-256 of salt and payload: what stays when a payload and its salt are erased."""
    return sha256(envelope.salt + bytes(envelope.data)).digest()


def digest(envelope: Envelope) -> bytes:
    """The digest that the producer's next record carries as `prev`.

    It covers the payload only through its salted digest, so a chain can still be
    checked after a payload was erased on request.
    """
    frame = msgspec.structs.replace(envelope, salt=b"", data=_NOTHING)
    return sha256(_encoder.encode(frame) + payload_digest(envelope)).digest()


def leaf_hash(envelope: Envelope, headers: list[tuple[str, bytes]]) -> bytes:
    """The record's leaf in the audit tree: digest and the headers stamped by the gateway, sorted."""
    return sha256(b"\x00" + digest(envelope) + _encoder.encode(sorted(headers))).digest()


def record_key(envelope: Envelope) -> bytes:
    """The Kafka key: the 16 bytes of the event's run, else of the subject itself."""
    return (envelope.run_id or envelope.subject[1]).bytes
