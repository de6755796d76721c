"""Columns of utterances that fit each other, and the digest that tells a whole list from a part of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from math import inf

import msgspec

from .errors import InvalidEvent
from .metrics import unpack

_encoder = msgspec.msgpack.Encoder()
_MODULUS = 2**256


def rows_digest(rows: Iterable[Sequence[object]]) -> int:
    """The sum, modulo 2**256, of the SHA-256 of each row: the same in any order and in any batches."""
    found = 0
    for row in rows:
        found += int.from_bytes(sha256(_encoder.encode(row)).digest(), "little")
    return found % _MODULUS


def digest_text(digest: int) -> str:
    """A digest as events carry it: 64 hexadecimal digits."""
    return f"{digest % _MODULUS:064x}"


def check_utterances(ids: Sequence[str], columns: Mapping[str, Sequence[object]]) -> None:
    """Raises InvalidEvent unless every column that is there has an item for each utterance."""
    if not ids:
        raise InvalidEvent("malformed", "data.ids", "has no utterance")
    for field, column in columns.items():
        if column and len(column) != len(ids):
            raise InvalidEvent(
                "malformed",
                f"data.{field}",
                f"has {len(column)} items, expected {len(ids)}: one each utterance",
            )


def check_seconds(field: str, packed: bytes, rows: int) -> None:
    """Raises InvalidEvent unless a packed float64 column has `rows` items, none negative or infinite."""
    if not packed:
        return
    if len(packed) != 8 * rows:
        raise InvalidEvent("malformed", f"data.{field}", f"has {len(packed)} bytes, expected 8 × {rows}")
    for place, value in enumerate(unpack("d", packed)):
        if value < 0 or value == inf:
            raise InvalidEvent(
                "malformed", f"data.{field}[{place}]", f"is {value}; seconds are ≥ 0 or unknown (NaN)"
            )
