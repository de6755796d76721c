"""The journal of a stream: exact bytes of every sealed record, on the disk before it is first sent.

    drain/<stream>.journal   entries: length u32 | CRC-32C u32 | msgpack; the first is a checkpoint
    drain/<stream>.ack       how far it is acknowledged

A drain that is killed and started again sends the same bytes again; only a record that never left
is sealed anew.
"""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import msgspec

from .._crc import crc32c
from ..spool.files import sync_folder
from ..spool.records import FRAME, FRAME_SIZE, HEADER_SIZE

COMPACT_AT = 4 << 20
FOLDER = "drain"


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """Where reading and sealing go on: place in the segments, next seq, digest of the last record."""

    segment: int = 1
    offset: int = HEADER_SIZE
    seq: int = 0
    prev: bytes = b""
    closed: bool = False


class _Stored(msgspec.Struct, frozen=True, array_like=True):
    """An entry on the disk; generation counts compactions, record is empty in a checkpoint."""

    generation: int
    cursor: Cursor
    seq: int
    count: int
    record: bytes
    replaces: bool = False


@dataclass(slots=True)
class Sealed:
    """A record waiting for its acknowledgement; start and end are its place in the journal."""

    record: bytes
    seq: int
    count: int
    start: int
    end: int
    void: bool = False


class Ack(msgspec.Struct, frozen=True):
    """What is acknowledged of a stream: every call below `seq`; positions are (partition, last offset)."""

    generation: int = 0
    offset: int = 0
    seq: int = 0
    closed: bool = False
    positions: list[tuple[int, int]] = []
    refused: int = 0


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Stored)
_ack_decoder = msgspec.msgpack.Decoder(Ack)


def _frame(payload: bytes) -> bytes:
    return FRAME.pack(len(payload), crc32c(payload)) + payload


class Journal:
    """Keeps the sealed and not yet acknowledged records of one (producer, stream).

    cursor   after the last sealed record
    waiting  sealed records in the order in which they are sent
    unsynced what was appended is not on the disk yet
    """

    def __init__(self, producer_folder: Path, stream: str, start: Cursor | None = None) -> None:
        folder = producer_folder / FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
        self.path = folder / f"{stream}.journal"
        self.cursor = start or Cursor()
        self.waiting: deque[Sealed] = deque()
        self.ack = read_ack(producer_folder, stream)
        self._ack_fd = os.open(folder / f"{stream}.ack", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._generation = self.ack.generation
        self.unsynced = False
        self._fd = -1
        self._end = 0
        if self.path.exists():
            self._load()
        else:
            self._begin()

    def _load(self) -> None:
        self._fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        data = os.pread(self._fd, os.fstat(self._fd).st_size, 0)
        for start, end, stored in _entries(data):
            self._end = end
            if not stored.record:
                self._generation = stored.generation
                self.cursor = stored.cursor
                continue
            if not stored.replaces:
                self.cursor = stored.cursor
            if self.ack.generation != self._generation or start >= self.ack.offset:
                self._restore(stored, start, end)
        os.ftruncate(self._fd, self._end)
        if not self._end:
            self._begin()

    def _restore(self, stored: _Stored, start: int, end: int) -> None:
        sealed = Sealed(stored.record, stored.seq, stored.count, start, end, stored.replaces)
        for place, waiting in enumerate(self.waiting):
            if stored.replaces and waiting.seq == stored.seq:
                sealed.start, sealed.end = waiting.start, waiting.end
                self.waiting[place] = sealed
                return
        self.waiting.append(sealed)

    def _begin(self) -> None:
        """A new file that holds nothing but the cursor, put in the old one's place."""
        self._generation += 1
        frame = _frame(_encoder.encode(_Stored(self._generation, self.cursor, 0, 0, b"")))
        is_first = not self.cursor.seq  # one that is lost in a power cut is the same as none
        fresh = self.path if is_first else self.path.with_suffix(".new")
        fd = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        os.write(fd, frame)
        if not is_first:
            os.fdatasync(fd)
            fresh.rename(self.path)
            sync_folder(self.path.parent)
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._end = fd, len(frame)

    def append(self, record: bytes, seq: int, count: int, cursor: Cursor) -> None:
        """Notes a sealed record; call `sync` before it is sent."""
        start = self._write(_Stored(self._generation, cursor, seq, count, record))
        self.cursor = cursor
        self.waiting.append(Sealed(record, seq, count, start, self._end))

    def _write(self, stored: _Stored) -> int:
        frame = _frame(_encoder.encode(stored))
        start = self._end
        try:
            written = os.pwrite(self._fd, frame, start)
        except OSError:
            written = 0
        if written == len(frame):
            self._end += written
            self.unsynced = True
        # Else the disk is full. Sending goes on, for that alone frees space: after a crash of the drain
        # too, the same calls would be sealed again, and their sequence numbers keep them single.
        return start

    def sync(self) -> None:
        if self.unsynced:
            os.fdatasync(self._fd)
            self.unsynced = False

    def acknowledge(self, sent: int, refused: dict[int, bytes], positions: list[tuple[int, int]]) -> None:
        """Takes the first `sent` records off; refused: place among them → the void record sent instead."""
        voids = []
        seq = self.ack.seq
        for place in range(sent):
            sealed = self.waiting.popleft()
            if place in refused:
                self._write(
                    _Stored(self._generation, self.cursor, sealed.seq, sealed.count, refused[place], True)
                )
                voids.append(Sealed(refused[place], sealed.seq, sealed.count, sealed.start, sealed.end, True))
            seq = max(seq, sealed.seq + sealed.count)
        self.waiting.extendleft(reversed(voids))
        self.ack = Ack(
            self._generation,
            self.waiting[0].start if self.waiting else self._end,
            seq,
            self.cursor.closed and not self.waiting,
            positions or self.ack.positions,
            self.ack.refused + len(voids),
        )
        self._save_ack()
        if not self.waiting and self._end > COMPACT_AT:
            self._begin()

    def _save_ack(self) -> None:
        # Losing an acknowledgement only means that the same bytes are sent again: no fsync.
        os.pwrite(self._ack_fd, _frame(_encoder.encode(self.ack)), 0)

    def close(self) -> None:
        os.close(self._fd)
        os.close(self._ack_fd)


def _entries(data: bytes) -> list[tuple[int, int, _Stored]]:
    """Valid entries from the start on; what a crash tore at the end was never sent."""
    found = []
    position = 0
    while position + FRAME_SIZE <= len(data):
        length, crc = FRAME.unpack_from(data, position)
        body = position + FRAME_SIZE
        payload = data[body : body + length]
        if not length or len(payload) < length or crc32c(payload) != crc:
            break
        found.append((position, body + length, _decoder.decode(payload)))
        position = body + length
    return found


def read_ack(producer_folder: Path, stream: str) -> Ack:
    """The acknowledged state of a stream, as its drain last wrote it; may be called while it writes."""
    path = producer_folder / FOLDER / f"{stream}.ack"
    for _ in range(3):
        try:
            data = path.read_bytes()
        except OSError:
            return Ack()
        if len(data) < FRAME_SIZE:
            return Ack()
        length, crc = FRAME.unpack_from(data)
        payload = data[FRAME_SIZE : FRAME_SIZE + length]
        if len(payload) == length and crc32c(payload) == crc:
            return _ack_decoder.decode(payload)
    return Ack()
