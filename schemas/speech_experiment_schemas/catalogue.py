"""(type, version) → payload class. A domain is one module that registers its events here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from .envelope import Envelope

T = TypeVar("T", bound=type[msgspec.Struct])
Check = Callable[[Any, Envelope], None]
Upcast = Callable[[Any], msgspec.Struct]


@dataclass(frozen=True, slots=True)
class EventType:
    """What the catalogue knows of one (type, version).

    streams   topics it may be written to
    subjects  kinds of subject it may be about; None: any
    counted   whether one record may cover several calls (seq … seq + count - 1)
    check     structural check beyond the payload's types; raises InvalidEvent
    upcast    turns the payload of this old version into the next one
    """

    name: str
    version: int
    payload: type[msgspec.Struct]
    streams: frozenset[str]
    subjects: frozenset[str] | None
    counted: bool
    check: Check | None
    upcast: Upcast | None
    decoder: msgspec.msgpack.Decoder[Any]


@dataclass(frozen=True, slots=True)
class Unknown:
    """The payload of a type or version that this release does not know: parked, not poison."""

    type: str
    v: int
    data: bytes


_types: dict[tuple[str, int], EventType] = {}
_current: dict[type, EventType] = {}


def event(
    name: str,
    *,
    stream: str | tuple[str, ...],
    subject: str | tuple[str, ...] | None = None,
    version: int = 1,
    counted: bool = False,
    check: Check | None = None,
    upcast: Upcast | None = None,
) -> Callable[[T], T]:
    """Registers a payload class under (name, version); old versions name their upcast."""

    def register(payload: T) -> T:
        if (name, version) in _types:
            raise ValueError(f"{name} v{version} is registered twice")
        entry = EventType(
            name,
            version,
            payload,
            _names(stream),
            _names(subject) if subject is not None else None,
            counted,
            check,
            upcast,
            msgspec.msgpack.Decoder(payload),
        )
        _types[name, version] = entry
        if upcast is None:
            _current[payload] = entry
        return payload

    return register


def _names(value: str | tuple[str, ...]) -> frozenset[str]:
    return frozenset((value,) if isinstance(value, str) else value)


def event_types() -> list[EventType]:
    """All registered types and versions, by name and version."""
    return [_types[key] for key in sorted(_types)]


def lookup(name: str, version: int) -> EventType | None:
    return _types.get((name, version))


def type_of(payload: msgspec.Struct) -> EventType:
    """The entry of a current payload class; KeyError for a class that is no event."""
    return _current[type(payload)]


def decode_payload(envelope: Envelope) -> msgspec.Struct | Unknown:
    """The payload as its current class, upcast where it was written by an older release.

    Raises msgspec.ValidationError or msgspec.DecodeError when it is not what its type says.
    """
    entry = lookup(envelope.type, envelope.v)
    if entry is None:
        return Unknown(envelope.type, envelope.v, bytes(envelope.data))
    return upcast(entry, entry.decoder.decode(envelope.data))


def upcast(entry: EventType, payload: Any) -> msgspec.Struct:
    """Applies the chain of upcasts from an entry's version to the current one."""
    while entry.upcast is not None:
        payload = entry.upcast(payload)
        following = lookup(entry.name, entry.version + 1)
        if following is None:
            raise LookupError(f"{entry.name} v{entry.version} has an upcast but no next version")
        entry = following
    assert isinstance(payload, msgspec.Struct)  # noqa: S101 - the catalogue holds only structs
    return payload
