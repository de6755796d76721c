"""A producer's place in the spool: its folder, its streams, and the events that frame them."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable
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
from .files import sync_folder
from .keeper import keeper
from .metrics import MetricsStream
from .page import Page
from .records import NO_RUN, Artifact, Event, Header, encode_artifact, encode_event
from .segments import Segment, allocate
from .streams import Stream

RESERVE_SIZE = 1 << 17
MAX_EVENT_BYTES = 890_000
META = "producer.json"
RESERVE = "reserve"
Subject = tuple[str, UUID]
Opening = Callable[["Producer", str], Iterable[msgspec.Struct]]
"""(producer, stream) → the first events of a stream that is opened"""


class Producer:
    """Writes the events of one (process, run) pair, or of a process when run is None.

    spool    the spool directory
    meta     what the drain must know, written to producer.json
    subject  what the frames (producer.opened, …) are about
    opening  the events that begin each stream
    contents number of the last artifact's content that was kept
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
    ) -> None:
        self.spool = spool
        self.run = run or NO_RUN
        self.id = uuid7()
        self.subject: Subject = subject or (("run", run) if run else ("producer", self.id))
        self.on_full: OnFull = on_full
        self.quota = quota
        self.folder = spool / (str(run) if run else "process") / str(self.id)
        self.meta = {**meta, "format": 1, "producer": str(self.id), "run": str(run) if run else None}
        self.streams: dict[str, Stream] = {}
        self.forked = False
        self.closed = False
        self.dirty = False
        self.contents = 0
        self.on_fork: list[Callable[[], None]] = []
        self._opening = opening
        self._lock = threading.RLock()
        self._new_files = True
        self._has_reserve = False
        self._create()

    def _create(self) -> None:
        for _ in range(3):
            with contextlib.suppress(FileNotFoundError):  # the drain may be removing the run's folder
                self.folder.mkdir(parents=True, mode=0o700)
                break
        try:
            self.page = Page(self.folder)
            (self.folder / META).write_bytes(msgspec.json.encode(self.meta))
        except OSError:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        keeper.add(self)

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
    ) -> bool:
        """Writes one event; False when it was dropped.

        Raises TrackerError for a payload that the server would refuse.
        """
        event = event_of(payload, subject or self.subject)
        return self.stream(stream).append(encode_event(event), urgent=not droppable, droppable=droppable)

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

    def take_reserve(self, header: Header, needed: int) -> Segment | None:
        space = self.folder / RESERVE
        if needed > RESERVE_SIZE // 2 or not space.exists():
            return None
        return Segment.adopt(space, self.folder, header)

    def _put_aside(self) -> None:
        if not self._has_reserve and not self.closed:
            self._has_reserve = True
            with contextlib.suppress(OSError):
                os.close(allocate(self.folder / RESERVE, RESERVE_SIZE))

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

    def sync(self) -> None:
        """fdatasync of every segment, and of the folder when there are new ones; puts the reserve aside."""
        self._put_aside()
        for stream in list(self.streams.values()):
            with contextlib.suppress(OSError):
                os.fdatasync(stream.segment.fd)
        if self._new_files:
            self._new_files = False
            for folder in (self.folder, self.folder.parent):
                sync_folder(folder)


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
