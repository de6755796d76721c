"""Appending calls to one stream of a producer: sequence numbers, rolling, a full disk."""

from __future__ import annotations

import threading
import time
from typing import Protocol
from uuid import UUID

from ..config import OnFull
from ..errors import SpoolFull, TrackerError
from .places import Place
from .records import FRAME_SIZE, HEADER_SIZE, MAX_VOID, Header, encode_void
from .segments import TAIL_RESERVE, Segment

TRY_EVERY = 0.2
"""Seconds between tries to get space when there is none: a dropped call must be as cheap as a kept one."""
LARGEST_SIZE = 16 << 20
_OVERHEAD = HEADER_SIZE + TAIL_RESERVE + 4 * FRAME_SIZE


class Host(Protocol):
    """What a stream asks of its producer."""

    place: Place
    run: UUID
    id: UUID
    on_full: OnFull
    dirty: bool

    def may_grow(self, size: int) -> bool:
        """Whether the quota allows that many bytes more."""
        ...

    def first_segment(self, header: Header) -> Segment:
        """Where a stream begins; raises OSError."""
        ...

    def take_reserve(self, header: Header, needed: int) -> Segment | None:
        """The space put aside for a full disk, once, if a record of that size fits."""
        ...

    def note_dropped(self, stream: str, pending: int) -> None:
        """Counts a call given up, where a kill cannot lose the count."""
        ...

    def touched(self, *, urgent: bool) -> None:
        """There is something to flush to the disk, within 200 ms or at once."""
        ...

    def retire(self, segment: Segment) -> None:
        """Flushes and closes a segment that is full."""
        ...


class Stream:
    """One stream of one producer. Thread-safe; `append` returns when the bytes survive kill -9.

    pending  calls given up for lack of space, not yet named by a VOID record
    """

    def __init__(self, host: Host, name: str) -> None:
        self.host = host
        self.name = name
        self.pending = 0
        self.closed = False
        self._try_again = 0.0
        self._rolling = False
        self.lock = threading.RLock()
        self.segment = host.first_segment(Header(host.run, host.id, name, 1, 0))

    @property
    def seq(self) -> int:
        """Sequence number of the next call that is written."""
        return self.segment.at[1]

    def append(self, payload: bytes, *, urgent: bool = False, droppable: bool = False) -> bool:
        """Writes one call; False when it was dropped because the spool is full.

        Raises SpoolFull when the producer's policy is "raise".
        """
        with self.lock:
            kept = self.write(payload, droppable=droppable)
        self.host.touched(urgent=urgent)
        return kept

    def write(self, payload: bytes, *, droppable: bool = False) -> bool:
        """As append, for a caller that holds the lock."""
        while True:
            if not self._has_room(len(payload)) and not self._make_room(len(payload), droppable):
                return self._drop()
            segment, at = self.segment, self.segment.at
            if segment.put(payload, at):
                return True

    def _has_room(self, size: int) -> bool:
        return not self.pending and self.segment.room() >= size

    def _drop(self) -> bool:
        self.pending += 1
        self.host.note_dropped(self.name, self.pending)
        return False

    def _make_room(self, size: int, droppable: bool) -> bool:
        """Whether a record of that size can be written now, after the VOID of what was dropped before."""
        if self.closed:
            raise TrackerError("the run is finished", "client.resume_run(run.id) goes on with a run")
        needed = size + (FRAME_SIZE + 16 if self.pending else 0)
        while self.segment.room() < needed:
            if droppable and self.host.on_full == "drop_metrics" and time.monotonic() < self._try_again:
                return False
            problem = None if self._rolling else self._roll(needed, droppable)
            if problem is None and not self._rolling:
                break
            if not droppable and self.segment.room(reserve=True) >= needed:
                break
            if problem is None:
                return False  # a signal handler that logs in the middle of making room: dropped and named
            if self.host.on_full == "raise":
                raise SpoolFull(f"the spool is full: {problem}", "free space, or raise the spool's quota")
            self._try_again = time.monotonic() + TRY_EVERY
            if self.host.on_full == "drop_metrics":
                return False
            time.sleep(TRY_EVERY)
        self._name_dropped()
        return True

    def _name_dropped(self) -> None:
        while self.pending:
            segment, at = self.segment, self.segment.at
            count = min(self.pending, MAX_VOID)
            if segment.put(encode_void(count, "dropped"), at, count):
                self.pending -= count
                self.host.note_dropped(self.name, self.pending)

    def _roll(self, needed: int, droppable: bool) -> str | None:
        """Goes on in a new segment; the reason when that cannot be."""
        old = self.segment
        size = max(min(old.size * 2, LARGEST_SIZE), needed + _OVERHEAD)
        header = Header(self.host.run, self.host.id, self.name, old.index + 1, self.seq)
        self._rolling = True
        try:
            if self.segment is not old:
                return None  # a signal handler that logs was faster
            following = self._create(header, size, needed, droppable)
            if following is None:
                return "its quota is used up, or the disk is full"
            following.at = HEADER_SIZE, old.at[1]
            self.segment = following
            old.end()
        except OSError as error:
            return str(error)
        except BaseException:
            self._complete_roll(old, header)
            raise
        finally:
            self._rolling = False
        self.host.retire(old)
        return None

    def _complete_roll(self, old: Segment, header: Header) -> None:
        """After a KeyboardInterrupt somewhere in a roll: either it was made, or it never was."""
        if self.segment is old:
            self.host.place.segment(self.name, header.index).unlink(missing_ok=True)
        else:
            old.end()

    def _new(self, header: Header, size: int) -> Segment:
        return Segment(self.host.place.segment(self.name, header.index), header, size)

    def _create(self, header: Header, size: int, needed: int, droppable: bool) -> Segment | None:
        if droppable:
            return self._new(header, size) if self.host.may_grow(size) else None
        try:
            return self._new(header, size)
        except OSError:
            return self.host.take_reserve(header, needed)

    def close(self, payload: bytes) -> None:
        """Writes the stream's last record, for which there is always room."""
        with self.lock:
            self.closed = True
            if self.segment.room(reserve=True) >= len(payload) + 64:
                self._name_dropped()
                while not self.segment.put(payload, self.segment.at):
                    pass
            self.segment.limit = 0  # whoever still logs takes the slow way, and is told
        self.host.touched(urgent=True)

    def release(self) -> None:
        with self.lock:
            self.segment.close()

    def abandon(self) -> None:
        """In a forked child: the segment belongs to the parent and is never written again."""
        self.lock = threading.RLock()
        self.segment.layouts.clear()
        self.segment.close()
