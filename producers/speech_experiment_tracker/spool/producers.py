"""A producer's place in the spool: its folder, its streams, and the events that frame them."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from math import inf
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from speech_experiment_schemas.catalogue import type_of
from speech_experiment_schemas.envelope import encode_payload
from speech_experiment_schemas.ids import uuid7
from speech_experiment_schemas.producers import CloseReason, ProducerClosed

from ..config import OnFull
from ..errors import TrackerError
from .files import sync_file
from .keeper import keeper
from .metrics import MetricsStream
from .page import Ack, Page, read_ack
from .places import PROCESSES, Place
from .records import NO_RUN, Artifact, Event, Header, encode_artifact, encode_event
from .segments import Segment, allocate
from .streams import Stream

RESERVE_SIZE = 1 << 17
SYNC_FILES = 0.05
"""Seconds for files beside the segments, each time that these are brought onto the disk."""
DELIVERED = 2**62
MAX_EVENT_BYTES = 890_000
FORMAT = 2
FIRST_SIZE = 1 << 18
FIRST_SIZES = {"runs": 1 << 16, "metrics": 3 << 16}
"""Of first segments in the page's file; other streams begin with a file, of FIRST_SIZE."""
YOUNG = 1.0
"""Seconds for which segments that were just begun hold all that last words may need: no reserve yet."""
Subject = tuple[str, UUID]
Opening = Callable[["Producer", str], Iterable[msgspec.Struct]]
"""(producer, stream) → the first events of a stream that is opened"""


class Producer:
    """Writes the events of one (process, run) pair, or of a process when run is None.

    spool    the spool directory
    meta     what the drain must know, written behind the page
    process  name of the folder that this process's producers share
    streams  that are opened at once, so that a drain finds them when it finds the producer
    subject  what the frames (producer.opened, …) are about
    opening  the events that begin each stream
    contents number of the last artifact's content that was kept
    unsynced files beside the segments that are not on the disk yet
    on_fork  called in a forked child, where this producer is no longer its own
    """

    def __init__(
        self,
        spool: Path,
        run: UUID | None,
        *,
        meta: dict[str, Any],
        subject: Subject | None = None,
        opening: Opening,
        on_full: OnFull = "drop_metrics",
        quota: int = 10 << 30,
        process: str | None = None,
        streams: Sequence[str] = (),
    ) -> None:
        self.spool = spool
        self.run = run or NO_RUN
        self.id = uuid7()
        self.subject: Subject = subject or (("run", run) if run else ("producer", self.id))
        self.on_full: OnFull = on_full
        self.quota = quota
        self.place = Place(spool / PROCESSES / (process or str(self.id)), str(self.id))
        self.meta = {**meta, "format": FORMAT, "producer": str(self.id), "run": str(run) if run else None}
        self.streams: dict[str, Stream] = {}
        self.forked = False
        self.closed = False
        self.dirty = False
        self.contents = 0
        self.unsynced: deque[Path] = deque()
        self._is_named = False
        self.on_fork: list[Callable[[], None]] = []
        self._opening = opening
        self._lock = threading.RLock()
        self._new_files = True
        self._reserve_due = time.monotonic() + YOUNG
        self._create(streams)

    def _create(self, streams: Sequence[str]) -> None:
        about = msgspec.json.encode(self.meta)
        sizes = {stream: FIRST_SIZES[stream] for stream in streams}
        for tries_left in (2, 1, 0):
            try:
                self.page = Page(self.place.page, about, sizes)
                break
            except FileNotFoundError:  # the first of this process, or the drain has just tidied up
                if not tries_left:
                    raise
                for folder in (self.spool, self.place.folder.parent, self.place.folder):
                    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        keeper.add(self)
        for stream in streams:
            self.stream(stream)
        self.page.announce()

    def stream(self, name: str) -> Stream:
        """The stream of that name; opened, and its first events written, when it is first asked for."""
        found = self.streams.get(name)
        if found is None:
            with self._lock:
                found = self.streams.get(name)
                if found is None:
                    found = self._open(name)
        return found

    def _open(self, name: str) -> Stream:
        stream = MetricsStream(self) if name == "metrics" else Stream(self, name)
        self._new_files = True
        for payload in self._opening(self, name):
            stream.append(encode_event(event_of(payload, self.subject)), urgent=True)
        self.streams[name] = stream
        return stream

    @property
    def metrics(self) -> MetricsStream:
        stream = self.stream("metrics")
        assert isinstance(stream, MetricsStream)  # noqa: S101 - made above
        return stream

    def emit(
        self,
        payload: msgspec.Struct,
        subject: Subject | None = None,
        *,
        stream: str = "runs",
        droppable: bool = False,
        urgent: bool = True,
    ) -> bool:
        """Writes one event; False when it was dropped. One that is not urgent is on the disk within 200 ms.

        Raises TrackerError for a payload that the server would refuse.
        """
        event = event_of(payload, subject or self.subject)
        urgent = urgent and not droppable
        return self.stream(stream).append(encode_event(event), urgent=urgent, droppable=droppable)

    def emit_artifact(self, artifact: Artifact) -> bool:
        """Writes an artifact whose content the drain stores first."""
        return self.stream("artifacts").append(encode_artifact(artifact), urgent=True)

    def close(self, reason: CloseReason) -> None:
        """Writes the last event of every stream; the folder stays held until `release`."""
        with self._lock:
            if self.closed or self.forked:
                return
            self.closed = True
            problems = self.page.problems()
            closing = event_of(ProducerClosed(reason=reason, problems=problems), self.subject)
            for stream in self.streams.values():
                stream.close(encode_event(closing))

    def release(self) -> None:
        """Lets go of files and lock; the drain may remove the folder once all is delivered.

        What is not delivered yet has to be flushed before: see Keeper.dismiss.
        """
        with keeper.lock, self._lock:
            keeper.remove(self)
            if self.forked:
                return
            for stream in self.streams.values():
                stream.release()
            self.page.release()

    def after_fork(self) -> None:
        """In a forked child: this producer is the parent's; nothing may be written to it."""
        self.forked = True
        self._lock = threading.RLock()
        for stream in self.streams.values():
            stream.abandon()
        self.page.forget()
        for hook in self.on_fork:
            hook()

    # What the streams ask of their host.

    def may_grow(self, size: int) -> bool:
        if keeper.used(self.spool) + size > self.quota:
            return False
        keeper.grown(self.spool, size)
        return True

    def first_segment(self, header: Header) -> Segment:
        area = self.page.areas.get(header.stream)
        if area is None:
            return Segment(self.place.segment(header.stream, header.index), header, FIRST_SIZE)
        return Segment.within(self.page.path, self.page.fd, area, header)

    def take_reserve(self, header: Header, needed: int) -> Segment | None:
        space = self.place.reserve
        if needed > RESERVE_SIZE // 2 or not space.exists():
            return None
        self._reserve_due = time.monotonic() + YOUNG
        return Segment.adopt(space, self.place.segment(header.stream, header.index), header)

    def _put_aside(self) -> None:
        if not self.closed and time.monotonic() >= self._reserve_due:
            try:
                os.close(allocate(self.place.reserve, RESERVE_SIZE))
                self._reserve_due = inf
            except OSError:  # the disk is still full
                self._reserve_due = time.monotonic() + YOUNG

    def note_dropped(self, stream: str, pending: int) -> None:
        self.page.set_pending(stream, pending)
        if pending:
            self.page.count("dropped")

    def touched(self, *, urgent: bool) -> None:
        if urgent or not self.dirty:
            self.dirty = True
            keeper.wake(urgent=urgent)

    def retire(self, segment: Segment) -> None:
        self._new_files = True
        keeper.retire(segment)

    def sync(self) -> bool:
        """fdatasync of every segment; whether the folder has new ones. Puts the reserve aside.

        What the server has acknowledged to the end is safe without.
        """
        if self.is_delivered():
            return False
        self._put_aside()
        descriptors = {name: stream.segment.fd for name, stream in list(self.streams.items())}
        artifacts = descriptors.pop("artifacts", None)
        # First the page: nobody delivers segments without it.
        for fd in dict.fromkeys((*(() if self._is_named else (self.page.fd,)), *descriptors.values())):
            _sync(fd)
        self._is_named = True
        self._sync_files()
        if artifacts is not None:
            _sync(artifacts)
        is_new, self._new_files = self._new_files, False
        return is_new

    def _sync_files(self) -> None:
        """Contents may be large and many: metrics wait only so long for them."""
        end = time.monotonic() + SYNC_FILES
        while self.unsynced and time.monotonic() < end:
            with contextlib.suppress(OSError):
                sync_file(self.unsynced.popleft())
        if self.unsynced:
            self.touched(urgent=False)

    def is_delivered(self) -> bool:
        """Whether the server has all that was written, and nothing more will be."""
        return self.closed and all(self.ack(name).closed for name in self.streams)

    def ack(self, stream: str) -> Ack:
        """What is acknowledged of a stream; all of it, when everything was and the drain has cleared up."""
        found = self.page.ack(stream)
        if found is None:
            found = read_ack(self.place, stream) if self.place.page.exists() else Ack(DELIVERED, closed=True)
        return found


def _sync(fd: int) -> None:
    with contextlib.suppress(OSError):
        os.fdatasync(fd)


def event_of(payload: msgspec.Struct, subject: Subject) -> Event:
    """A payload checked as the server will check it; raises TrackerError that names the field."""
    entry = type_of(payload)
    data = encode_payload(payload)
    if len(data) > MAX_EVENT_BYTES:
        raise TrackerError(
            f"{entry.name} has {len(data):,} bytes, the limit is {MAX_EVENT_BYTES:,}", "log it as an artifact"
        )
    try:
        entry.decoder.decode(data)
    except msgspec.ValidationError as error:
        raise TrackerError(f"{entry.name}: {error}", "correct the named field") from None
    return Event(entry.name, entry.version, subject[0], subject[1].bytes, time.time_ns() // 1000, data)
