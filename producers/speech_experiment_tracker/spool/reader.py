"""Reading a segment that may still be written: what is valid, where it stops, and why."""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from .._crc import crc32c
from .records import END, FRAME, FRAME_SIZE, HEADER_SIZE, Header, decode_header

Stop = Literal["waiting", "ended", "damaged"]


class SegmentReader:
    """Reads records from a position on; works on live, dead and copied segments alike.

    header    of the segment; raises SpoolFormatError when the file has none
    position  offset of the next record
    stop      why the last iteration stopped: waiting (nothing more yet), ended (the next segment
              follows), damaged (bytes that are no record: a torn tail, or not written fully yet)
    """

    def __init__(self, path: Path, position: int = HEADER_SIZE) -> None:
        self.path = path
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            size = os.fstat(fd).st_size
            self.header: Header = decode_header(os.pread(fd, HEADER_SIZE, 0))
            self._memory = mmap.mmap(fd, size, prot=mmap.PROT_READ)
        finally:
            os.close(fd)
        self.view = memoryview(self._memory)
        self.position = position
        self.stop: Stop = "waiting"

    def pending(self) -> bool:
        """Whether there seems to be something after the position; costs nothing."""
        return self.stop == "waiting" and any(self.view[self.position : self.position + 4])

    def records(self) -> Iterator[memoryview]:
        """Valid payloads from the position on; the position moves past each one that was taken."""
        view, limit = self.view, len(self.view)
        self.stop = "waiting"
        while self.position + FRAME_SIZE <= limit:
            length, crc = FRAME.unpack_from(view, self.position)
            if not length:
                return
            body = self.position + FRAME_SIZE
            end = body + length
            if end > limit or crc32c(view[body:end]) != crc:
                self.stop = "damaged"
                return
            if view[body] == END:
                self.stop = "ended"
                return
            self.position = end
            yield view[body:end]

    def skip_damaged(self) -> bool:
        """Moves past a record with wrong bytes when a valid one follows; False for a torn tail."""
        length, _ = FRAME.unpack_from(self.view, self.position)
        following = self.position + FRAME_SIZE + length
        if following + FRAME_SIZE > len(self.view):
            return False
        length, crc = FRAME.unpack_from(self.view, following)
        body = following + FRAME_SIZE
        if not length or body + length > len(self.view) or crc32c(self.view[body : body + length]) != crc:
            return False
        self.position = following
        return True

    def close(self) -> None:
        with contextlib.suppress(BufferError):  # a payload is still held: freed with it
            self.view.release()
            self._memory.close()
