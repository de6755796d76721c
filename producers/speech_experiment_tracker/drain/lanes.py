"""One stream of one producer on its way: read from the spool, sealed, waiting for acknowledgement."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import msgspec

from speech_experiment_schemas.errors import InvalidEvent
from speech_experiment_schemas.producers import CloseReason, ProducerClosed, SeqVoided
from speech_experiment_schemas.sealing import Sealer

from ..spool.page import ack_of, areas_of, pending_of, problems_of, read_ack, read_page
from ..spool.places import Place
from ..spool.reader import SegmentReader
from ..spool.records import (
    ARTIFACT,
    EVENT,
    HEADER_SIZE,
    LAYOUT,
    LAYOUT_HEAD,
    METRICS,
    VOID,
    Artifact,
    Event,
    SpoolFormatError,
    decode_artifact,
    decode_event,
    decode_layout,
    decode_void,
)
from .columns import Columns, Layout
from .hypotheses import Rows
from .journal import Book, Cursor, Journal

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

    def __init__(
        self, place: Place, run: UUID | None, producer: UUID, stream: str, store: Store, book: Book
    ) -> None:
        self.place = place
        self.producer = producer
        self.stream = stream
        self.subject = ("run", run) if run else ("producer", producer)
        self.run = run
        self.problems: dict[str, int] = {}
        page = read_page(place)
        self._area = areas_of(page).get(stream)
        ack = ack_of(page, stream) or read_ack(place, stream)
        self.journal = Journal(book, place, stream, ack, lost=self._void_lost)
        cursor = self.journal.cursor
        self.sealer = Sealer(producer, stream, seq=cursor.seq, prev=cursor.prev)
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
                if self._reader is None and not self._open(dead):
                    return self._end(dead)
            except SpoolFormatError as error:
                self.unreadable = f"{self._path(self.journal.cursor.segment)} {error}"
                return self._sealed
            assert self._reader is not None  # noqa: S101 - opened above
            self._seal_records(self._reader)
            if self.closed or self._sealed >= ROUND_BYTES:
                break
            if self._reader.stop == "ended":
                self._next_segment()
            elif not dead and not (self._reader.stop == "damaged" and self._following()):
                return self._sealed  # it may still be written
            elif not self._pass_damage(self._reader):
                if not self._following():
                    return self._end(dead)
                self._next_segment()
        return self._sealed

    def _end(self, dead: bool) -> int:
        if dead and not self.closed:
            self._close_for_the_dead()
        return self._sealed

    # Segments.

    def _path(self, index: int) -> Path:
        return self.place.segment(self.stream, index)

    def _has(self, index: int) -> bool:
        return (index == 1 and self._area is not None) or self._path(index).exists()

    def _read(self, index: int) -> SegmentReader:
        if index == 1 and self._area is not None:
            return SegmentReader(self.place.page, area=self._area)
        return SegmentReader(self._path(index))

    def _following(self) -> int | None:
        """The next segment that is there; None when the current one is the last."""
        current = self.journal.cursor.segment
        if self._path(current + 1).exists():
            return current + 1
        return min((i for i in self.place.indices(self.stream) if i > current), default=None)

    def _open(self, dead: bool) -> bool:
        """Opens the segment of the cursor, or the one that follows where it is gone."""
        if not self._has(self.journal.cursor.segment):
            if not self._following():
                return False
            self._next_segment()
        reader = self._read(self.journal.cursor.segment)
        if not reader.intact and not dead and not self._following():
            reader.close()
            return False  # it is just being made
        self._void_until(reader.header.first)
        self._learn_until(reader, self.journal.cursor.offset)
        self._reader = reader
        return True

    def _learn_until(self, reader: SegmentReader, offset: int) -> None:
        """Learns the layouts that calls beyond the offset may use, and goes there."""
        while reader.position < offset:
            for payload in reader.records():
                if reader.position > offset:
                    break
                if payload[0] == LAYOUT:
                    self._learn(payload)
            if reader.position < offset and reader.skip_damaged() is None:
                break
        reader.position = offset
        reader.stop = "waiting"

    def _void_until(self, first: int) -> None:
        """At a segment's beginning: names the calls before its first one that were never read."""
        cursor = self.journal.cursor
        if cursor.offset == HEADER_SIZE and first > self.sealer.seq:
            self._void(first - self.sealer.seq, "damaged", HEADER_SIZE)

    def _next_segment(self) -> None:
        index = self._following() or self.journal.cursor.segment + 1
        self.journal.cursor = Cursor(index, HEADER_SIZE, self.sealer.seq, self.sealer.prev)
        self._layouts = {}
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def remove_read(self) -> None:
        """Deletes segments that are sealed to their end; call it when the journal is on the disk."""
        if self.journal.book.failed:
            return
        index = self.journal.cursor.segment - 1
        while index > 0 and self._path(index).exists():
            self._path(index).unlink()
            index -= 1
        while self.leftovers:
            self.leftovers.pop().unlink(missing_ok=True)

    def sync(self) -> None:
        """Brings onto the disk what has to be there before anything is sent."""
        self.journal.book.sync()

    def _learn(self, payload: memoryview) -> None:
        try:
            number, keys = decode_layout(payload)
        except msgspec.MsgspecError:
            return
        self._layouts[number] = Layout(keys)

    # Sealing.

    def _seal_records(self, reader: SegmentReader) -> None:
        columns, rows = Columns(), Rows()
        nameless = 0  # calls in a row whose keys stood in a damaged record
        done = reader.position
        for payload in reader.records():
            kind = payload[0]
            if nameless and kind != METRICS:
                nameless = self._void_nameless(nameless, done)
            if kind == METRICS:
                layout = self._layouts.get(LAYOUT_HEAD.unpack_from(payload)[2])
                if layout is None or len(payload) != layout.payload_size:
                    columns = self._flush(columns, done)
                    nameless += 1
                elif nameless:
                    nameless = self._void_nameless(nameless, done)
                    columns.add(layout, payload)
                elif not columns.add(layout, payload):
                    columns = self._flush(columns, done)
                    columns.add(layout, payload)
            elif kind == LAYOUT:
                self._learn(payload)
            else:
                columns = self._flush(columns, done)
                rows = self._gather(rows, kind, payload, done, reader)
            done = reader.position
            if self._sealed >= ROUND_BYTES:
                break
        self._flush(columns, done)
        self._flush_rows(rows, done)
        self._void_nameless(nameless, done)

    def _void_nameless(self, count: int, offset: int) -> int:
        if count:
            self._void(count, "damaged", offset)
        return 0

    def _gather(self, rows: Rows, kind: int, payload: memoryview, before: int, reader: SegmentReader) -> Rows:
        """Gathers what was logged hypothesis by hypothesis; seals whatever else it is."""
        event = decode_event(payload) if kind == EVENT else None
        if event is not None and Rows.takes(event):
            if not rows.add(event):
                rows = self._flush_rows(rows, before)
                rows.add(event)
            return rows
        rows = self._flush_rows(rows, before)
        if event is not None:
            self._seal_event(event, reader.position)
        else:
            self._seal_other(kind, payload, before, reader)
        return rows

    def _flush_rows(self, rows: Rows, offset: int) -> Rows:
        if not rows.count:
            return rows
        assert rows.subject is not None  # noqa: S101 - it has a first call
        self._seal(rows.payload(), rows.count, offset, rows.ts, of=("evaluation", rows.subject))
        return Rows()

    def _seal_other(self, kind: int, payload: memoryview, before: int, reader: SegmentReader) -> None:
        if kind == VOID:
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

    def _seal_event(self, event: Event, offset: int) -> None:
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

    def _void_lost(self, cursor: Cursor, count: int) -> bytes | None:
        """The record in the place of sealed ones that the journal has lost; None if they can be sealed anew."""
        if self._has(cursor.segment):
            return None
        self.problems["damaged"] = self.problems.get("damaged", 0) + count
        sealer = Sealer(self.producer, self.stream, seq=cursor.seq, prev=cursor.prev)
        return sealer.seal(SeqVoided(reason="damaged"), self.subject, count=count)

    def _void(self, count: int, reason: str, offset: int) -> None:
        if reason == "damaged":
            self.problems["damaged"] = self.problems.get("damaged", 0) + count
        self._seal(SeqVoided(reason="dropped" if reason == "dropped" else "damaged"), count, offset)

    def _seal(
        self,
        payload: msgspec.Struct,
        count: int,
        offset: int,
        ts: int | None = None,
        of: tuple[str, UUID] | None = None,
    ) -> None:
        """of: what the payload is about, where it is not the run."""
        seq = self.sealer.seq
        run = self.run if of is not None else None
        try:
            record = self.sealer.seal(payload, of or self.subject, run=run, count=count, ts=ts)
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
        """Goes on after bytes that are no record, and names what they held; False when nothing follows."""
        calls = reader.skip_damaged()
        if calls:
            self._void(calls, "damaged", reader.position)
        return calls is not None

    def _close_for_the_dead(self) -> None:
        page = read_page(self.place)
        offset = self._reader.position if self._reader else self.journal.cursor.offset
        dropped = pending_of(page, self.stream)
        if dropped:
            self._void(dropped, "dropped", offset)
        if self._reader is not None and self._reader.stop == "damaged":
            # A call that was being written, or one that returned and whose bytes changed: nobody can tell.
            self._void(1, "damaged", offset)
        forgotten = self.journal.ack.seq - self.sealer.seq
        if forgotten > 0:  # delivered once, and neither in the journal nor in the spool any more
            self._void(forgotten, "damaged", offset)
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
