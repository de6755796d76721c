"""What the log says of some runs, gathered in one reading: the side that a verification believes.

The folds are those of the live projections; of metric points only digests are kept, a line a record.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Mapping
from hashlib import md5
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from speech_experiment_schemas import digest
from speech_experiment_schemas.artifacts import ArtifactLogged
from speech_experiment_schemas.evaluations import EvaluationEvent, Hypotheses
from speech_experiment_schemas.measurements import MeasurementLogged
from speech_experiment_schemas.metrics import MetricsLogged
from speech_experiment_schemas.producers import SeqVoided
from speech_experiment_schemas.runs import RunHeartbeat, RunOutput, RunResumed

from . import evaluations, measurements, runs
from .artifacts import ArtifactRow, Path, artifact_row, path_of
from .contacts import Beat
from .effective import Resume
from .evaluations import Evaluation
from .ledger import Account, Accounts, account_of
from .measurements import MeasurementRow
from .metrics import admitted
from .point_digests import Part, point_digests
from .reading import Rejected
from .recorded import Recorded
from .refusal import Refused
from .runs import Run
from .texts import clean_text

Place = tuple[int, int]
"""(partition, offset)"""
COUNTED, REPLACES = 1, 2
"""Flags of a line: it counts for the projection; it stands for a record that was refused."""
_WIDTH = 9
_FLUSH_POINTS = 300_000
_FLUSH_PARTS = 3_000


class Lines:
    """The records of one account in one topic, as columns in log order.

    points, mark  how many points the record gave, and the sum of their digests
    link, before  the first eight bytes of the record's digest and of its `prev`; 0 for none
    """

    def __init__(self) -> None:
        self._cells = array("Q")

    def __len__(self) -> int:
        return len(self._cells) // _WIDTH

    def add(self, recorded: Recorded, link: bytes, flags: int) -> int:
        """Returns the number of the line."""
        envelope = recorded.envelope
        before = int.from_bytes(envelope.prev[:8], "big")
        place = (recorded.offset, recorded.time, envelope.seq, envelope.last)
        self._cells.extend((*place, 0, 0, int.from_bytes(link[:8], "big"), before, flags))
        return len(self) - 1

    def credit(self, line: int, points: int, mark: int) -> None:
        """Adds points to a line."""
        at = line * _WIDTH + 4
        self._cells[at] += points
        self._cells[at + 1] = (self._cells[at + 1] + mark) % 2**64

    @property
    def columns(self) -> NDArray[np.uint64]:
        """Rows of offset, time, seq, last, points, mark, link, before, flags."""
        return np.frombuffer(self._cells.tobytes(), np.uint64).reshape(-1, _WIDTH)


class Unseen(NamedTuple):
    """A run that nobody asked for; its first record here."""

    partition: int
    offset: int
    time: int


class Batch(NamedTuple):
    """Hypotheses of one record; digest: MD5 of its data, as Postgres computes it."""

    first: int
    rows: int
    digest: str


class Evidence:
    """Takes the records of one topic about some runs, each partition in log order.

    accounts   the ledger as it must be
    lines      every record of each account, in log order
    folded     the runs as they must be, with the versions of each: (offset, MD5 of the version)
    beats      heartbeats of each run
    output     offset → MD5 of the lines, of each run
    artifacts  the rows as they must be; measurements likewise
    evaluations  as they must be; hypotheses: those of each, offset → batch
    resumes    what opened the attempts of each run, by the topic's own account
    """

    def __init__(self, topic: str, wanted: Collection[UUID], parked: Mapping[Place, str]) -> None:
        """parked: dead letters of the projection, which it has passed by, and their reasons."""
        self.topic = topic
        self.accounts = Accounts()
        self.lines: dict[Account, Lines] = {}
        self.folded: dict[UUID, Run] = {}
        self.versions: dict[UUID, list[tuple[int, str]]] = {}
        self.beats: dict[UUID, list[Beat]] = {}
        self.output: dict[UUID, dict[int, str]] = {}
        self.artifacts: dict[UUID, ArtifactRow] = {}
        self.evaluations: dict[UUID, Evaluation] = {}
        self.hypotheses: dict[UUID, dict[int, Batch]] = {}
        self.measurements: dict[UUID, MeasurementRow] = {}
        self.resumes: dict[UUID, list[Resume]] = {}
        self._wanted = frozenset(wanted)
        self._parked = parked
        self._paths: dict[Path, int] = {}
        self._parts: list[Part] = []
        self._places: list[tuple[Lines, int]] = []
        self._waiting = 0

    def take(self, recorded: Recorded | Rejected) -> None:
        """A record of the topic, if it is about one of the runs."""
        if isinstance(recorded, Rejected) or recorded.envelope.run_id not in self._wanted:
            return
        account = account_of(recorded)
        try:
            recorded = recorded.admitted(self.accounts.admit(recorded))
        except Refused:
            return  # a stranger's
        counts = bool(recorded.accepted) and (recorded.partition, recorded.offset) not in self._parked
        try:
            link = self._apply(account, recorded) if counts else digest(recorded.envelope)
        except Refused:
            counts, link = False, digest(recorded.envelope)
        flags = (COUNTED if counts else 0) | (REPLACES if _replaces(recorded) else 0)
        lines = self.lines.setdefault(account, Lines())
        line = lines.add(recorded, link, flags)
        if counts and isinstance(recorded.payload, MetricsLogged):
            self._gather(recorded, recorded.payload, lines, line)

    def _apply(self, account: Account, recorded: Recorded) -> bytes:
        """Projects an admitted record; returns its digest, which the ledger has made on the way."""
        match self.topic:
            case "runs" if recorded.envelope.subject[0] == "run":
                self._fold(recorded)
            case "metrics" if isinstance(recorded.payload, RunResumed):
                resume = Resume(recorded.payload.attempt, recorded.payload.from_step)
                self.resumes.setdefault(recorded.subject, []).append(resume)
            case "artifacts" if isinstance(recorded.payload, ArtifactLogged):
                self._log(recorded, recorded.payload)
            case "evaluations" if isinstance(recorded.payload, EvaluationEvent):
                self._evaluate(recorded)
            case "evaluations" if isinstance(recorded.payload, MeasurementLogged):
                row = measurements.row(recorded, recorded.payload)
                self.measurements.setdefault(row.id, row)
        known = self.accounts.entries.get(account)
        before = known.digest if known is not None else bytes(32)
        after = self.accounts.record(recorded).digest
        return bytes(a ^ b for a, b in zip(before[:8], after[:8], strict=True))

    def _fold(self, recorded: Recorded) -> None:
        known = self.folded.get(recorded.subject)
        run = self.folded[recorded.subject] = runs.evolve(known, recorded)
        if run.version_offset == recorded.offset:
            made = runs.dump_version(run, known)
            version = (recorded.offset, version_digest(*made))
            self.versions.setdefault(run.id, []).append(version)
        match recorded.payload:
            case RunHeartbeat():
                self.beats.setdefault(run.id, []).append(Beat(recorded.offset, recorded.time))
            case RunOutput(lines=lines):
                self.output.setdefault(run.id, {})[recorded.offset] = output_digest(lines)

    def _evaluate(self, recorded: Recorded) -> None:
        found = evaluations.evolve(self.evaluations.get(recorded.subject), recorded)
        self.evaluations[found.id] = found
        if isinstance(recorded.payload, Hypotheses):
            batch = Batch(recorded.payload.first, len(recorded.payload.ids), md5_of(recorded.envelope.data))
            self.hypotheses.setdefault(found.id, {})[recorded.offset] = batch

    def _log(self, recorded: Recorded, logged: ArtifactLogged) -> None:
        path = path_of(recorded, logged)
        version = self._paths[path] = self._paths.get(path, 0) + 1
        self.artifacts[logged.artifact] = artifact_row(recorded, logged, version)

    def _gather(self, recorded: Recorded, payload: MetricsLogged, lines: Lines, line: int) -> None:
        envelope = recorded.envelope
        for part in admitted(payload, envelope.seq, envelope.count, recorded.accepted):
            if part[1].values:
                self._parts.append(part)
                self._places.append((lines, line))
                self._waiting += len(part[1].values) // 8
        if self._waiting >= _FLUSH_POINTS or len(self._parts) >= _FLUSH_PARTS:
            self.settle()

    def settle(self) -> None:
        """Digests the points gathered so far; call it after the last record."""
        if not self._parts:
            return
        points, sizes = point_digests(self._parts)
        starts = np.cumsum(sizes) - sizes
        marks = np.add.reduceat(points, starts)
        for (lines, line), size, mark in zip(self._places, sizes.tolist(), marks.tolist(), strict=True):
            lines.credit(line, size, mark)
        self._parts, self._places, self._waiting = [], [], 0


def version_digest(state: bytes, config: bytes | None, environment: bytes | None) -> str:
    """MD5 of a version, as Postgres computes it of the columns."""
    return md5_of(b"|".join((state, config or b"", environment or b"")))


def output_digest(lines: Iterable[str]) -> str:
    """MD5 of captured lines, as Postgres computes it of the column."""
    return md5_of("\n".join(map(clean_text, lines)).encode())


def md5_of(data: Any) -> str:
    """MD5 in hex, against chance alone."""
    return md5(data, usedforsecurity=False).hexdigest()


def _replaces(recorded: Recorded) -> bool:
    payload: Any = recorded.payload
    return isinstance(payload, SeqVoided) and payload.reason == "refused"


def gather(
    topic: str, wanted: Collection[UUID], parked: Mapping[Place, str], records: Iterable[Recorded | Rejected]
) -> Evidence:
    """The evidence of records in log order."""
    evidence = Evidence(topic, wanted, parked)
    for recorded in records:
        evidence.take(recorded)
    evidence.settle()
    return evidence
