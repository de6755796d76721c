"""What this machine's spool still holds of a run, read without getting in anybody's way.

The word of attempts that the server may not have heard yet: after a crash, or without a network,
it says how far the run came, with which config, and which checkpoints there are.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from speech_experiment_schemas.artifacts import ArtifactLogged
from speech_experiment_schemas.catalogue import decode_payload
from speech_experiment_schemas.envelope import decode
from speech_experiment_schemas.metrics import NO_STEP, MetricsLogged, unpack
from speech_experiment_schemas.runs import (
    RunConfigured,
    RunFailed,
    RunFinished,
    RunRenamed,
    RunResumed,
    RunStarted,
)

from .checkpoints import Checkpoint, Cuts
from .drain.journal import Cursor
from .drain.looking import open_segment, read_sealed, streams_of
from .drain.meta import Meta
from .drain.producers import producers_in
from .run import merge
from .spool.keeper import keeper
from .spool.page import is_held, read_ack
from .spool.places import Place
from .spool.reader import SegmentReader
from .spool.records import (
    ARTIFACT,
    EVENT,
    LAYOUT,
    METRICS,
    METRICS_HEAD,
    Artifact,
    SpoolFormatError,
    decode_artifact,
    decode_event,
    decode_layout,
)

_TRIES = 5
_event_decoders: dict[str, type[msgspec.Struct]] = {
    "run.started": RunStarted,
    "run.resumed": RunResumed,
    "run.configured": RunConfigured,
    "run.renamed": RunRenamed,
    "run.finished": RunFinished,
    "run.failed": RunFailed,
}


class _Moved(Exception):  # noqa: N818 - what happened, and no error of anybody's
    """A drain sealed and removed a segment between two looks."""


class Trainer(NamedTuple):
    """A process that logs, or logged, to the run.

    alive      it still holds its page
    closed     every stream's last record is acknowledged
    delivered  there is a server that the drain brings it to
    """

    place: Place
    meta: Meta
    alive: bool
    closed: bool

    @property
    def delivered(self) -> bool:
        return self.meta.target is not None


class Remains:
    """Of one run, folded over the producers that lie in the spool, oldest first.

    attempts     the greatest attempt seen; 0: the spool knows nothing of the run
    last_steps   key → greatest step that was logged under it
    checkpoints  oldest first
    cuts         the resume steps
    ended        finished, failed or cancelled, as the newest attempt said; None: it did not say
    """

    def __init__(self) -> None:
        self.attempts = 0
        self.name: str | None = None
        self.experiment: UUID | None = None
        self.experiment_name: str | None = None
        self.config: dict[str, Any] = {}
        self.last_steps: dict[str, int] = {}
        self.checkpoints: list[Checkpoint] = []
        self.cuts = Cuts()
        self.ended: str | None = None
        self.workspace: str | None = None

    def add(self, trainer: Trainer) -> None:
        """Takes in all that the spool holds of a producer."""
        self.attempts = max(self.attempts, trainer.meta.attempt)
        self.workspace = trainer.meta.workspace
        for stream in streams_of(trainer.place):
            cursor, sealed = read_sealed(trainer.place, stream)
            for record in sealed:
                self._take_sealed(trainer, record)
            self._read_segments(trainer, stream, cursor)

    def _take_sealed(self, trainer: Trainer, record: bytes) -> None:
        envelope = decode(record)
        payload = decode_payload(envelope)
        match payload:
            case MetricsLogged():
                self._take_columns(payload)
            case ArtifactLogged():
                fields = msgspec.structs.asdict(payload)
                self._take_artifact(trainer, fields, payload.sha256, payload.size, None)
            case msgspec.Struct():
                self._take_event(payload, envelope.stream)

    def _take_event(self, payload: msgspec.Struct, stream: str) -> None:
        match payload:
            case RunStarted():
                self.name = self.name or payload.name
                self.experiment = self.experiment or payload.experiment
                self.experiment_name = self.experiment_name or payload.experiment_name
            case RunRenamed(name=name):
                self.name = name
            case RunResumed(attempt=attempt, from_step=step):
                self.attempts = max(self.attempts, attempt)
                if stream == "metrics":
                    self.cuts.resumes.append((attempt, step))
                self.ended = None if stream == "runs" else self.ended
            case RunConfigured(config=config):
                merge(self.config, config)
            case RunFinished():
                self.ended = "finished"
            case RunFailed(status=status):
                self.ended = status

    def _take_columns(self, columns: MetricsLogged) -> None:
        index, at = unpack("H", columns.key_index), 0
        for count, step in zip(unpack("I", columns.calls), unpack("q", columns.steps), strict=True):
            if step != NO_STEP:
                for key in index[at : at + count]:
                    self._reach(columns.keys[key], step)
            at += count

    def _reach(self, key: str, step: int) -> None:
        if step > self.last_steps.get(key, NO_STEP):
            self.last_steps[key] = step

    def _take_artifact(
        self, trainer: Trainer, event: dict[str, Any], sha256: str, size: int, file: Path | None
    ) -> None:
        if event.get("type") != "checkpoint":
            return
        self.checkpoints.append(
            Checkpoint(
                id=event["artifact"]
                if isinstance(event["artifact"], UUID)
                else UUID(bytes=event["artifact"]),
                path=event["path"],
                step=event.get("step"),
                epoch=event.get("epoch"),
                rank=trainer.meta.rank,
                attempt=trainer.meta.attempt,
                sha256=sha256,
                size=size,
                file=file,
                uri=(event.get("storage") or {}).get("uri"),
            )
        )

    # What is not sealed yet.

    def _read_segments(self, trainer: Trainer, stream: str, cursor: Cursor) -> None:
        index, start = cursor.segment, cursor.offset
        reader = _open(trainer.place, stream, index)
        if reader is None and read_sealed(trainer.place, stream)[0] != cursor:
            raise _Moved
        while reader is not None:
            self._read(trainer, stream, reader, start)
            reader.close()
            index, start = index + 1, 0
            reader = _open(trainer.place, stream, index)

    def _read(self, trainer: Trainer, stream: str, reader: SegmentReader, start: int) -> None:
        """The records from `start` on; layouts from the segment's beginning."""
        layouts: dict[int, list[str]] = {}
        reached: dict[int, int] = {}
        for payload in _all_records(reader):
            kind = payload[0]
            if kind == LAYOUT:
                number, keys = decode_layout(payload)
                layouts[number] = keys
            elif reader.position <= start:
                continue
            elif kind == METRICS:
                _, _, layout, step, _, _ = METRICS_HEAD.unpack_from(payload)
                if step > reached.get(layout, NO_STEP):
                    reached[layout] = step
            elif kind == EVENT:
                event = decode_event(payload)
                known = _event_decoders.get(event.type)
                if known is not None:
                    self._take_event(msgspec.msgpack.decode(event.data, type=known), stream)
            elif kind == ARTIFACT:
                self._take_unsealed(trainer, decode_artifact(payload))
        for layout, step in reached.items():
            for key in layouts.get(layout, []):
                self._reach(key, step)

    def _take_unsealed(self, trainer: Trainer, artifact: Artifact) -> None:
        file = Path(artifact.file)
        file = file if file.is_absolute() else trainer.place.contents / artifact.file
        self._take_artifact(trainer, artifact.event, "", artifact.size, file)


def _open(place: Place, stream: str, index: int) -> SegmentReader | None:
    try:
        return open_segment(place, stream, index)
    except (SpoolFormatError, ValueError):
        return None


def _all_records(reader: SegmentReader) -> Iterator[memoryview]:
    """The valid records of a segment, past damaged ones that others follow."""
    while True:
        yield from reader.records()
        if reader.stop != "damaged" or reader.skip_damaged() is None:
            return


def trainers_of(spool: Path, run: UUID) -> list[Trainer]:
    """The processes of a run that lie in the spool, oldest first; forked children too, no supervisors."""
    found = []
    # Producers of this process that have said their last word, and are only being flushed.
    silent = {each.id for each in list(keeper.producers) if each.closed}
    for each in producers_in(spool):
        if each.run == run and each.meta.role == "trainer" and not each.meta.watches:
            alive = is_held(each.place) and each.id not in silent
            found.append(Trainer(each.place, each.meta, alive, _is_closed(each.place)))
    return sorted(found, key=lambda each: each.meta.producer)


def _is_closed(place: Place) -> bool:
    streams = streams_of(place)
    return bool(streams) and all(read_ack(place, stream).closed for stream in streams)


def remains_of(spool: Path, run: UUID) -> Remains:
    """What the spool holds of a run; read again when a drain cleared something away meanwhile."""
    found = Remains()
    for _ in range(_TRIES):
        found = Remains()
        with contextlib.suppress(_Moved):
            for trainer in trainers_of(spool, run):
                found.add(trainer)
            break
    return found
