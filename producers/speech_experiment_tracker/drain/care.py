"""Care for running runs: heartbeats, system metrics, environment; nothing of it touches the trainer."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

from speech_experiment_schemas.ids import uuid7

from ..spool.files import boot_id
from ..spool.places import PROCESSES
from .environments import Environments
from .folders import ProcessFolder
from .meta import Meta
from .office import Office
from .own import OwnProducer
from .producers import SpooledProducer
from .system import Meter, Meters
from .targets import Target

HEARTBEAT = 10.0
FIRST_MEASURE = 1.0
RECENT = 60.0
SCRIPT_SPEAKS_WITHIN = 30.0


class Watch:
    """One run of this machine: the drain's own producer, made when it has something to say, and when that is.

    begin  makes the producer; raises OSError
    """

    def __init__(self, meta: Meta, begin: Callable[[], OwnProducer]) -> None:
        self._begin = begin
        self._meta = meta
        self._own: OwnProducer | None = None
        self.environment_due = meta.capture and meta.rank == 0
        self._meter: Meter | None = None
        self.next_beat = time.monotonic() + HEARTBEAT
        self.next_measure = time.monotonic() + FIRST_MEASURE
        self._begun = time.monotonic()

    @property
    def own(self) -> OwnProducer:
        if self._own is None:
            self._own = self._begin()
        return self._own

    def speak(self, trainers: list[SpooledProducer], environments: Environments, meters: Meters) -> None:
        """Says what is due; raises OSError when that cannot be.

        trainers  of the run; none when all that they logged is delivered already
        """
        alive = [trainer for trainer in trainers if not trainer.dead]
        now = time.monotonic()
        if self.environment_due and not self._may_be_better(trainers, now):
            settled, environment = environments.get(trainers[0].meta if trainers else self._meta)
            self.environment_due = not settled
            if environment is not None:
                self.own.say(environment)
        if alive and now >= self.next_beat:
            self.next_beat = now + HEARTBEAT
            self.own.heartbeat(_sum([trainer.problems() for trainer in trainers]))
        if alive and now >= self.next_measure:
            self.next_measure = now + HEARTBEAT
            self._meter = meters.of([trainer.meta.pid for trainer in alive])
            self.own.measure(self._meter.read())

    def finish(self) -> None:
        if self._own is not None:
            self._own.finish()

    def _may_be_better(self, trainers: list[SpooledProducer], now: float) -> bool:
        """Whether only a supervisor has spoken so far, whose script may have another environment."""
        alone = bool(trainers) and trainers[0].meta.watches and not trainers[0].dead
        return alone and now - self._begun < SCRIPT_SPEAKS_WITHIN


class Carer(Office):
    """An office that also speaks for the runs of this machine."""

    def __init__(self, spool: Path, target: Target | None = None) -> None:
        super().__init__(spool, target)
        self._watches: dict[UUID, Watch] = {}
        self._environments = Environments()
        self._meters = Meters()
        self._own_folders: dict[str, Path] = {}
        self._speak_after = 0.0
        self._ended: set[UUID] = set()
        self._boot = boot_id()

    def visit(self) -> bool:
        """As an office does; a run of which something is still to be said is open too."""
        return super().visit() or bool(self._watches)

    def expects(self) -> bool:
        return super().expects() or bool(self._watches)

    def cares_for(self, producer: SpooledProducer) -> bool:
        if isinstance(producer, OwnProducer):
            return True
        return producer.run is not None and self._is_trainer(producer) and not producer.look(now=True)

    def _is_trainer(self, producer: SpooledProducer) -> bool:
        meta = producer.meta
        return meta.role == "trainer" and not meta.child and meta.boot == self._boot

    def care(self) -> None:
        """Lets the drain's own producers speak, begin and end."""
        known = self._trainers()
        self._ended &= known.keys()
        for run, trainers in known.items():
            if run not in self._watches and self._needs_watch(run, trainers):
                meta = trainers[0].meta
                self._watches[run] = Watch(meta, functools.partial(self._begin, run, meta))
        for run, watch in list(self._watches.items()):
            trainers = known.get(run, [])
            self._let_speak(watch, trainers)
            self._end_if_done(run, trainers)

    def _let_speak(self, watch: Watch, trainers: list[SpooledProducer]) -> None:
        if time.monotonic() > self._speak_after:
            try:
                watch.speak(trainers, self._environments, self._meters)
            except OSError:  # a full disk
                self._speak_after = time.monotonic() + HEARTBEAT

    def _trainers(self) -> dict[UUID, list[SpooledProducer]]:
        found: dict[UUID, list[SpooledProducer]] = {}
        for producer in self.producers.values():
            if producer.run is not None and self._is_trainer(producer):
                found.setdefault(producer.run, []).append(producer)
        for trainers in found.values():
            if len(trainers) > 1:
                trainers.sort(key=lambda trainer: (trainer.meta.watches, trainer.meta.rank))
        return found

    def _needs_watch(self, run: UUID, trainers: list[SpooledProducer]) -> bool:
        """While a server is away dead trainers stay, and nothing more is to be said of them."""
        if run in self._ended:
            return any(not trainer.dead for trainer in trainers)
        return any(self._is_new(trainer) for trainer in trainers)

    @staticmethod
    def _is_new(trainer: SpooledProducer) -> bool:
        if not trainer.dead:
            return True
        with contextlib.suppress(OSError):
            return time.time() - trainer.place.page.stat().st_ctime < RECENT
        return False

    def _begin(self, run: UUID, meta: Meta) -> OwnProducer:
        own = OwnProducer(self._own_folder(run, meta.target), meta, run)
        self.admit(own)
        return own

    def _own_folder(self, run: UUID, target: str | None) -> ProcessFolder:
        """Where what the drain says goes; what has no server waits by itself, so that a sync may take it."""
        key = target or str(run)
        path = self._own_folders.get(key)
        if path is None or path not in self._folders:
            path = self._own_folders[key] = self.spool / PROCESSES / str(uuid7())
            path.mkdir(mode=0o700, parents=True)
            self._folders[path] = ProcessFolder(path)
            self._folders[path].take()
        return self._folders[path]

    def _end_if_done(self, run: UUID, trainers: list[SpooledProducer]) -> None:
        watch = self._watches[run]
        if not watch.environment_due and all(trainer.dead for trainer in trainers):
            watch.finish()
            del self._watches[run]
            self._ended.add(run)
            self._own_folders.pop(str(run), None)


def _sum(counts: list[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for each in counts:
        for kind, count in each.items():
            total[kind] = total.get(kind, 0) + count
    return total
