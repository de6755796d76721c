"""One stream of one producer on its way: read from the spool, sealed, waiting for acknowledgement."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import msgspec

from speech_experiment_schemas.errors import InvalidEvent
from speech_experiment_schemas.producers import CloseReason, ProducerClosed, SeqVoided
from speech_experiment_schemas.sealing import Sealer

from ..spool.page import pending_of, problems_of, read_page
from ..spool.reader import SegmentReader
from ..spool.records import (
    ARTIFACT,
    EVENT,
    HEADER_SIZE,
    LAYOUT,
    LAYOUT_HEAD,
    METRICS,
    NUMBERED,
    VOID,
    Artifact,
    SpoolFormatError,
    decode_artifact,
    decode_event,
    decode_layout,
    decode_void,
)
from ..spool.segments import segment_name
from .columns import Columns, Layout
from .journal import Cursor, Journal

Store = Callable[["Lane", Artifact], msgspec.Struct | None]
"""Stores an artifact's content; the event that says so, or None when the content is gone."""
ROUND_BYTES = 2_000_000
"""About how much of a stream is sealed before others have their turn."""


class Lane:
    """Reads one stream and seals it. Not thread-safe: one courier owns it.

    run        None for a process's own producer
    problems   what went wrong with the spool's bytes, by kind
    finished   the courier has let go of it
    unreadable why a segment cannot be read by this release; the stream waits then
    leftovers  files of contents that are stored, removed when the journal says so on the disk
    """

    def __init__(self, folder: Path, run: UUID | None, producer: UUID, stream: str, store: Store) -> None:
        self.folder = folder
        self.stream = stream
        self.subject = ("run", run) if run else ("producer", producer)
        self.run = run
        self.journal = Journal(folder, stream)
        cursor = self.journal.cursor
        self.sealer = Sealer(producer, stream, seq=cursor.seq, prev=cursor.prev)
        self.problems: dict[str, int] = {}
        self.leftovers: list[Path] = []
        self.unreadable = ""
        self.finished = False
        self._store = store
        self._reader: SegmentReader | None = None
        self._layouts: dict[int, Layout] = {}
        self._sealed = 0

    @property
    def closed(self) -> bool:
        return self.journal.cursor.closed

    @property
    def done(self) -> bool:
        """Closed and acknowledged to the end."""
        return self.closed and not self.journal.waiting

    def advance(self, *, dead: bool) -> int:
        """Seals what has been written meanwhile, up to a share; the number of bytes sealed.

        dead: the writer was gone before this call, so that what is there is all there will be.
        Raises what `store` raises; nothing is skipped then.
        """
        self._sealed = 0
        while not self.closed and self._sealed < ROUND_BYTES:
            try:
                if self._reader is None and not self._open():
                    return self._end(dead)
            except SpoolFormatError as error:
                self.unreadable = f"{self._path(self.journal.cursor.segment)} {error}"
                return self._sealed
            assert self._reader is not None  # noqa: S101 - opened above
            self._seal_records(self._reader)
            if self._sealed >= ROUND_BYTES:
                break
            if self._reader.stop == "ended":
                self._next_segment()
            elif self._reader.stop == "damaged" and (dead or self._has_next()):
                if not self._pass_damage(self._reader):
                    return self._end(dead)
            else:
                return self._end(dead)
        return self._sealed

    def _end(self, dead: bool) -> int:
        if dead and not self.closed:
            self._close_for_the_dead()
        return self._sealed

    # Segments.

    def _path(self, index: int) -> Path:
        return self.folder / segment_name(self.stream, index)

    def _has_next(self) -> bool:
        return self._path(self.journal.cursor.segment + 1).exists()

    def _open(self) -> bool:
        cursor = self.journal.cursor
        path = self._path(cursor.segment)
        if not path.exists():
            return False
        reader = SegmentReader(path)
        for payload in reader.records():  # the layouts that calls beyond the cursor may use
            if reader.position > cursor.offset:
                break
            if payload[0] == LAYOUT:
                self._learn(payload)
        reader.position = cursor.offset
        reader.stop = "waiting"
        self._reader = reader
        return True

    def _next_segment(self) -> None:
        cursor = self.journal.cursor
        self.journal.cursor = Cursor(cursor.segment + 1, HEADER_SIZE, self.sealer.seq, self.sealer.prev)
        self._layouts = {}
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def remove_read(self) -> None:
        """Deletes segments that are sealed to their end; call it when the journal is on the disk."""
        index = self.journal.cursor.segment - 1
        while index > 0 and self._path(index).exists():
            self._path(index).unlink()
            index -= 1
        while self.leftovers:
            self.leftovers.pop().unlink(missing_ok=True)

    def _learn(self, payload: memoryview) -> None:
        try:
            number, keys = decode_layout(payload)
        except msgspec.MsgspecError:
            return
        self._layouts[number] = Layout(keys)

    # Sealing.

    def _seal_records(self, reader: SegmentReader) -> None:
        columns = Columns()
        done = reader.position
        for payload in reader.records():
            kind = payload[0]
            if kind == METRICS:
                layout = self._layouts.get(LAYOUT_HEAD.unpack_from(payload)[2])
                if layout is None or len(payload) != layout.payload_size:
                    columns = self._flush(columns, done)
                    self._void(1, "damaged", reader.position)
                elif not columns.add(layout, payload):
                    columns = self._flush(columns, done)
                    columns.add(layout, payload)
            elif kind == LAYOUT:
                self._learn(payload)
            else:
                columns = self._flush(columns, done)
                self._seal_other(kind, payload, done, reader)
            done = reader.position
            if self._sealed >= ROUND_BYTES:
                break
        self._flush(columns, done)

    def _seal_other(self, kind: int, payload: memoryview, before: int, reader: SegmentReader) -> None:
        if kind == EVENT:
            self._seal_event(payload, reader.position)
        elif kind == VOID:
            count, reason = decode_void(payload)
            self._void(count, reason, reader.position)
        elif kind == ARTIFACT:
            try:
                self._seal_artifact(decode_artifact(payload), reader.position)
            except BaseException:
                reader.position = before  # it stays the next one
                raise

    def _flush(self, columns: Columns, offset: int) -> Columns:
        if not columns.count:
            return columns
        self._seal(columns.payload(), columns.count, offset)
        return Columns()

    def _seal_event(self, payload: memoryview, offset: int) -> None:
        event = decode_event(payload)
        subject = (event.subject_kind, UUID(bytes=event.subject))
        run = self.run if event.subject_kind != "run" else None
        seq = self.sealer.seq
        record = self.sealer.seal_raw(event.type, event.v, event.data, subject, run, 1, event.ts)
        self._note(record, seq, 1, offset, closed=event.type == "producer.closed")

    def _seal_artifact(self, artifact: Artifact, offset: int) -> None:
        payload = self._store(self, artifact)
        if payload is None:
            self.problems["artifact_lost"] = self.problems.get("artifact_lost", 0) + 1
            self._void(1, "damaged", offset)
        else:
            self._seal(payload, 1, offset, ts=artifact.ts)

    def _void(self, count: int, reason: str, offset: int) -> None:
        if reason == "damaged":
            self.problems["damaged"] = self.problems.get("damaged", 0) + count
        self._seal(SeqVoided(reason="dropped" if reason == "dropped" else "damaged"), count, offset)

    def _seal(self, payload: msgspec.Struct, count: int, offset: int, ts: int | None = None) -> None:
        seq = self.sealer.seq
        try:
            record = self.sealer.seal(payload, self.subject, count=count, ts=ts)
        except InvalidEvent as error:
            record = self.sealer.seal(
                SeqVoided(reason="refused", detail=str(error)[:500]), self.subject, count=count
            )
        self._note(record, seq, count, offset, closed=isinstance(payload, ProducerClosed))

    def _note(self, record: bytes, seq: int, count: int, offset: int, *, closed: bool = False) -> None:
        segment = self.journal.cursor.segment
        cursor = Cursor(segment, offset, self.sealer.seq, self.sealer.prev, closed)
        self.journal.append(record, seq, count, cursor)
        self._sealed += len(record)

    def emit(self, payload: msgspec.Struct) -> None:
        """Seals an event of the drain's own producer, which has a journal and no segments."""
        self._seal(payload, 1, self.journal.cursor.offset)

    # The dead and the damaged.

    def _pass_damage(self, reader: SegmentReader) -> bool:
        """Goes on after bytes that are no record, and names what they held; False at a torn tail."""
        kind = reader.view[reader.position + 8]
        if reader.skip_damaged():
            reader.stop = "waiting"
            if kind in NUMBERED:
                self._void(1, "damaged", reader.position)
            return True
        if not self._has_next():
            return False
        lost = SegmentReader(self._path(self.journal.cursor.segment + 1)).header.first - self.sealer.seq
        if lost > 0:
            self._void(lost, "damaged", reader.position)
        self._next_segment()
        return True

    def _close_for_the_dead(self) -> None:
        page = read_page(self.folder)
        offset = self._reader.position if self._reader else self.journal.cursor.offset
        dropped = pending_of(page, self.stream)
        if dropped:
            self._void(dropped, "dropped", offset)
        self._seal(ProducerClosed(reason=self.reason_of_death, problems=problems_of(page)), 1, offset)

    reason_of_death: CloseReason = "lost"

    def close(self) -> None:
        """Lets go of the files; the courier is through with the stream."""
        self.finished = True
        self.journal.close()
        if self._reader is not None:
            self._reader.close()


def void_for(refused: bytes, code: str, message: str) -> bytes:
    """The record that takes a refused one's place: its own range, its own link in the chain."""
    from hashlib import sha256

    from speech_experiment_schemas.envelope import decode

    envelope = decode(refused)
    sealer = Sealer(envelope.producer, envelope.stream, seq=envelope.seq, prev=envelope.prev)
    payload = SeqVoided(
        reason="refused", digest=sha256(refused).hexdigest(), detail=f"{code}: {message}"[:500]
    )
    return sealer.seal(payload, envelope.subject, run=envelope.run, count=envelope.count)


def streams_in(folder: Path) -> Iterator[str]:
    """The streams that a producer's folder has segments or journals of."""
    names = {path.name.rsplit("-", 1)[0] for path in folder.glob("*.seg")}
    names |= {path.stem for path in (folder / "drain").glob("*.journal")}
    yield from sorted(names)
