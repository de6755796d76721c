"""The post office: finds producers' folders, gives their lanes to couriers, clears up behind them."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from uuid import UUID

import msgspec

from ..spool.files import write_atomically
from ..spool.page import is_held
from .folders import ProducerFolder, remove_rest
from .rounds import Round
from .targets import Target, connect, load_target

PARKED_EVERY = 1.0
_GRAIN = 0.1
DONE = "done"


class Office:
    """Delivers a spool directory. `visit` is to be called often, by one thread.

    target     delivers everything there instead of where each producer was meant for
    elsewhere  another process is still delivering what dead producers left
    """

    def __init__(self, spool: Path, target: Target | None = None) -> None:
        self.spool = spool
        self.folders: dict[Path, ProducerFolder] = {}
        self.elsewhere = False
        self._override = target
        self._rounds: dict[str | None, tuple[Round, Round]] = {}
        self._targets: dict[str | None, Target | None] = {}
        self._runs: dict[Path, float] = {}
        self._listed = 0.0
        self._next_parked = 0.0

    def visit(self) -> bool:
        """Looks for new producers and finished ones; whether any is open."""
        self._find_runs()
        self.elsewhere = False
        parked = time.monotonic() >= self._next_parked
        if parked:
            self._next_parked = time.monotonic() + PARKED_EVERY
            self._renew_targets()
        busy = {folder.path.parent for folder in self.folders.values()}
        for run in list(self._runs):
            if parked or run in busy or not self._runs[run]:
                self._find_producers(run)
        for folder in list(self.folders.values()):
            self._attend(folder)
        return bool(self.folders)

    def _find_runs(self) -> None:
        with contextlib.suppress(OSError):
            changed = self.spool.stat().st_mtime
            if changed == self._listed and time.time() - changed > _GRAIN:
                return
            self._listed = changed
            for path in self.spool.iterdir():
                if path not in self._runs and _is_run(path.name):
                    self._runs[path] = 0.0

    def _find_producers(self, run: Path) -> None:
        try:
            changed = run.stat().st_mtime
            if changed == self._runs[run] and time.time() - changed > _GRAIN:
                return
            self._runs[run] = changed
            for path in run.iterdir():
                if path not in self.folders and not self._admit_path(path):
                    self._runs[run] = 0.0  # look again
        except OSError:
            self._runs.pop(run, None)  # removed, its last producer was delivered

    def _admit_path(self, path: Path) -> bool:
        """Whether the folder was dealt with; False while it is being made or delivered by another process."""
        folder = ProducerFolder.read(path)
        if folder is None:
            return remove_rest(path)
        admitted = self.admit(folder)
        is_left = folder.meta.role == "trainer" and not is_held(path)
        self.elsewhere = self.elsewhere or (is_left and not admitted)
        return admitted

    def admit(self, folder: ProducerFolder) -> bool:
        """Takes a producer's folder in; False when that has to be tried again."""
        if self.target_of(folder) is None and not self.cares_for(folder):
            return True
        if self.target_of(folder) is not None and not folder.take():
            return False
        self.folders[folder.path] = folder
        return True

    def cares_for(self, folder: ProducerFolder) -> bool:
        """Whether a folder that has no server is watched all the same."""
        return False

    def target_of(self, folder: ProducerFolder) -> Target | None:
        if self._override is not None or folder.meta.target is None:
            return self._override
        return load_target(self.spool, folder.meta.target)

    def _round_of(self, folder: ProducerFolder, stream: str) -> Round:
        target = self.target_of(folder)
        name = target.name if target else None
        if name not in self._rounds:
            self._rounds[name] = self._start_rounds(target)
            self._targets[name] = target
        return self._rounds[name][stream == "artifacts"]

    def _renew_targets(self) -> None:
        """Takes over keys that clients have renewed."""
        if self._override is not None:
            return
        for name, known in self._targets.items():
            target = load_target(self.spool, name) if name else None
            if target is not None and target != known:
                self._targets[name] = target
                for each in self._rounds[name]:
                    each.use(connect(target))

    @staticmethod
    def _start_rounds(target: Target | None) -> tuple[Round, Round]:
        # Contents have a connection of their own: a large upload must not hold back a metric.
        events = Round(connect(target) if target else None, "courier")
        contents = Round(connect(target) if target else None, "contents")
        events.start()
        contents.start()
        return events, contents

    def _attend(self, folder: ProducerFolder) -> None:
        dead = folder.look()
        store = self._round_of(folder, "artifacts").store
        for lane in folder.open_lanes(store, now=dead):
            self._round_of(folder, lane.stream).add(lane, folder)
        if dead and folder.is_done():
            if self.target_of(folder) is not None:
                self._note(folder)
                folder.remove()
            self.forget(folder)

    def forget(self, folder: ProducerFolder) -> None:
        self.folders.pop(folder.path, None)
        folder.release()

    def _note(self, folder: ProducerFolder) -> None:
        """Leaves word of a delivered producer's problems, for `status`."""
        problems = folder.problems()
        if problems and folder.run:
            done = self.spool / DONE
            done.mkdir(mode=0o700, exist_ok=True)
            note = {
                "run": str(folder.run),
                "producer": str(folder.id),
                "problems": problems,
                "at": time.time(),
            }
            write_atomically(done / f"{folder.id}.json", msgspec.json.encode(note))

    def wake(self) -> None:
        for rounds in self._rounds.values():
            for each in rounds:
                each.wake.set()

    def problems(self) -> list[str]:
        """What stands in the way of delivery now, one line each."""
        found = [each.problem for rounds in self._rounds.values() for each in rounds if each.problem]
        for folder in list(self.folders.values()):
            found += [lane.unreadable for lane in folder.lanes.values() if lane.unreadable]
        return found

    def sent(self) -> int:
        """Records acknowledged so far."""
        return sum(each.sent() for rounds in self._rounds.values() for each in rounds)

    def only_live(self) -> bool:
        """Whether all that is left is still being written."""
        return all(not folder.dead for folder in self.folders.values())

    def waiting(self) -> int:
        """Sealed records that are not acknowledged yet."""
        return sum(each.waiting() for rounds in self._rounds.values() for each in rounds)

    def close(self) -> None:
        for rounds in self._rounds.values():
            for each in rounds:
                each.stop()
        for folder in list(self.folders.values()):
            self.forget(folder)


def _is_run(name: str) -> bool:
    if name == "process":
        return True
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False
