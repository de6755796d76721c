"""Heartbeats of a run, packed: they leave no versions, but what a run showed at any offset must be known.

A contact is a stretch of heartbeats that found the run with the same problems. With it the moment of the
last sign of life, and so whether contact was lost, can be told as of any offset.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from struct import Struct
from typing import NamedTuple

_BEAT = Struct("<qq")
MOST_BEATS = 64
MOST_BYTES = MOST_BEATS * _BEAT.size
"""Of one contact: it is prolonged while it has fewer, and must stay a small row."""


class Beat(NamedTuple):
    """A heartbeat; time in microseconds since 1970, by the broker."""

    offset: int
    time: int


class Contact(NamedTuple):
    """beats: packed, in log order, none missing; problems: JSON text, as the run had them with these beats."""

    from_offset: int
    problems: str
    beats: bytes


def pack(beats: Iterable[Beat]) -> bytes:
    return b"".join(_BEAT.pack(*beat) for beat in beats)


def unpack(beats: bytes) -> Iterator[Beat]:
    return map(Beat._make, _BEAT.iter_unpack(beats))


def last_before(beats: bytes, offset: int) -> Beat | None:
    """The last beat before an offset."""
    low, high = 0, len(beats) // _BEAT.size
    while low < high:
        middle = (low + high) // 2
        if _BEAT.unpack_from(beats, middle * _BEAT.size)[0] < offset:
            low = middle + 1
        else:
            high = middle
    return Beat(*_BEAT.unpack_from(beats, (low - 1) * _BEAT.size)) if low else None


def contacts(beats: Iterable[tuple[Beat, str]]) -> list[Contact]:
    """Contacts of (beat, problems) in log order."""
    found: list[tuple[str, list[Beat]]] = []
    for beat, problems in beats:
        if not found or found[-1][0] != problems or len(found[-1][1]) >= MOST_BEATS:
            found.append((problems, []))
        found[-1][1].append(beat)
    return [Contact(stretch[0].offset, problems, pack(stretch)) for problems, stretch in found]
