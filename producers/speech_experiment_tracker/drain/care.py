"""Care for running runs: heartbeats, system metrics, environment; nothing of it touches the trainer."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from pathlib import Path
from uuid import UUID

import msgspec

from speech_experiment_schemas.runs import RunEnvironment

from ..spool.files import boot_id
from .folders import Meta, ProducerFolder
from .office import Office
from .own import OwnProducer
from .system import Meter
from .targets import Target

HEARTBEAT = 10.0
FIRST_MEASURE = 1.0
RECENT = 60.0
CAPTURE_TIMEOUT = 60.0


class Environments:
    """Captures the environment of each process that logs, once, with that process's interpreter."""

    def __init__(self) -> None:
        self._known: dict[int, RunEnvironment | None] = {}
        self._started: set[int] = set()

    def get(self, meta: Meta) -> tuple[bool, RunEnvironment | None]:
        """(whether it is settled, the environment or None when it could not be captured)"""
        if meta.pid not in self._started:
            self._started.add(meta.pid)
            threading.Thread(target=self._capture, args=(meta,), daemon=True).start()
        return meta.pid in self._known, self._known.get(meta.pid)

    def _capture(self, meta: Meta) -> None:
        found = None
        with contextlib.suppress(OSError, subprocess.SubprocessError, msgspec.MsgspecError):
            answer = subprocess.run(
                [meta.python or sys.executable, "-P", "-m", f"{__package__}.environment"],
                input=msgspec.json.encode(meta),
                capture_output=True,
                timeout=CAPTURE_TIMEOUT,
                check=True,
            )
            found = msgspec.msgpack.decode(answer.stdout, type=RunEnvironment)
        self._known[meta.pid] = found


class Watch:
    """One run of this machine: the drain's own producer, and when it speaks next."""

    def __init__(self, run_folder: Path, meta: Meta, run: UUID) -> None:
        self.own = OwnProducer(run_folder, meta, run)
        self.environment_due = meta.capture and meta.rank == 0
        self.meter = Meter()
        self.next_beat = time.monotonic() + HEARTBEAT
        self.next_measure = time.monotonic() + FIRST_MEASURE

    def speak(self, trainers: list[ProducerFolder], environments: Environments) -> None:
        """Says what is due."""
        alive = [folder for folder in trainers if not folder.dead]
        now = time.monotonic()
        if self.environment_due:
            settled, environment = environments.get(trainers[0].meta)
            self.environment_due = not settled
            if environment is not None:
                self.own.say(environment)
        if alive and now >= self.next_beat:
            self.next_beat = now + HEARTBEAT
            self.own.heartbeat(_sum([folder.problems() for folder in trainers]))
        if alive and now >= self.next_measure:
            self.next_measure = now + HEARTBEAT
            self.own.measure(self.meter.read([folder.meta.pid for folder in alive]))


class Carer(Office):
    """An office that also speaks for the runs of this machine."""

    def __init__(self, spool: Path, target: Target | None = None) -> None:
        super().__init__(spool, target)
        self._watches: dict[UUID, Watch] = {}
        self._environments = Environments()
        self._boot = boot_id()

    def cares_for(self, folder: ProducerFolder) -> bool:
        if isinstance(folder, OwnProducer):
            return True
        return folder.run is not None and self._is_trainer(folder) and not folder.look(now=True)

    def _is_trainer(self, folder: ProducerFolder) -> bool:
        return folder.meta.role == "trainer" and not folder.meta.child and folder.meta.boot == self._boot

    def care(self) -> None:
        """Lets the drain's own producers speak, begin and end."""
        known = self._trainers()
        for run, trainers in known.items():
            watch = self._watches.get(run)
            if watch is None:
                if any(self._is_new(folder) for folder in trainers):
                    with contextlib.suppress(OSError):
                        self._begin(run, trainers[0])
            else:
                watch.speak(trainers, self._environments)
        for run in list(self._watches):
            self._end_if_done(run, known.get(run, []))

    def _trainers(self) -> dict[UUID, list[ProducerFolder]]:
        found: dict[UUID, list[ProducerFolder]] = {}
        for folder in self.folders.values():
            if folder.run is not None and self._is_trainer(folder):
                found.setdefault(folder.run, []).append(folder)
        for folders in found.values():
            folders.sort(key=lambda folder: folder.meta.rank)
        return found

    @staticmethod
    def _is_new(folder: ProducerFolder) -> bool:
        if not folder.dead:
            return True
        with contextlib.suppress(OSError):
            return time.time() - folder.path.stat().st_ctime < RECENT
        return False

    def _begin(self, run: UUID, trainer: ProducerFolder) -> None:
        watch = Watch(trainer.path.parent, trainer.meta, run)
        self._watches[run] = watch
        self.admit(watch.own)

    def _end_if_done(self, run: UUID, trainers: list[ProducerFolder]) -> None:
        watch = self._watches[run]
        busy = any(not folder.dead for folder in trainers)
        if not busy and not (watch.environment_due and trainers):
            watch.own.finish()
            del self._watches[run]


def _sum(counts: list[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for each in counts:
        for kind, count in each.items():
            total[kind] = total.get(kind, 0) + count
    return total
