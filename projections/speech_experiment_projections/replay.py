"""One run folded out of its own records, by the folds of the live projections: what their tables hold of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from uuid import UUID

from speech_experiment_schemas.metrics import MetricsLogged
from speech_experiment_schemas.producers import ProducerOpened
from speech_experiment_schemas.runs import RunResumed

from . import runs
from .bounds import check_bounds
from .effective import Resume, cutoffs
from .ledger import Accounts
from .metrics import Piece, Series, admitted, rows
from .recorded import Recorded
from .refusal import Refused
from .runs import Run
from .summaries import Summary, merge, summarise

FLUSH_POINTS = 400_000
"""Points that are kept before they are summed up: a run of any length is folded in bounded memory."""


class RunFold:
    """The fold of a run over the topic `runs`; records come in log order.

    run      None before its first record
    refused  records that the projection parks
    """

    def __init__(self) -> None:
        self.run: Run | None = None
        self.refused = 0
        self._accounts = Accounts()

    def take(self, recorded: Recorded) -> None:
        try:
            recorded = recorded._replace(accepted=self._accounts.admit(recorded))
            if recorded.accepted:
                self.run = runs.evolve(self.run, recorded)
                self._accounts.record(recorded)
        except Refused:
            self.refused += 1


class Known(NamedTuple):
    """What a reading of the topic `metrics` has learnt: (rank, attempt) of each producer, and all resumes."""

    speakers: Mapping[UUID, tuple[int, int]]
    resumes: tuple[Resume, ...]


class MetricsFold:
    """The fold of a run over the topic `metrics`; records come in log order.

    resumes   the events that opened attempts
    refused   records that the projection parks
    outdated  whether points were summed up before a later record told that they count otherwise: the
              records are then to be given once more, to MetricsFold(fold.known)
    """

    def __init__(self, known: Known | None = None) -> None:
        self.resumes: list[Recorded] = []
        self.refused = 0
        self.outdated = False
        self._settled = known
        self._resumes: tuple[Resume, ...] = known.resumes if known else ()
        self._cutoffs = cutoffs(self._resumes)
        self._accounts = Accounts()
        self._pieces: list[Piece] = []
        self._points = 0
        self._summaries: dict[Series, Summary] = {}

    @property
    def known(self) -> Known:
        entries = self._accounts.entries.values()
        speakers = {each.producer: (each.opened.rank, each.opened.attempt) for each in entries if each.opened}
        return Known(speakers, self._resumes)

    def take(self, recorded: Recorded) -> None:
        try:
            recorded = recorded._replace(accepted=self._accounts.admit(recorded))
            if recorded.accepted:
                check_bounds(recorded)
                self._apply(recorded)
                self._accounts.record(recorded)
        except Refused:
            self.refused += 1

    def _apply(self, recorded: Recorded) -> None:
        match recorded.payload:
            case MetricsLogged() as payload:
                self._log(recorded, payload)
            case RunResumed() as payload:
                self._resume(recorded, payload)
            case ProducerOpened() as payload if self._settled is None:
                entry = self._accounts.entry_of(recorded)
                late = entry is not None and entry.opened is None
                self.outdated |= late and (payload.rank, payload.attempt) != (0, 1)

    def _log(self, recorded: Recorded, payload: MetricsLogged) -> None:
        envelope = recorded.envelope
        rank, attempt = self._speaker(recorded)
        last = self._cutoffs.last_step(attempt)
        place = (recorded.partition, recorded.offset)
        for seq, columns in admitted(payload, envelope.seq, envelope.count, recorded.accepted):
            piece = Piece(recorded.subject, rank, envelope.producer, *place, seq, last, columns)
            self._pieces.append(piece)
            self._points += len(columns.values) // 8
        if self._points >= FLUSH_POINTS:
            self._sum_up()

    def _speaker(self, recorded: Recorded) -> tuple[int, int]:
        if self._settled is not None:
            return self._settled.speakers.get(recorded.envelope.producer, (0, 1))
        entry = self._accounts.entry_of(recorded)
        opened = None if entry is None else entry.opened
        return (0, 1) if opened is None else (opened.rank, opened.attempt)

    def _resume(self, recorded: Recorded, payload: RunResumed) -> None:
        self.resumes.append(recorded)
        if self._settled is None:
            self._resumes += (Resume(payload.attempt, payload.from_step),)
            self._cutoffs = cutoffs(self._resumes)
            self.outdated |= payload.from_step is not None

    def _sum_up(self) -> None:
        pieces = [piece for piece in self._pieces if piece.columns.values]
        for summary in summarise(rows(pieces)).rows() if pieces else ():
            known = self._summaries.get(summary.series)
            self._summaries[summary.series] = summary if known is None else merge(known, summary)
        self._pieces, self._points = [], 0

    def summaries(self) -> list[Summary]:
        """Of every series that has a point on its effective curve."""
        self._sum_up()
        return sorted(self._summaries.values(), key=lambda each: (each.series.key, each.series.rank))
