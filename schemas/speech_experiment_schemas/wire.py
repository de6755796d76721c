"""What travels over HTTP between drain and gateway: batches of sealed records, and the answer.

POST /api/v1/ingest, body msgpack, content type `application/vnd.speech-tracker.batch+msgpack`,
optionally Content-Encoding zstd or gzip. The records travel as opaque bytes.
"""

from __future__ import annotations

from typing import Literal

import msgspec

CONTENT_TYPE = "application/vnd.speech-tracker.batch+msgpack"
MAX_BATCH_RECORDS = 10_000
MAX_BATCH_BYTES = 8_000_000


class IngestBatch(msgspec.Struct, frozen=True):
    """records: sealed records, in the order in which their producer made them."""

    records: list[bytes]
    v: Literal[1] = 1


class Refusal(msgspec.Struct, frozen=True):
    """A record that will never be accepted; index counts within the batch, from 0."""

    index: int
    code: str
    field: str
    message: str


class IngestReply(msgspec.Struct, frozen=True):
    """accepted: records now in the log with acks=all; positions: (topic, partition, last offset) written."""

    accepted: int
    refused: list[Refusal]
    positions: list[tuple[str, int, int]]


_batch_encoder = msgspec.msgpack.Encoder()
_batch_decoder = msgspec.msgpack.Decoder(IngestBatch)


def encode_batch(records: list[bytes]) -> bytes:
    return _batch_encoder.encode(IngestBatch(records))


def decode_batch(body: bytes) -> IngestBatch:
    """Raises msgspec.DecodeError or msgspec.ValidationError."""
    return _batch_decoder.decode(body)
