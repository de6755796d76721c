"""Reading a segment that may still be written: what is valid, where it stops, and why."""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from .._crc import crc32c
from .frames import is_valid, next_valid
from .records import (
    END,
    FRAME,
    FRAME_SIZE,
    HEADER_SIZE,
    KINDS,
    NO_RUN,
    DamagedHeaderError,
    Header,
    decode_header,
)

Stop = Literal["waiting", "ended", "damaged"]


class SegmentReader:
    """Reads records from a position on; works on live, dead and copied segments alike.

    area      (offset, size) of a segment that is a part of the file
    header    of the segment; nothing but zeros where it is damaged, which its records need not be
    intact    whether the header is as it was written
    position  offset of the next record
    stop      why the last iteration stopped: waiting (nothing more yet), ended (the next segment
              follows), damaged (bytes that are no record: a torn tail, or not written fully yet)

    Raises SpoolFormatError for a segment of another release.
    """

    def __init__(self, path: Path, position: int = HEADER_SIZE, area: tuple[int, int] | None = None) -> None:
        self.path = path
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            whole = os.fstat(fd).st_size
            start, size = area or (0, whole)
            size = max(0, min(size, whole - start))  # a copied file may be cut off
            try:
                self.header, self.intact = decode_header(os.pread(fd, HEADER_SIZE, start)), True
            except DamagedHeaderError:
                self.header, self.intact = Header(NO_RUN, NO_RUN, "", 0, 0), False
            self._memory = (
                mmap.mmap(fd, size, prot=mmap.PROT_READ, offset=start) if size else mmap.mmap(-1, HEADER_SIZE)
            )
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

    def skip_damaged(self) -> int | None:
        """Moves to the next valid record behind bytes that are none; None when there is none.

        Returns about how many calls those bytes held, at least 1; 0 at a segment's end, since the
        next segment knows it exactly.
        """
        start = self.position
        if start + FRAME_SIZE > len(self.view):
            return None
        length, _ = FRAME.unpack_from(self.view, start)
        following = start + FRAME_SIZE + length
        if length and is_valid(self.view, following):
            self.position, calls = following, 1  # only its bytes are wrong, not its length
        else:
            found = next_valid(self.view, start + 1, first=KINDS)
            if found is None:
                return None
            # Records of one stream are much alike.
            like = FRAME_SIZE + FRAME.unpack_from(self.view, found)[0]
            self.position, calls = found, max(1, round((found - start) / like))
        self.stop = "waiting"
        return 0 if self.view[self.position + FRAME_SIZE] == END else calls

    def close(self) -> None:
        with contextlib.suppress(BufferError):  # a payload is still held: freed with it
            self.view.release()
            self._memory.close()
