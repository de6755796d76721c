"""The validator that the gateway and the direct Kafka transport share."""

from __future__ import annotations

import re

import msgspec

from .catalogue import EventType, Unknown, lookup, upcast
from .envelope import MAX_RECORD_BYTES, STREAMS, Envelope, decode
from .errors import InvalidEvent

_TYPE_NAME = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*\Z")
_PATH = re.compile(r" - at `\$(\.?)(.*)`\Z", re.S)


def validate(record: bytes, *, control: bool = False) -> Envelope:
    """The envelope of a record that may enter the log; raises InvalidEvent otherwise.

    Checks size, envelope, identity and payload; of metrics the structure, not the values.
    Unknown types and versions of newer clients pass: projections park them.
    control: whether events of the control topic may pass (the gateway's own alone).
    """
    return read(record, control=control)[0]


def read(record: bytes, *, control: bool = False) -> tuple[Envelope, msgspec.Struct | Unknown]:
    """As validate, with the payload: decoded, upcast and checked, or Unknown."""
    if len(record) > MAX_RECORD_BYTES:
        raise InvalidEvent(
            "too_large", "record", f"has {len(record):,} bytes, the limit is {MAX_RECORD_BYTES:,}"
        )
    envelope = _decode_envelope(record)
    _check_identity(envelope)
    if envelope.stream == "control" and not control:
        raise InvalidEvent("forbidden", "stream", "control events are written by the server alone")
    entry = lookup(envelope.type, envelope.v)
    if entry is None:
        _check_unknown(envelope)
        return envelope, Unknown(envelope.type, envelope.v, bytes(envelope.data))
    return envelope, _check_known(envelope, entry)


def _decode_envelope(record: bytes) -> Envelope:
    try:
        return decode(record)
    except msgspec.ValidationError as error:
        raise _explained(error, "") from None
    except msgspec.DecodeError as error:
        raise InvalidEvent("malformed", "record", f"is not msgpack: {error}") from None


def _check_identity(envelope: Envelope) -> None:
    if envelope.stream not in STREAMS:
        raise InvalidEvent(
            "malformed", "stream", f"is {envelope.stream!r}, expected one of {', '.join(STREAMS)}"
        )
    if envelope.seq < 0 or envelope.count < 1 or envelope.last >= 2**63:
        raise InvalidEvent("malformed", "seq", "must be ≥ 0 with count ≥ 1, and end below 2**63")
    if not 0 <= envelope.ts < 2**62:
        raise InvalidEvent("malformed", "ts", "must be microseconds since 1970")
    if len(envelope.salt) != 16:
        raise InvalidEvent("malformed", "salt", f"has {len(envelope.salt)} bytes, expected 16")
    if len(envelope.prev) not in (0, 32):
        raise InvalidEvent(
            "malformed", "prev", f"has {len(envelope.prev)} bytes, expected 32, or none at first"
        )
    if not envelope.producer.int or not envelope.subject[1].int or not envelope.id.int:
        raise InvalidEvent("malformed", "producer", "ids must not be nil")


def _check_unknown(envelope: Envelope) -> None:
    if not _TYPE_NAME.match(envelope.type) or len(envelope.type) > 100:
        raise InvalidEvent("malformed", "type", f"{envelope.type[:100]!r} is no event type (noun.verb)")


def _check_known(envelope: Envelope, entry: EventType) -> msgspec.Struct:
    if envelope.stream not in entry.streams:
        allowed = ", ".join(sorted(entry.streams))
        raise InvalidEvent("malformed", "stream", f"{entry.name} belongs to {allowed}, not {envelope.stream}")
    if entry.subjects is not None and envelope.subject[0] not in entry.subjects:
        allowed = ", ".join(sorted(entry.subjects))
        raise InvalidEvent(
            "malformed", "subject", f"{entry.name} is about {allowed}, not {envelope.subject[0]!r}"
        )
    if envelope.count != 1 and not entry.counted:
        raise InvalidEvent("malformed", "count", f"must be 1 for {entry.name}")
    try:
        payload = entry.decoder.decode(envelope.data)
    except msgspec.ValidationError as error:
        raise _explained(error, "data") from None
    except msgspec.DecodeError as error:
        raise InvalidEvent("malformed", "data", f"is not msgpack: {error}") from None
    current = upcast(entry, payload)
    if entry.check is not None:
        entry.check(current, envelope)
    return current


def _explained(error: msgspec.ValidationError, root: str) -> InvalidEvent:
    """msgspec's message with its path (`… - at `$.name``) turned into field and text."""
    text = str(error)
    match = _PATH.search(text)
    if match is None:
        return InvalidEvent("malformed", root or "record", text)
    path = match.group(2)
    field = f"{root}{match.group(1) if root else ''}{path}"
    return InvalidEvent("malformed", field or root or "record", text[: match.start()])
