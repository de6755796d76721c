"""Journals of format 1: two files for each stream, in a folder of each producer.

drain/<stream>.journal   entries: length u32 | CRC-32C u32 | msgpack; the first is a checkpoint
drain/<stream>.ack       how far it is acknowledged
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec

from ..spool.places import DRAIN
from .journal import Book, Cursor, Entry, frames

CONTENTS_STREAM = "artifacts"
"""The one stream that had, and has, a courier of its own."""
EVENTS, CONTENTS = "events", "contents"
"""The couriers' books."""


class _Stored(msgspec.Struct, frozen=True, array_like=True):
    """An entry; generation counts compactions, record is empty in a checkpoint."""

    generation: int
    cursor: Cursor
    seq: int
    count: int
    record: bytes
    replaces: bool = False


class _Ack(msgspec.Struct, frozen=True):
    """Calls below `seq` are acknowledged."""

    seq: int = 0


_decoder = msgspec.msgpack.Decoder(_Stored)
_ack_decoder = msgspec.msgpack.Decoder(_Ack)


def import_journals(folder: Path, kind: str, book: Book) -> None:
    """Moves what format 1 kept in a producer's folder into the book; raises OSError."""
    found = [
        path
        for path in (folder / DRAIN).glob("*.journal")
        if (path.stem == CONTENTS_STREAM) == (kind == CONTENTS)
    ]
    if found:
        book.adopt({("", path.stem): read_journal(path) for path in found})
    for path in found:
        path.unlink()


def read_journal(path: Path) -> list[Entry]:
    """What a journal of format 1 holds, as entries of a book; raises OSError."""
    data, stream = path.read_bytes(), path.stem
    generation, found = 0, list[Entry]()
    for start, end in frames(data, b"\x96"):
        stored = _decoder.decode(data[start:end])
        if stored.generation < generation:
            continue
        generation = stored.generation
        seq = stored.seq if stored.record else stored.cursor.seq
        found.append(Entry("", stream, stored.cursor, seq, stored.count, stored.record, stored.replaces))
    acknowledged = _read_ack(path.with_suffix(".ack")).seq
    return [*found, Entry("", stream, found[-1].cursor, acknowledged)] if found else []


def _read_ack(path: Path) -> _Ack:
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        data = path.read_bytes()
        for start, end in frames(data, b"\x86"):
            return _ack_decoder.decode(data[start:end])
    return _Ack()
