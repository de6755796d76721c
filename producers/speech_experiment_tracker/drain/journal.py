"""Journals: exact bytes of every sealed record, on the disk before it is first sent.

    drain/<courier>.book   entries of many streams: length u32 | CRC-32C u32 | msgpack

A drain that is killed and started again sends the same bytes again; only a record that never left
is sealed anew. Where entries are damaged, the calls that they held are voided. Many short runs share
a book, since each file and each flush costs as much as a run.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path

import msgspec

from speech_experiment_schemas.envelope import STREAMS

from .._crc import crc32c
from ..spool.files import sync_folder
from ..spool.frames import is_valid, next_valid
from ..spool.page import Ack, write_ack
from ..spool.places import Place
from ..spool.records import FRAME, FRAME_SIZE, HEADER_SIZE

COMPACT_AT = 4 << 20
BOOK = ".book"
Key = tuple[str, str]
"""(name of the producer, stream)"""


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """Where reading and sealing go on: place in the segments, next seq, digest of the last record."""

    segment: int = 1
    offset: int = HEADER_SIZE
    seq: int = 0
    prev: bytes = b""
    closed: bool = False


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """A sealed record and the cursor behind it; without a record: all calls below `seq` are acknowledged.

    replaces  the record stands in for the refused one with the same seq; without a record, at the end of
              what a fresh book says of a stream: `count` records wait, all others before `cursor` are acknowledged
    """

    producer: str
    stream: str
    cursor: Cursor
    seq: int
    count: int = 0
    record: bytes = b""
    replaces: bool = False


@dataclass(slots=True)
class Sealed:
    """A record waiting for its acknowledgement, and the cursor behind it."""

    record: bytes
    seq: int
    count: int
    cursor: Cursor
    void: bool = False


Lost = Callable[[Cursor, int], bytes | None]
"""(cursor, count) → the record in the place of sealed ones that are lost; None if the spool still has them"""


@dataclass
class Kept:
    """What a book keeps of a stream.

    cursor   after the last sealed record; base: before the first that waits
    waiting  sealed records in the order in which they are sent
    """

    cursor: Cursor = field(default_factory=Cursor)
    base: Cursor = field(default_factory=Cursor)
    waiting: deque[Sealed] = field(default_factory=deque)

    def take(self, entry: Entry, ack: Ack, lost: Lost) -> bool:
        """Takes in the next entry that an earlier drain left; False if it has to be sealed anew from here."""
        if not entry.record:
            while self.waiting and self.waiting[0].seq < entry.seq:
                self.base = self.waiting.popleft().cursor
            if entry.replaces and len(self.waiting) == entry.count:
                self.cursor = entry.cursor
            elif entry.seq == entry.cursor.seq >= self.cursor.seq:  # nothing waited then
                self.cursor = self.base = entry.cursor
            return True
        sealed = Sealed(entry.record, entry.seq, entry.count, entry.cursor, entry.replaces)
        if entry.replaces and self._replace(sealed):
            return True
        if entry.seq < self.cursor.seq:  # left over behind a book that was begun anew in its place
            return True
        if not self._pass_gap(entry.seq, ack, lost):
            return False
        self.cursor = entry.cursor
        self.waiting.append(sealed)
        return True

    def _replace(self, void: Sealed) -> bool:
        for place, sealed in enumerate(self.waiting):
            if sealed.seq == void.seq:
                void.cursor = sealed.cursor
                self.waiting[place] = void
                return True
        return False

    def _pass_gap(self, seq: int, ack: Ack, lost: Lost) -> bool:
        """Gives up the calls up to `seq` that damaged entries held; False to seal them anew."""
        count = seq - self.cursor.seq
        if count > 0 and seq > ack.seq:
            record = lost(self.cursor, count)
            if record is None:
                return False
            behind = msgspec.structs.replace(self.cursor, seq=seq)
            self.waiting.append(Sealed(record, self.cursor.seq, count, behind, void=True))
        return True


class Book:
    """The file of many journals. One courier writes it; streams may be opened by another thread.

    unsynced  records were noted that are not on the disk yet
    failed    the disk is full, and some of what waits is in memory only: the spool must keep it too
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.unsynced = False
        self.failed = False
        self._spoiled = False  # it holds entries in whose place others are to stand
        self._lock = threading.Lock()
        self._open: dict[Key, Kept] = {}
        self._left: dict[Key, list[Entry]] = {}
        self._buffer: list[bytes] = []
        self._is_new = not path.exists()
        self._file = _opened(path, 0)
        self._end = 0
        for entry, end in entries(self._file.readall()):
            self._left.setdefault((entry.producer, entry.stream), []).append(entry)
            self._end = end
        self._file.truncate(self._end)

    def streams(self) -> list[Key]:
        """The streams that an earlier drain had begun with, and nobody has opened yet."""
        return list(self._left)

    def open(self, key: Key, ack: Ack, lost: Lost) -> Kept:
        """Goes on with a stream where it was left."""
        with self._lock:
            kept = self._open[key] = Kept()
            for entry in self._left.pop(key, []):
                if not kept.take(entry, ack, lost):
                    self._spoiled = True
                    break
            if ack.closed:
                kept.cursor = msgspec.structs.replace(kept.cursor, closed=True)
                kept.waiting.clear()
        return kept

    def leave(self, key: Key) -> None:
        """Nobody works on the stream any more; it can be opened again."""
        with self._lock:
            if key in self._open:
                self._left[key] = list(_entries_of(key, self._open.pop(key)))

    def forget(self, producer: str) -> None:
        """A producer is delivered and its files are gone."""
        with self._lock:
            for stream in STREAMS:
                self._open.pop((producer, stream), None)
                self._left.pop((producer, stream), None)

    def adopt(self, known: dict[Key, list[Entry]]) -> None:
        """Takes over what other files kept, and has it on the disk on return; raises OSError."""
        with self._lock:
            self._left = {**known, **self._left}
        self._rewrite()

    def note(self, entry: Entry) -> None:
        """Adds an entry; call `sync` before what is in it is sent."""
        if not self.failed:
            self._buffer.append(_frame(entry))
            self.unsynced = self.unsynced or bool(entry.record)

    def flush(self) -> None:
        """Hands what was noted to the system; makes a fresh book when this one has grown, or was full."""
        data, self._buffer = b"".join(self._buffer), []
        try:
            if data and os.pwrite(self._file.fileno(), data, self._end) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._end += len(data)
        except OSError:
            # Sending goes on, for that alone frees space: after a crash of the drain the same calls are
            # sealed again, and their sequence numbers keep them single.
            self.failed = True
        if self.failed or self._spoiled or self._has_grown():
            with contextlib.suppress(OSError):
                self._rewrite()

    def sync(self) -> None:
        """Brings what was noted onto the disk."""
        self.flush()
        if self.unsynced:
            os.fdatasync(self._file.fileno())
            self.unsynced = False
            if self._is_new:
                self._is_new = False
                sync_folder(self.path.parent)

    def _has_grown(self) -> bool:
        if self._end <= COMPACT_AT:
            return False
        waiting = sum(len(each.record) for kept in list(self._open.values()) for each in kept.waiting)
        return waiting * 2 < self._end

    def _rewrite(self) -> None:
        """Puts a book in this one's place that holds nothing but cursors and what waits; raises OSError."""
        with self._lock:
            waits = any(kept.waiting for kept in self._open.values())
            waits = waits or any(entry.record for left in self._left.values() for entry in left)
            frames = [_frame(entry) for left in self._left.values() for entry in left]
            frames += [_frame(entry) for key, kept in self._open.items() for entry in _entries_of(key, kept)]
        content = b"".join(frames)
        try:
            self._write_afresh(content)
        except OSError:
            if waits or len(content) > self._end:
                raise
            # A full disk: over the beginning of the old book, of which nothing is needed any more.
            os.pwrite(self._file.fileno(), content, 0)
            self._file.truncate(len(content))
            os.fdatasync(self._file.fileno())
        self._end, self._buffer = len(content), []
        self.failed = self.unsynced = self._spoiled = self._is_new = False

    def _write_afresh(self, content: bytes) -> None:
        fresh = self.path.with_suffix(".new")
        file = _opened(fresh, os.O_TRUNC)
        try:
            if file.write(content) != len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fdatasync(file.fileno())
            fresh.rename(self.path)
        except OSError:
            fresh.unlink(missing_ok=True)
            raise
        sync_folder(self.path.parent)
        self._file = file


class Journal:
    """Keeps the sealed and not yet acknowledged records of one (producer, stream).

    cursor   after the last sealed record
    waiting  sealed records in the order in which they are sent
    """

    def __init__(self, book: Book, place: Place, stream: str, ack: Ack, *, lost: Lost) -> None:
        self.book = book
        self.ack = ack
        self._place, self._stream = place, stream
        self._kept = book.open((place.name, stream), ack, lost)

    @property
    def cursor(self) -> Cursor:
        return self._kept.cursor

    @cursor.setter
    def cursor(self, cursor: Cursor) -> None:
        self._kept.cursor = cursor
        if not self._kept.waiting:
            self._kept.base = cursor

    @property
    def waiting(self) -> deque[Sealed]:
        return self._kept.waiting

    def append(self, record: bytes, seq: int, count: int, cursor: Cursor) -> None:
        """Notes a sealed record; the book has to be synced before it is sent."""
        self._kept.cursor = cursor
        self._kept.waiting.append(Sealed(record, seq, count, cursor))
        self.book.note(Entry(self._place.name, self._stream, cursor, seq, count, record))

    def acknowledge(self, sent: int, refused: dict[int, bytes], positions: list[tuple[int, int]]) -> None:
        """Takes the first `sent` records off; refused: place among them → the void record sent instead."""
        kept = self._kept
        voids = []
        seq = self.ack.seq
        for place in range(sent):
            sealed = kept.waiting.popleft()
            if place in refused:
                voids.append(Sealed(refused[place], sealed.seq, sealed.count, sealed.cursor, void=True))
                self.book.note(_entry((self._place.name, self._stream), voids[-1]))
            elif not voids:
                kept.base = sealed.cursor
            seq = max(seq, sealed.seq + sealed.count)
        kept.waiting.extendleft(reversed(voids))
        if not kept.waiting:
            kept.base = kept.cursor
        self.book.note(Entry(self._place.name, self._stream, kept.cursor, _first(kept)))
        self.ack = Ack(
            seq,
            kept.cursor.closed and not kept.waiting,
            self.ack.refused + len(voids),
            positions or self.ack.positions,
        )
        with contextlib.suppress(OSError):  # the disk is full, or somebody removed the spool
            write_ack(self._place, self._stream, self.ack)

    def close(self) -> None:
        self.book.leave((self._place.name, self._stream))


def _first(kept: Kept) -> int:
    """The first call that is not acknowledged."""
    return kept.waiting[0].seq if kept.waiting else kept.cursor.seq


def _entries_of(key: Key, kept: Kept) -> Iterator[Entry]:
    """What a fresh book says of a stream."""
    yield Entry(*key, kept.base, kept.base.seq)
    for sealed in kept.waiting:
        yield _entry(key, sealed)
    if (
        kept.waiting and kept.waiting[-1].cursor != kept.cursor
    ):  # what followed a refused record is acknowledged
        yield Entry(*key, kept.cursor, kept.base.seq, len(kept.waiting), replaces=True)


def _entry(key: Key, sealed: Sealed) -> Entry:
    return Entry(*key, sealed.cursor, sealed.seq, sealed.count, sealed.record, replaces=sealed.void)


def _opened(path: Path, flags: int) -> FileIO:
    """A file that is closed when the last courier lets go of it."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | flags, 0o600)
    return FileIO(fd, "r+b")


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Entry)
_FIRST_BYTE = b"\x97"  # an array of the seven fields of Entry


def _frame(entry: Entry) -> bytes:
    payload = _encoder.encode(entry)
    return FRAME.pack(len(payload), crc32c(payload)) + payload


def entries(data: bytes) -> Iterator[tuple[Entry, int]]:
    """(entry, its end) for valid ones from the start on; what a crash tore at the end was never sent."""
    for start, end in frames(data, _FIRST_BYTE):
        with contextlib.suppress(msgspec.MsgspecError):
            yield _decoder.decode(data[start:end]), end


def frames(data: bytes, first: bytes) -> Iterator[tuple[int, int]]:
    """(start, end) of valid payloads that begin with that byte, past bytes that are none."""
    position: int | None = 0
    while position is not None:
        if is_valid(data, position):
            body = position + FRAME_SIZE
            end = body + FRAME.unpack_from(data, position)[0]
            yield body, end
            position = end
        else:
            position = next_valid(data, position + 1, first=first)


def read_book(data: bytes, key: Key) -> list[Entry]:
    """The entries of one stream, the acknowledged ones too; for looking, while a drain may be at work."""
    return [entry for entry, _ in entries(data) if (entry.producer, entry.stream) == key]
