"""Finding the next valid record behind bytes that are none, in a segment or a journal."""

from __future__ import annotations

import re

from .._crc import crc32c
from .records import FRAME, FRAME_SIZE

_NOT_ZERO = re.compile(rb"[^\0]")
# A length below 16 MiB, a checksum, and something: looked at again by `is_valid`.
_LIKELY = re.compile(rb"(?s)(?=...\0.{4}[^\0])")


def is_valid(data: bytes | memoryview, place: int) -> bool:
    """Whether a whole record with its right checksum stands there."""
    if place + FRAME_SIZE > len(data):
        return False
    length, crc = FRAME.unpack_from(data, place)
    body = place + FRAME_SIZE
    return bool(length) and body + length <= len(data) and crc32c(data[body : body + length]) == crc


def next_valid(data: bytes | memoryview, place: int, *, first: bytes | None = None) -> int | None:
    """The first place from `place` on where a valid record stands; None when there is none.

    first  the bytes that a payload may begin with
    """
    while (something := _NOT_ZERO.search(data, place)) is not None:
        # The length's low bytes may be zero.
        for likely in _LIKELY.finditer(data, max(place, something.start() - 2)):
            found = likely.start()
            if not any(data[found : found + FRAME_SIZE]):
                place = found + FRAME_SIZE - 2  # a hole again: pass it faster
                break
            if (first is None or data[found + FRAME_SIZE] in first) and is_valid(data, found):
                return found
        else:
            return None
    return None
