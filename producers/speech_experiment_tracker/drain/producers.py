"""Producers as the drain sees them: who writes, whether it lives, what is left to deliver."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import msgspec

from speech_experiment_schemas.envelope import STREAMS

from ..spool.files import boot_id
from ..spool.page import areas_of, is_held, problems_of, read_page
from ..spool.places import Place
from .folders import ProcessFolder, process_folders
from .lanes import Lane, Store
from .meta import Meta
from .naming import name_again

CHECK_EVERY = 0.25
ABANDONED_AFTER = 60.0
FOREIGN_SILENCE = 600.0
"""Seconds without a write after which a producer of another machine counts as dead."""


_meta_decoder = msgspec.json.Decoder(Meta)


class SpooledProducer:
    """One producer's files, to be delivered by the holder of their folder.

    dead     the writer is gone; set before its last records are read
    trouble  why it could not be attended to when it was last tried
    lanes    by stream
    streams  that are known to have something in the spool
    """

    def __init__(self, folder: ProcessFolder, name: str, meta: Meta) -> None:
        self.folder = folder
        self.place = Place(folder.path, name)
        self.meta = meta
        self.id = UUID(meta.producer)
        self.run = UUID(meta.run) if meta.run else None
        self.lanes: dict[str, Lane] = {}
        self.streams = set(areas_of(read_page(self.place)))
        self.dead = False
        self.trouble = ""
        self._checked = 0.0

    @classmethod
    def read(cls, folder: ProcessFolder, name: str) -> SpooledProducer | None:
        """None for one that is being made or removed, or that is no producer."""
        try:
            return cls(folder, name, _meta_decoder.decode(folder.about(name)))
        except (OSError, msgspec.MsgspecError, ValueError):
            return None

    def has_unopened(self) -> bool:
        return len(self.lanes) < len(self.streams)

    def look(self, *, now: bool = False) -> bool:
        """Whether the writer is dead, asked at most a few times a second."""
        if not self.dead and (now or time.monotonic() - self._checked > CHECK_EVERY):
            self._checked = time.monotonic()
            self.dead = not is_held(self.place) and (self._is_ours() or self._silence() > FOREIGN_SILENCE)
            if self.dead:  # what it began with last may not have been seen yet
                unseen = (stream for stream in STREAMS if stream not in self.streams)
                self.streams |= {stream for stream in unseen if self.place.segment(stream, 1).exists()}
        return self.dead

    def _is_ours(self) -> bool:
        return self.meta.boot == boot_id()

    def _silence(self) -> float:
        """Seconds since anything of its was written."""
        newest = 0.0
        for file in self._files():
            with contextlib.suppress(OSError):
                newest = max(newest, file.stat().st_mtime)
        return time.time() - newest

    def _files(self) -> Iterator[Path]:
        """What it has in the folder, the page last; segments that were sealed to their end are gone."""
        for stream in self.streams | set(self.lanes):
            lane = self.lanes.get(stream)
            index = lane.journal.cursor.segment if lane is not None else 1
            while (path := self.place.segment(stream, index)).exists():
                yield path
                index += 1
        yield self.place.reserve
        if not self.place.name:
            yield self.place.old_meta
        yield self.place.page

    def open_lanes(self, store: Store | None) -> list[Lane]:
        """Lanes for streams that were not known yet.

        Without a store there is no server, and the streams are left for a later sync.
        """
        if store is None:
            return []
        return [self._open_lane(stream, store) for stream in sorted(self.streams - set(self.lanes))]

    def _open_lane(self, stream: str, store: Store) -> Lane:
        lane = Lane(self.place, self.run, self.id, stream, store, self.folder.book_for(stream))
        if self.meta.role == "drain" or self.meta.child or self.meta.watches:
            lane.reason_of_death = "exit"
        self.lanes[stream] = lane
        return lane

    def problems(self) -> dict[str, int]:
        """What the writer and the drain had to swallow, by kind."""
        counts = problems_of(read_page(self.place))
        for lane in self.lanes.values():
            for kind, count in lane.problems.items():
                counts[kind] = counts.get(kind, 0) + count
        return counts

    def is_done(self) -> bool:
        """Whether the couriers are through with every stream."""
        return all(lane.finished for lane in self.lanes.values())

    def remove(self) -> None:
        """Deletes its files; everything in them is delivered."""
        for file in self._files():
            file.unlink(missing_ok=True)
        if self.place.contents.exists():
            shutil.rmtree(self.place.contents, ignore_errors=True)


def remove_rest(place: Place) -> bool:
    """Removes what a producer left that died while it made its page; False if that is not sure yet.

    Of segments whose page a power cut has taken, the page is made again instead.
    """
    with contextlib.suppress(OSError):
        newest = place.page if place.page.exists() else place.folder
        if time.time() - newest.stat().st_mtime > ABANDONED_AFTER and not is_held(place):
            if name_again(place):
                return False
            place.page.unlink(missing_ok=True)
            return True
    return False


def producers_in(spool: Path) -> list[SpooledProducer]:
    """Every producer of a spool, for looking only."""
    found = []
    for folder in process_folders(spool):
        for name, streams in folder.scan().items():
            producer = SpooledProducer.read(folder, name)
            if producer is not None:
                producer.streams |= streams
                found.append(producer)
    return found
