"""Writing one segment: space allocated beforehand, bytes copied through a memory map."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

from .._crc import crc32c
from .records import END_RECORD, FRAME, FRAME_SIZE, HEADER_SIZE, NUMBERED, VOID, Header, decode_void

TAIL_RESERVE = 4096
"""Bytes at the end of each segment kept for the records that close it."""
NOTHING = bytes(4)


def segment_name(stream: str, index: int) -> str:
    return f"{stream}-{index:04d}.seg"


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

    at  (offset of the next record, sequence number of the next call)

    Raises FileExistsError when the file is there, OSError (ENOSPC) when the disk is full.
    """

    def __init__(self, folder: Path, header: Header, size: int) -> None:
        self.path = folder / segment_name(header.stream, header.index)
        self.index = header.index
        self.fd = allocate(self.path, size)
        self.memory = mmap.mmap(self.fd, size)
        self._begin(header)

    @classmethod
    def adopt(cls, space: Path, folder: Path, header: Header) -> Segment:
        """Makes a segment of a file that was allocated before; its bytes are zero."""
        segment = cls.__new__(cls)
        segment.path = folder / segment_name(header.stream, header.index)
        segment.index = header.index
        segment.fd = os.open(space, os.O_RDWR | os.O_CLOEXEC)
        segment.memory = mmap.mmap(segment.fd, os.fstat(segment.fd).st_size)
        segment._begin(header)
        space.rename(segment.path)
        return segment

    def _begin(self, header: Header) -> None:
        self.memory[:HEADER_SIZE] = header.encode()
        self.at = HEADER_SIZE, header.first
        self.size = len(self.memory)
        self.limit = self.size - TAIL_RESERVE

    def room(self, *, reserve: bool = False) -> int:
        """Payload bytes that still fit."""
        end = self.size - FRAME_SIZE - len(END_RECORD) if reserve else self.limit
        return end - self.at[0] - FRAME_SIZE

    def write(self, payload: bytes, calls: int = 1) -> None:
        """Appends a record that fits; a reader that sees half of it sees a wrong CRC, and waits.

        An exception from a signal handler may come anywhere: `at` changes in one step, and a record
        that was made valid just before is found again by the next write.
        """
        start, seq = self.at
        if self.memory[start : start + 4] != NOTHING:
            start, seq = self.recover()
        end = start + FRAME_SIZE + len(payload)
        self.memory[start:end] = FRAME.pack(len(payload), crc32c(payload)) + payload
        self.at = end, seq + calls

    def recover(self) -> tuple[int, int]:
        """Moves past a record that was written by a call that was interrupted at its very end."""
        start, seq = self.at
        length, _ = FRAME.unpack_from(self.memory, start)
        payload = self.memory[start + FRAME_SIZE : start + FRAME_SIZE + length]
        calls = decode_void(payload)[0] if payload[0] == VOID else int(payload[0] in NUMBERED)
        self.at = start + FRAME_SIZE + length, seq + calls
        return self.at

    def end(self) -> None:
        """Says that the next segment follows; there is always room for this."""
        self.write(END_RECORD, calls=0)

    def close(self) -> None:
        os.close(self.fd)
