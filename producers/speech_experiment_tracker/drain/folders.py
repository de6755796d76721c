"""Processes' folders in a spool, each taken over as a whole by the one who delivers it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import msgspec

from .._crc import crc32c
from ..spool.files import CONTENTS as FILES
from ..spool.files import boot_id, subfolders, sync_file, sync_folder, write_atomically
from ..spool.page import read_about
from ..spool.places import DRAIN, OWN, PROCESSES, Place, named
from ..spool.records import FRAME
from .earlier import CONTENTS, CONTENTS_STREAM, EVENTS, import_journals
from .journal import BOOK, Book, frames

GRAIN = 0.1
"""Seconds of a file system's clock: what changed within may change again without showing it."""
EMPTY_AFTER = 10.0
"""Seconds after which the empty folder of a process that lives is removed; it makes a new one if need be."""


class Listing:
    """Tells when it is time to list a folder again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._listed = 0.0

    def changed(self) -> bool:
        """Whether files may have come or gone since the last call."""
        with contextlib.suppress(OSError):
            changed = self._path.stat().st_mtime
            if changed == self._listed and time.time() - changed > GRAIN:
                return False
            self._listed = changed
        return True

    def look_again(self) -> None:
        """Has the next `changed` be true."""
        self._listed = 0.0


class ProcessFolder:
    """A folder with files of producers. Its journals are opened by whoever holds its lock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.listing = Listing(path)
        self._lock = -1
        self._books: dict[str, Book] = {}
        self._begun: dict[str, set[str]] = {}
        self._held: set[str] = set()
        self._writer = ("", 0)
        self._own: dict[str, bytes] = {}
        self._introduced = 0
        self._own_synced = True

    def take(self) -> bool:
        """Whether this process is now the one that delivers the folder."""
        while self._lock < 0:
            lock = self.path / DRAIN
            fd = -1
            try:
                lock.mkdir(mode=0o700, exist_ok=True)
                fd = os.open(lock, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(fd), lock.stat()):  # else its holder has just removed it
                    self._lock = fd
                    self._own = {}
                    self._read_books()
            except OSError:
                return False
            finally:
                if fd >= 0 and self._lock < 0:
                    os.close(fd)
        return True

    def _read_books(self) -> None:
        known = set(self.scan())
        for path in (self.path / DRAIN).iterdir():
            kind = CONTENTS if path.stem in (CONTENTS, CONTENTS_STREAM) else EVENTS
            for name, stream in self._book(kind).streams():
                if name not in known:
                    self._book(kind).forget(name)
                self._begun.setdefault(name, set()).add(stream)

    def begun(self, name: str) -> set[str]:
        """The streams of a producer that an earlier drain has in its journals."""
        return self._begun.get(name, set())

    def release(self) -> None:
        self._books = {}  # couriers may still be at work on them
        self._begun = {}
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def book_for(self, stream: str) -> Book:
        """The book that the courier of a stream writes; raises OSError."""
        return self._book(EVENTS if stream != CONTENTS_STREAM else CONTENTS)

    def _book(self, kind: str) -> Book:
        if kind not in self._books:
            book = Book(self.path / DRAIN / f"{kind}{BOOK}")
            import_journals(self.path, kind, book)
            self._books[kind] = book
        return self._books[kind]

    def forget(self, producer: str) -> None:
        """A producer is delivered and its files are gone."""
        for book in self._books.values():
            book.forget(producer)
        if self._own.pop(producer, None) and not self._own:
            (self.path / OWN).unlink(missing_ok=True)

    def introduce(self, producer: str, about: bytes) -> None:
        """Notes a producer of the drain's own, which has no page; raises OSError."""
        self._own[producer] = about
        self._introduced += 1
        if self._introduced > 2 * len(self._own) + 1_000:
            self._introduced = len(self._own)
            write_atomically(self.path / OWN, b"".join(_frame(each) for each in self._own.items()))
        else:
            with (self.path / OWN).open("ab", buffering=0) as file:
                file.write(_frame((producer, about)))
        self._own_synced = False

    def sync_own(self) -> None:
        """Brings onto the disk who the drain's own producers are; raises OSError."""
        if not self._own_synced:
            self._own_synced = True
            sync_file(self.path / OWN)
            sync_folder(self.path)

    def about(self, producer: str) -> bytes:
        """What a producer says of itself, empty while it is being made; raises OSError."""
        return self._own.get(producer) or read_about(Place(self.path, producer))

    def _read_own(self) -> dict[str, bytes]:
        return _names((self.path / OWN).read_bytes())

    def scan(self) -> dict[str, set[str]]:
        """Names of the producers that have files here, with their streams; none when the folder is gone."""
        found: dict[str, set[str]] = {}
        with contextlib.suppress(OSError), os.scandir(self.path) as entries:
            for entry in entries:
                if entry.name == OWN:
                    if not (self._own and self._lock >= 0):
                        self._own = self._read_own()
                    found |= {name: set() for name in self._own}
                elif (known := named(entry.name)) is not None:
                    streams = found.setdefault(known[0], set())
                    if known[1] is not None:
                        streams.add(known[1])
        return found

    def hold(self, producer: str, boot: str, pid: int) -> None:
        """A producer is being delivered; it was written by that process of that machine."""
        self._held.add(producer)
        self._writer = (boot, pid)

    def leave(self, producer: str) -> bool:
        """A producer is delivered, or left for a later sync; whether no other one is held."""
        self._held.discard(producer)
        return not self._held

    def is_over(self) -> bool:
        """Whether nothing is in here, and nothing will soon be."""
        if self._held or not self._is_empty():
            return False
        boot, pid = self._writer
        if pid and boot == boot_id() and Path(f"/proc/{pid}").exists():
            with contextlib.suppress(OSError):
                return time.time() - self.path.stat().st_mtime > EMPTY_AFTER
        return True

    def _is_empty(self) -> bool:
        try:
            with os.scandir(self.path) as entries:
                return all(entry.name in (DRAIN, FILES) for entry in entries)
        except OSError:
            return True

    def remove(self) -> bool:
        """Removes the empty folder, unless another process has it; whether it is gone."""
        with contextlib.suppress(OSError):
            if not self.take():
                return False
            shutil.rmtree(self.path / DRAIN, ignore_errors=True)
            shutil.rmtree(self.path / FILES, ignore_errors=True)
            self.path.rmdir()
            self.path.parent.rmdir()
        self.release()
        return not self.path.exists()


def _names(data: bytes) -> dict[str, bytes]:
    return dict(msgspec.msgpack.decode(data[start:end]) for start, end in frames(data, b"\x92"))


def _frame(content: tuple[str, bytes]) -> bytes:
    payload = msgspec.msgpack.encode(content)
    return FRAME.pack(len(payload), crc32c(payload)) + payload


def process_folders(spool: Path) -> Iterator[ProcessFolder]:
    """Every folder of a spool that may hold producers."""
    for parent in subfolders(spool):
        if is_parent(parent.name):
            yield from map(ProcessFolder, subfolders(parent))


def is_parent(name: str) -> bool:
    """Whether a folder of that name in a spool holds processes' folders; in format 1 runs had such."""
    if name in (PROCESSES, "process"):
        return True
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False
