"""Making sealed records: the envelope filled in, encoded, and chained to the one before."""

from __future__ import annotations

import time
from uuid import UUID

import msgspec

from .catalogue import type_of
from .envelope import MAX_RECORD_BYTES, Envelope, digest, encode, encode_payload, new_salt
from .errors import InvalidEvent
from .ids import uuid7


class Sealer:
    """Seals the records of one (producer, stream), in order.

    seq and prev are the state: give them back to go on after a restart.
    """

    def __init__(self, producer: UUID, stream: str, *, seq: int = 0, prev: bytes = b"") -> None:
        self.producer = producer
        self.stream = stream
        self.seq = seq
        self.prev = prev

    def seal(
        self,
        payload: msgspec.Struct,
        subject: tuple[str, UUID],
        *,
        run: UUID | None = None,
        count: int = 1,
        ts: int | None = None,
    ) -> bytes:
        """The bytes of the next record; raises InvalidEvent when it would be larger than 900 kB."""
        entry = type_of(payload)
        return self.seal_raw(entry.name, entry.version, encode_payload(payload), subject, run, count, ts)

    def seal_raw(
        self,
        name: str,
        version: int,
        data: msgspec.Raw,
        subject: tuple[str, UUID],
        run: UUID | None = None,
        count: int = 1,
        ts: int | None = None,
    ) -> bytes:
        """As seal, for a payload that is encoded already."""
        envelope = Envelope(
            type=name,
            v=version,
            id=uuid7(),
            subject=subject,
            run=run,
            producer=self.producer,
            stream=self.stream,
            seq=self.seq,
            count=count,
            ts=time.time_ns() // 1000 if ts is None else ts,
            salt=new_salt(),
            prev=self.prev,
            data=data,
        )
        record = encode(envelope)
        if len(record) > MAX_RECORD_BYTES:
            raise InvalidEvent(
                "too_large", "data", f"{name} has {len(record):,} bytes, the limit is {MAX_RECORD_BYTES:,}"
            )
        self.seq += count
        self.prev = digest(envelope)
        return record
