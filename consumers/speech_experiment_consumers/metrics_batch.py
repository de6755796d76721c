"""One batch of the topic metrics, from records to rows and summaries: everything but the writing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple
from uuid import UUID, uuid4

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

_INT32, _INT64 = 2**31 - 1, 2**63 - 1


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
        producers = {
            each.recorded.envelope.producer
            for each in self.books.accepted
            if each.recorded.envelope.run_id == run
        }
        entries = (self.books.ledger.entry(producer) for producer in sorted(producers))
        return [speaker_of(entry) for entry in entries if entry is not None]


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
        rank, attempt = self._speaker(producer)
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

    def _speaker(self, producer: UUID) -> tuple[int, int]:
        """(rank, attempt)."""
        entry = self._books.ledger.entry(producer)
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
        entry = self._books.ledger.entry(recorded.envelope.producer)
        spoken = entry is not None and entry.received
        if spoken and recorded.envelope.subject[0] == "run" and (payload.rank, payload.attempt) != (0, 1):
            self._recompute.add(recorded.subject)


def speaker_of(entry: Entry) -> Speaker:
    """Rank and attempt of a producer, the first of both until its opening is known."""
    opened = entry.opened
    if opened is None:
        return Speaker(producer_hash(entry.producer))
    return Speaker(producer_hash(entry.producer), opened.rank, opened.attempt)


def check_bounds(recorded: Recorded) -> None:
    """Raises Refused for numbers and names that the columns of Postgres cannot hold."""
    payload = recorded.payload
    if recorded.envelope.last >= _INT64:
        raise Refused("malformed", "seq: must end below 2**63 - 1")
    match payload:
        case ProducerOpened():
            _check_number("rank", payload.rank, _INT32)
            _check_number("world_size", payload.world_size, _INT32)
            _check_number("attempt", payload.attempt, _INT32)
        case RunResumed():
            _check_number("attempt", payload.attempt, _INT32)
            _check_number("from_step", payload.from_step or 0, _INT64)
        case MetricsLogged():
            if any("\0" in key for key in payload.keys):
                raise Refused("malformed", "data.keys: a name of a metric must not contain NUL")


def _check_number(field: str, value: int, limit: int) -> None:
    if not -limit <= value <= limit:
        raise Refused("malformed", f"data.{field}: must be at most {limit:,}, got {value:,}")


def _vector(books: Books) -> dict[int, Span]:
    spans: dict[int, Span] = {}
    for record in books.records:
        known = spans.get(record.partition)
        generation = books.positions[record.partition].generation
        spans[record.partition] = Span(known.first if known else record.offset, record.offset, generation)
    return spans
