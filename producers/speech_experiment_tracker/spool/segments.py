"""Writing one segment: space allocated beforehand, bytes copied through a memory map."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from pathlib import Path

from .._crc import crc32c
from .records import END_RECORD, FRAME, FRAME_SIZE, HEADER_SIZE, NUMBERED, VOID, Header, decode_void

FIRST_PAGE = 4096
TAIL_RESERVE = 4096
"""Bytes at the end of each segment kept for the records that close it."""


Layout = tuple[Callable[..., bytes], bytes]
"""(packs prefix, step, time, epoch and values; the prefix that names the layout)"""


def allocate(path: Path, size: int) -> int:
    """A new file with all its space on the disk, open; an OSError leaves nothing behind."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        # A store into a hole of a full disk would be SIGBUS; allocated space cannot fail.
        os.posix_fallocate(fd, 0, size)
    except OSError:
        os.close(fd)
        path.unlink(missing_ok=True)
        raise
    return fd


class Segment:
    """A segment open for appending by its one writer; not locked, its stream does that.

    at     (offset of the next record, sequence number of the next call)
    begun  end of the record that is being written; the same offset as in `at` between two writes
    ended  the next segment follows, nothing more is written
    layouts  metrics' tuples of keys that the segment has the definition of

    Raises FileExistsError when the file is there, OSError (ENOSPC) when the disk is full.
    """

    def __init__(self, path: Path, header: Header, size: int) -> None:
        self.path = path
        self.index = header.index
        self.fd = allocate(self.path, size)
        self._owned = True
        self.memory = mmap.mmap(self.fd, size)
        self._begin(header, 0)

    @classmethod
    def within(cls, path: Path, fd: int, area: tuple[int, int], header: Header) -> Segment:
        """Makes a segment of an area (offset, size) of an open file, which stays its caller's."""
        segment = cls.__new__(cls)
        segment.path = path
        segment.index = header.index
        segment.fd = fd
        segment._owned = False
        segment.memory = mmap.mmap(fd, area[1], offset=area[0])
        segment._begin(header, area[0])
        return segment

    @classmethod
    def adopt(cls, space: Path, path: Path, header: Header) -> Segment:
        """Makes a segment of a file that was allocated before; its bytes are zero."""
        segment = cls.__new__(cls)
        segment.path = path
        segment.index = header.index
        segment.fd = os.open(space, os.O_RDWR | os.O_CLOEXEC)
        segment._owned = True
        segment.memory = mmap.mmap(segment.fd, os.fstat(segment.fd).st_size)
        segment._begin(header, 0)
        space.rename(segment.path)
        return segment

    def _begin(self, header: Header, start: int) -> None:
        # Written whole, the first page need not be read: a store into it would read many.
        os.pwrite(self.fd, header.encode().ljust(FIRST_PAGE, b"\0"), start)
        self.at = HEADER_SIZE, header.first
        self.begun = HEADER_SIZE
        self.ended = False
        self.layouts: dict[tuple[str, ...], Layout] = {}
        self.size = len(self.memory)
        self.limit = self.size - TAIL_RESERVE

    def room(self, *, reserve: bool = False) -> int:
        """Payload bytes that still fit."""
        end = self.size - FRAME_SIZE - len(END_RECORD) if reserve else self.limit
        return end - self.at[0] - FRAME_SIZE

    def put(self, payload: bytes, at: tuple[int, int], calls: int = 1) -> bool:
        """Appends a record if the segment is still as it was at `at`; a reader of half a record waits.

        A signal handler may raise, or log something itself, at any call of a function. Hence `at` is
        compared after the last call, and `begun` tells the next write that one did not come to its end.
        """
        record = FRAME.pack(len(payload), crc32c(payload)) + payload
        size = len(record)
        if self.begun != self.at[0]:
            self._settle()
        start, seq = self.at
        end = start + size
        if self.at is not at or self.ended or end > self.size:
            return False
        self.begun = end
        self.memory[start:end] = record
        self.at = end, seq + calls
        return True

    def _settle(self) -> None:
        """After an interrupted write: its record counts if it is whole, else its place is free."""
        start, seq = self.at
        length, crc = FRAME.unpack_from(self.memory, start)
        body = start + FRAME_SIZE
        payload = self.memory[body : body + length]
        if length and body + length == self.begun and crc32c(payload) == crc:
            calls = decode_void(payload)[0] if payload[0] == VOID else int(payload[0] in NUMBERED)
            self.at = body + length, seq + calls
        self.begun = self.at[0]

    def end(self) -> None:
        """Says that the next segment follows; there is always room for this."""
        while not self.ended:
            self.put(END_RECORD, self.at, calls=0)
            self.ended = True

    def close(self) -> None:
        self.memory.close()  # it has a descriptor of its own, and with it the space of a file that was removed
        if self._owned:
            os.close(self.fd)
