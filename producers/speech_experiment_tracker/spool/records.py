"""Bytes of a spool segment: header, record frames, record kinds.

A segment starts with a header of 128 bytes; records follow: length u32 | CRC-32C u32 | payload,
little-endian. The payload's first byte is its kind. Magic, version and checksum of the header stand
at the same places in every release's format. Space that was never written is zero, so a
length of zero is the end of what is there. Every METRICS, EVENT and ARTIFACT record is one call
and takes one sequence number, in the order of the file; a VOID takes as many as it says.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from .._crc import crc32c

MAGIC = b"SPTSPOOL"
VERSION = 1
HEADER_SIZE = 128
FRAME = struct.Struct("<II")
FRAME_SIZE = FRAME.size

LAYOUT, METRICS, EVENT, VOID, ARTIFACT, END = 1, 2, 3, 4, 5, 6
NUMBERED = frozenset({METRICS, EVENT, ARTIFACT})
KINDS = bytes((LAYOUT, METRICS, EVENT, VOID, ARTIFACT, END))

# METRICS: kind u8, spare u8, layout u16, step i64, time i64, epoch f64, then one f64 for each key.
METRICS_HEAD = struct.Struct("<BBHqqd")
METRICS_STEP, METRICS_TIME, METRICS_EPOCH, METRICS_VALUES = 4, 12, 20, 28
# LAYOUT: kind u8, spare u8, layout u16, then the keys as a msgpack list.
LAYOUT_HEAD = struct.Struct("<BBH")
# VOID: kind u8, reason u8, spare u16, count u32.
VOID_RECORD = struct.Struct("<BBHI")
VOID_REASONS = ("dropped", "damaged", "refused")
MAX_VOID = 2**32 - 1

_HEADER = struct.Struct("<8sHHI16s16s16sQ")
_CRC = struct.Struct("<I")
NO_RUN = UUID(int=0)


class SpoolFormatError(ValueError):
    """A segment that this release cannot read."""


class DamagedHeaderError(SpoolFormatError):
    """A header that was not written, or whose bytes have changed; the records behind it may be whole."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a segment says about itself; `first` is the sequence number of its first call."""

    run: UUID
    producer: UUID
    stream: str
    index: int
    first: int

    def encode(self) -> bytes:
        packed = _HEADER.pack(
            MAGIC,
            VERSION,
            0,
            self.index,
            self.stream.encode(),
            self.run.bytes,
            self.producer.bytes,
            self.first,
        )
        return (packed + _CRC.pack(crc32c(packed))).ljust(HEADER_SIZE, b"\0")


def decode_header(data: bytes) -> Header:
    """Raises DamagedHeaderError, or SpoolFormatError for a header of another release's format."""
    if len(data) < HEADER_SIZE:
        raise DamagedHeaderError("has no header")
    magic, version, _, index, stream, run, producer, first = _HEADER.unpack_from(data)
    (crc,) = _CRC.unpack_from(data, _HEADER.size)
    if magic != MAGIC or crc != crc32c(data[: _HEADER.size]):
        raise DamagedHeaderError("has a damaged header")
    if version != VERSION:
        raise SpoolFormatError(
            f"has spool format {version}, this release reads {VERSION}: deliver it with the release that wrote it"
        )
    return Header(UUID(bytes=run), UUID(bytes=producer), stream.rstrip(b"\0").decode(), index, first)


class Event(msgspec.Struct, frozen=True, array_like=True):
    """The payload of an EVENT record after its kind byte."""

    type: str
    v: int
    subject_kind: str
    subject: bytes
    ts: int
    data: msgspec.Raw


class Artifact(msgspec.Struct, frozen=True, array_like=True):
    """The payload of an ARTIFACT record after its kind byte: what the drain needs to store the content.

    file     name below the producer's `files` folder, or an absolute path that is linked nowhere
    owned    whether the file is the spool's own and is removed once stored
    size, mtime_ns  of the file when it was logged, to notice a later change; -1: not checked
    crc      CRC-32C of a copy that the spool made, to notice what a power cut tore; -1: not checked
    event    the fields of artifacts.ArtifactLogged except sha256 and size
    """

    file: str
    owned: bool
    size: int
    mtime_ns: int
    subject: bytes
    ts: int
    event: dict[str, Any]
    crc: int = -1


_encoder = msgspec.msgpack.Encoder(uuid_format="bytes")
_event_decoder = msgspec.msgpack.Decoder(Event)
_artifact_decoder = msgspec.msgpack.Decoder(Artifact)
_keys_decoder = msgspec.msgpack.Decoder(list[str])


def encode_event(event: Event) -> bytes:
    return bytes((EVENT,)) + _encoder.encode(event)


def decode_event(payload: bytes | memoryview) -> Event:
    return _event_decoder.decode(payload[1:])


def encode_artifact(artifact: Artifact) -> bytes:
    return bytes((ARTIFACT,)) + _encoder.encode(artifact)


def decode_artifact(payload: bytes | memoryview) -> Artifact:
    return _artifact_decoder.decode(payload[1:])


def encode_layout(layout: int, keys: tuple[str, ...]) -> bytes:
    return LAYOUT_HEAD.pack(LAYOUT, 0, layout) + _encoder.encode(keys)


def decode_layout(payload: bytes | memoryview) -> tuple[int, list[str]]:
    return LAYOUT_HEAD.unpack_from(payload)[2], _keys_decoder.decode(payload[LAYOUT_HEAD.size :])


def encode_void(count: int, reason: str) -> bytes:
    return VOID_RECORD.pack(VOID, VOID_REASONS.index(reason), 0, count)


def decode_void(payload: bytes | memoryview) -> tuple[int, str]:
    """(count, reason)"""
    _, reason, _, count = VOID_RECORD.unpack_from(payload)
    return count, VOID_REASONS[reason]


END_RECORD = bytes((END,))
