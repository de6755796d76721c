"""One batch of the topic metrics, from records to rows and summaries: everything but the writing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple
from uuid import UUID, uuid4

from speech_experiment_projections.bounds import check_bounds
from speech_experiment_projections.curves import Speaker
from speech_experiment_projections.effective import NO_CUTOFFS, Cutoffs, Resume, cutoffs
from speech_experiment_projections.ledger import Entry
from speech_experiment_projections.metrics import Piece, Rows, admitted, rows
from speech_experiment_projections.recorded import Recorded
from speech_experiment_projections.refusal import Refused
from speech_experiment_projections.summaries import NO_SUMMARIES, Summaries, summarise
from speech_experiment_schemas.ids import producer_hash
from speech_experiment_schemas.metrics import MetricsLogged
from speech_experiment_schemas.producers import ProducerOpened
from speech_experiment_schemas.runs import RunResumed

from .bookkeeping import Books
from .clickhouse_points import Span

Resumes = dict[UUID, tuple[Resume, ...]]


class Prepared(NamedTuple):
    """A batch that is ready to be written.

    id            names its pending vector; None: it has nothing to insert, and so no vector
    vector        partition → offsets
    rows          None when no record has a point that is new
    rows_offsets  partition → last offset that has
    summaries     of the rows, but for runs that are recomputed
    recompute     runs of which it changed what counts
    resumes       events that open attempts
    keys, runs    those with new points; run → partition
    """

    id: UUID | None
    books: Books
    vector: Mapping[int, Span]
    rows: Rows | None
    rows_offsets: Mapping[int, int]
    summaries: Summaries
    recompute: frozenset[UUID]
    resumes: list[Recorded]
    keys: frozenset[str]
    runs: Mapping[UUID, int]

    def resumes_of(self, run: UUID) -> tuple[Resume, ...]:
        """The attempts of a run that the batch opens."""
        payloads = (each.payload for each in self.resumes if each.subject == run)
        return tuple(
            Resume(payload.attempt, payload.from_step)
            for payload in payloads
            if isinstance(payload, RunResumed)
        )

    def speakers_of(self, run: UUID) -> list[Speaker]:
        """The producers of a run that the batch has events of."""
        of_run = [each.recorded for each in self.books.accepted if each.recorded.envelope.run_id == run]
        entries = (self.books.ledger.entry_of(each) for each in of_run)
        found = {entry.producer: entry for entry in entries if entry is not None}
        return [speaker_of(found[producer]) for producer in sorted(found)]


class Collector:
    """Takes the events of a batch in log order; `books` admits them, one by one."""

    def __init__(self, books: Books, resumes: Resumes, colliding: Collection[str | UUID]) -> None:
        """resumes: of every run of the batch; grows as events tell of more."""
        self._books = books
        self._resumes = resumes
        self._colliding = frozenset(colliding)
        self._cutoffs: dict[UUID, Cutoffs] = {}
        self._pieces: list[Piece] = []
        self._resumed: list[Recorded] = []
        self._recompute: set[UUID] = set()
        self._keys: set[str] = set()
        self._runs: dict[UUID, int] = {}
        self._rows_offsets: dict[int, int] = {}

    def apply(self, recorded: Recorded) -> None:
        """Raises Refused for a name whose hash is that of another, and for what the columns cannot hold."""
        check_bounds(recorded)
        match recorded.payload:
            case MetricsLogged() as payload:
                self._log(recorded, payload)
            case RunResumed() as payload:
                self._resume(recorded, payload)
            case ProducerOpened() as payload:
                self._open(recorded, payload)

    def prepare(self) -> Prepared:
        """The rows and summaries of all that was applied."""
        made = rows(self._pieces) if self._rows_offsets else None
        summaries = summarise(made) if made else NO_SUMMARIES
        return Prepared(
            uuid4() if made else None,
            self._books,
            _vector(self._books),
            made,
            self._rows_offsets,
            summaries.without(self._recompute),
            frozenset(self._recompute),
            self._resumed,
            frozenset(self._keys),
            self._runs,
        )

    def _log(self, recorded: Recorded, payload: MetricsLogged) -> None:
        run, producer = recorded.subject, recorded.envelope.producer
        self._check(run, payload.keys)
        rank, attempt = self._speaker(recorded)
        last = self._cut(run).last_step(attempt)
        place = (recorded.partition, recorded.offset)
        parts = admitted(payload, recorded.envelope.seq, recorded.envelope.count, recorded.accepted)
        pieces = [Piece(run, rank, producer, *place, seq, last, columns) for seq, columns in parts]
        if any(piece.columns.values for piece in pieces):
            self._pieces += pieces
            self._rows_offsets[recorded.partition] = recorded.offset
            self._keys.update(payload.keys)
            self._runs[run] = recorded.partition

    def _check(self, run: UUID, keys: list[str]) -> None:
        if self._colliding and (clash := self._colliding.intersection((run, *keys))):
            raise Refused("collision", f"the 64-bit hash of {next(iter(clash))} is that of another name")

    def _speaker(self, recorded: Recorded) -> tuple[int, int]:
        """(rank, attempt)."""
        entry = self._books.ledger.entry_of(recorded)
        opened = None if entry is None else entry.opened
        return (0, 1) if opened is None else (opened.rank, opened.attempt)

    def _cut(self, run: UUID) -> Cutoffs:
        if run not in self._cutoffs:
            self._cutoffs[run] = cutoffs(self._resumes[run]) if self._resumes[run] else NO_CUTOFFS
        return self._cutoffs[run]

    def _resume(self, recorded: Recorded, payload: RunResumed) -> None:
        """Points of earlier attempts that are there, or in this batch, may no longer count."""
        run = recorded.subject
        self._resumed.append(recorded)
        self._resumes[run] += (Resume(payload.attempt, payload.from_step),)
        self._cutoffs.pop(run, None)
        if payload.from_step is not None:
            self._recompute.add(run)

    def _open(self, recorded: Recorded, payload: ProducerOpened) -> None:
        """An opening that comes after points of its producer tells late whose they are."""
        entry = self._books.ledger.entry_of(recorded)
        spoken = entry is not None and entry.received and entry.opened is None
        if spoken and recorded.envelope.subject[0] == "run" and (payload.rank, payload.attempt) != (0, 1):
            self._recompute.add(recorded.subject)


def speaker_of(entry: Entry) -> Speaker:
    """Rank and attempt of a producer, the first of both until its opening is known."""
    opened = entry.opened
    if opened is None:
        return Speaker(producer_hash(entry.producer))
    return Speaker(producer_hash(entry.producer), opened.rank, opened.attempt)


def _vector(books: Books) -> dict[int, Span]:
    spans: dict[int, Span] = {}
    for record in books.records:
        known = spans.get(record.partition)
        generation = books.positions[record.partition].generation
        spans[record.partition] = Span(known.first if known else record.offset, record.offset, generation)
    return spans
