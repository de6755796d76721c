"""The post office: finds producers, gives their lanes to couriers, clears up behind them."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from ..spool.files import subfolders, write_atomically
from ..spool.page import is_held
from ..spool.places import Place
from .clearing import Clearer
from .earlier import CONTENTS, CONTENTS_STREAM, EVENTS
from .folders import Listing, ProcessFolder, is_parent
from .producers import SpooledProducer, remove_rest
from .rounds import Round
from .targets import Target, connect, load_target

LOOK_EVERY = 1.0
"""Seconds between looks at what does not show in the times of folders."""
LAST_ROUND = 3.0
"""Seconds that a courier has to end what it is doing."""
DONE = "done"


class Office:
    """Delivers a spool directory. `visit` is to be called often, by one thread.

    target     delivers everything there instead of where each producer was meant for
    elsewhere  another process is still delivering what dead producers left
    """

    def __init__(self, spool: Path, target: Target | None = None) -> None:
        self.spool = spool
        self.producers: dict[Place, SpooledProducer] = {}
        self.elsewhere = False
        self._override = target
        self._rounds: dict[str | None, tuple[Round, Round]] = {}
        self._targets: dict[str, Target | None] = {}
        self._listing = Listing(spool)
        self._parents: dict[Path, Listing] = {}
        self._folders: dict[Path, ProcessFolder] = {}
        self._left: set[Place] = set()
        self._clearer = Clearer()
        self._next_look = 0.0

    def visit(self) -> bool:
        """Looks for new producers and finished ones; whether any is open."""
        self.elsewhere = False
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + LOOK_EVERY
            self._renew_targets()
            for folder in list(self._folders.values()):
                self._tidy(folder)
            self._listing.look_again()
            for folder in self._folders.values():
                folder.listing.look_again()
        self._forget_cleared()
        self._find_folders()
        for folder in list(self._folders.values()):
            self._find_producers(folder)
        for producer in list(self.producers.values()):
            try:
                self._attend(producer)
                producer.trouble = ""
            except Exception as error:  # noqa: BLE001 - one producer's trouble must not end the delivery of others
                producer.trouble = f"{producer.place.page} is not delivered: {type(error).__name__}: {error}"
        return bool(self.producers or self._clearer.leaving)

    def _find_folders(self) -> None:
        if self._listing.changed():
            found = [path for path in subfolders(self.spool) if is_parent(path.name)]
            self._parents = {path: self._parents.get(path) or Listing(path) for path in found}
        for parent, listing in self._parents.items():
            if listing.changed():
                for path in subfolders(parent):
                    self._folders.setdefault(path, ProcessFolder(path))

    def _find_producers(self, folder: ProcessFolder) -> None:
        if not folder.listing.changed():
            return
        for name, streams in folder.scan().items():
            place = Place(folder.path, name)
            if place in self._left or place in self._clearer.leaving:
                continue
            if place not in self.producers and not self._admit_named(folder, name):
                folder.listing.look_again()
            elif place in self.producers:
                self.producers[place].streams |= streams | folder.begun(name)
            else:
                self._left.add(place)

    def _admit_named(self, folder: ProcessFolder, name: str) -> bool:
        """Whether a producer was dealt with; False while it is being made or delivered by another process."""
        producer = SpooledProducer.read(folder, name)
        if producer is None:
            return remove_rest(Place(folder.path, name))
        admitted = self.admit(producer)
        is_left = producer.meta.role == "trainer" and not is_held(producer.place)
        self.elsewhere = self.elsewhere or (is_left and not admitted)
        return admitted

    def admit(self, producer: SpooledProducer) -> bool:
        """Takes a producer in; False when that has to be tried again."""
        if self.target_of(producer) is None and not self.cares_for(producer):
            return True
        if self.target_of(producer) is not None and not producer.folder.take():
            return False
        self.producers[producer.place] = producer
        producer.folder.hold(producer.place.name, producer.meta.boot, producer.meta.pid)
        return True

    def cares_for(self, producer: SpooledProducer) -> bool:
        """Whether a producer that has no server is watched all the same."""
        return False

    def target_of(self, producer: SpooledProducer) -> Target | None:
        name = producer.meta.target
        if self._override is not None or name is None:
            return self._override
        if self._targets.get(name) is None:
            self._targets[name] = load_target(self.spool, name)
        return self._targets[name]

    def _rounds_of(self, producer: SpooledProducer) -> tuple[Round, Round]:
        """The couriers of events and of contents."""
        target = self.target_of(producer)
        name = None if target is None else "" if self._override else producer.meta.target
        if name not in self._rounds:
            self._rounds[name] = self._start_rounds(target)
        return self._rounds[name]

    def _renew_targets(self) -> None:
        """Takes over keys that clients have renewed."""
        for name, known in self._targets.items():
            target = load_target(self.spool, name)
            if target is not None and target != known:
                self._targets[name] = target
                for each in self._rounds.get(name, ()):
                    each.use(connect(target))

    @staticmethod
    def _start_rounds(target: Target | None) -> tuple[Round, Round]:
        # Contents have a connection of their own: a large upload must not hold back a metric.
        events = Round(connect(target) if target else None, EVENTS)
        contents = Round(connect(target) if target else None, CONTENTS)
        events.start()
        contents.start()
        return events, contents

    def _attend(self, producer: SpooledProducer) -> None:
        dead = producer.look()
        if producer.has_unopened():
            rounds = self._rounds_of(producer)
            for lane in producer.open_lanes(rounds[1].store):
                rounds[lane.stream == CONTENTS_STREAM].add(lane, producer)
        if dead and producer.is_done():
            if self.target_of(producer) is not None:
                self._note(producer)
                self._clearer.clear(producer)
                del self.producers[producer.place]
            else:
                del self.producers[producer.place]
                self._left.add(producer.place)
                self._forget(producer)

    def _forget_cleared(self) -> None:
        for producer in self._clearer.gone():
            producer.folder.forget(producer.place.name)
            if producer.place.page.exists():  # it cannot be removed: it is not delivered again
                self._left.add(producer.place)
            self._forget(producer)

    def _forget(self, producer: SpooledProducer) -> None:
        if producer.folder.leave(producer.place.name):
            if self.target_of(producer) is None:
                producer.folder.release()  # for a later sync
            self._tidy(producer.folder)

    def _tidy(self, folder: ProcessFolder) -> None:
        """Removes a process's folder that is empty and not needed any more, and forgets one that is gone."""
        if folder.is_over() and (folder.remove() or not folder.path.exists()):
            self._folders.pop(folder.path, None)

    def _note(self, producer: SpooledProducer) -> None:
        """Leaves word of a delivered producer's problems, for `status`."""
        problems = producer.problems()
        if problems and producer.run:
            done = self.spool / DONE
            done.mkdir(mode=0o700, exist_ok=True)
            note = {
                "run": str(producer.run),
                "producer": str(producer.id),
                "problems": problems,
                "at": time.time(),
            }
            write_atomically(done / f"{producer.id}.json", msgspec.json.encode(note))

    def wake(self) -> None:
        for rounds in self._rounds.values():
            for each in rounds:
                each.wake.set()

    def problems(self) -> list[str]:
        """What stands in the way of delivery now, one line each."""
        found = [each.problem for rounds in self._rounds.values() for each in rounds if each.problem]
        for producer in list(self.producers.values()):
            found += [producer.trouble] if producer.trouble else []
            found += [lane.unreadable for lane in producer.lanes.values() if lane.unreadable]
        return found

    def sent(self) -> int:
        """Records acknowledged so far."""
        return sum(each.sent() for rounds in self._rounds.values() for each in rounds)

    def expects(self) -> bool:
        """Whether a run is under way, or something is to be cleared up: what comes then comes without a ring."""
        return bool(self._clearer.leaving) or any(each.run for each in self.producers.values())

    def only_live(self) -> bool:
        """Whether all that is left is still being written."""
        return not self._clearer.leaving and all(not each.dead for each in self.producers.values())

    def waiting(self) -> int:
        """Sealed records that are not acknowledged yet."""
        return sum(each.waiting() for rounds in self._rounds.values() for each in rounds)

    def close(self) -> None:
        """Ends the couriers, and then lets others have the folders."""
        couriers = [each for rounds in self._rounds.values() for each in rounds]
        for each in couriers:
            each.stop()
        for each in couriers:
            each.join(LAST_ROUND)
        if not any(each.is_alive() for each in couriers):  # else the end of the process releases them
            self.producers.clear()
            for folder in self._folders.values():
                folder.release()
            self._folders.clear()
