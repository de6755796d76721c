"""Producers' folders as the drain sees them: who writes, whether it lives, what is left to deliver."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from pathlib import Path
from uuid import UUID

import msgspec

from ..spool.files import boot_id, subfolders
from ..spool.page import is_held, problems_of, read_page
from ..spool.producers import META
from .journal import FOLDER
from .lanes import Lane, Store, streams_in

CHECK_EVERY = 0.25
ABANDONED_AFTER = 60.0
FOREIGN_SILENCE = 600.0
"""Seconds without a write after which a producer of another machine counts as dead."""


class Meta(msgspec.Struct, frozen=True):
    """producer.json; unknown fields are ignored, so that later releases may add some."""

    producer: str
    run: str | None = None
    role: str = "trainer"
    rank: int = 0
    child: bool = False
    pid: int = 0
    boot: str = ""
    host: str = ""
    target: str | None = None
    workspace: str = "default"
    python: str = ""
    command: list[str] = []
    cwd: str = ""
    capture: bool = True
    attempt: int = 1


_meta_decoder = msgspec.json.Decoder(Meta)


class ProducerFolder:
    """One producer's folder, taken over for delivery by holding its drain lock.

    dead   the writer is gone; set before its last records are read
    lanes  by stream
    """

    def __init__(self, path: Path, meta: Meta) -> None:
        self.path = path
        self.meta = meta
        self.id = UUID(meta.producer)
        self.run = UUID(meta.run) if meta.run else None
        self.lanes: dict[str, Lane] = {}
        self.dead = False
        self._checked = 0.0
        self._listed = 0.0
        self._lock = -1

    @classmethod
    def read(cls, path: Path) -> ProducerFolder | None:
        """None for a folder that is being made or removed, or that is no producer's."""
        try:
            return cls(path, _meta_decoder.decode((path / META).read_bytes()))
        except (OSError, msgspec.MsgspecError, ValueError):
            return None

    def take(self) -> bool:
        """Whether this process is now the one that delivers the folder."""
        if self._lock >= 0:
            return True
        (self.path / FOLDER).mkdir(mode=0o700, exist_ok=True)
        fd = os.open(self.path / FOLDER, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            return False
        self._lock = fd
        return True

    def look(self, *, now: bool = False) -> bool:
        """Whether the writer is dead, asked at most a few times a second."""
        if not self.dead and (now or time.monotonic() - self._checked > CHECK_EVERY):
            self._checked = time.monotonic()
            self.dead = not is_held(self.path) and (self._is_ours() or self._silence() > FOREIGN_SILENCE)
        return self.dead

    def _is_ours(self) -> bool:
        return self.meta.boot == boot_id()

    def _silence(self) -> float:
        """Seconds since anything in the folder was written."""
        newest = 0.0
        with contextlib.suppress(OSError):
            for file in self.path.iterdir():
                newest = max(newest, file.stat().st_mtime)
        return time.time() - newest

    def open_lanes(self, store: Store | None, *, now: bool = False) -> list[Lane]:
        """Lanes for streams that were not known yet; now: without relying on the folder's times.

        Without a store there is no server, and the streams are left for a later sync.
        """
        if store is None:
            return []
        with contextlib.suppress(OSError):
            changed = self.path.stat().st_mtime
            # A folder changed within the clock's grain may change again without showing it.
            if not now and changed == self._listed and time.time() - changed > 0.1:
                return []
            self._listed = changed
        return [
            self._open_lane(stream, store) for stream in streams_in(self.path) if stream not in self.lanes
        ]

    def _open_lane(self, stream: str, store: Store) -> Lane:
        lane = Lane(self.path, self.run, self.id, stream, store)
        if self.meta.role == "drain" or self.meta.child:
            lane.reason_of_death = "exit"
        self.lanes[stream] = lane
        return lane

    def problems(self) -> dict[str, int]:
        """What the writer and the drain had to swallow, by kind."""
        counts = problems_of(read_page(self.path))
        for lane in self.lanes.values():
            for kind, count in lane.problems.items():
                counts[kind] = counts.get(kind, 0) + count
        return counts

    def is_done(self) -> bool:
        """Whether the couriers are through with every stream."""
        return all(lane.finished for lane in self.lanes.values())

    def remove(self) -> None:
        """Deletes the folder; everything in it is delivered."""
        shutil.rmtree(self.path, ignore_errors=True)
        with contextlib.suppress(OSError):
            self.path.parent.rmdir()  # the run's folder, when this was the last producer
        self.release()

    def release(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def remove_rest(path: Path) -> bool:
    """Removes what a producer left that died while it made its folder; False if that is not sure yet."""
    with contextlib.suppress(OSError):
        old = time.time() - path.stat().st_mtime > ABANDONED_AFTER
        if old and not is_held(path) and not any(path.glob("*.seg")):
            shutil.rmtree(path, ignore_errors=True)
            return True
    return False


def producer_folders(spool: Path) -> list[ProducerFolder]:
    """Every producer's folder of a spool, for looking only."""
    paths = [path for run in subfolders(spool) for path in subfolders(run)]
    return [folder for path in paths if (folder := ProducerFolder.read(path)) is not None]
