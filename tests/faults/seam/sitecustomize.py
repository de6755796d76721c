"""Put on PYTHONPATH, it notes what a process has brought onto the disk; see tests.faults.power.

Python imports it at its start. Without SHADOW_OF and SHADOW in the environment it does nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
from collections.abc import Callable, Iterator

Entries = dict[str, int]
"""Name → inode; a folder's name ends with a slash."""


class Shadow:
    """What the disk surely holds of everything below `root`, kept in a folder of the same file system.

    <inode>.data   content of a file, as it was when its last sync that returned began
    <inode>.link   keeps the inode from being used again, and the content of a removed file
    <path>.names   entries of a folder that was synced, or of which something was: a file's sync keeps
                   its name and its folders' names too, as Linux's journaling file systems do
    """

    def __init__(self, root: str, folder: str) -> None:
        self.root = root
        self.folder = folder

    def covers(self, path: str) -> bool:
        return f"{path}/".startswith(f"{self.root}/")

    def sync_folder(self, path: str, sync: Callable[[], None]) -> None:
        with self._alone():
            names = entries_of(path)
            sync()
            self.keep_names(path, names)
            self._keep_chain(path)

    def sync_file(self, path: str, fd: int, sync: Callable[[], None]) -> None:
        place = f"{self.folder}/{os.fstat(fd).st_ino}"
        with contextlib.suppress(FileExistsError, FileNotFoundError):
            os.link(path, f"{place}.link")
        fresh = f"{place}.fresh.{os.getpid()}"
        with open(f"/proc/self/fd/{fd}", "rb") as source, open(fresh, "wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        sync()
        with self._alone():
            os.replace(fresh, f"{place}.data")
            self._keep_chain(path)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One process and thread at a time."""
        fd = os.open(f"{self.folder}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def _keep_chain(self, path: str) -> None:
        """Notes a path's own name, and its folders'."""
        while path != self.root:
            folder, name = os.path.split(path)
            with contextlib.suppress(FileNotFoundError):  # it was removed meanwhile
                state = os.stat(path)
                name += "/" * stat.S_ISDIR(state.st_mode)
                known = self.kept_names(folder)
                if known.get(name) != state.st_ino:
                    self.keep_names(folder, known | {name: state.st_ino})
            path = folder

    def keep_names(self, path: str, names: Entries) -> None:
        place = self._place_of_names(path)
        with open(f"{place}.fresh", "w") as file:
            file.writelines(f"{inode} {name}\n" for name, inode in names.items())
        os.replace(f"{place}.fresh", place)

    def kept_names(self, path: str) -> Entries:
        try:
            with open(self._place_of_names(path)) as file:
                pairs = (line.rstrip("\n").split(" ", 1) for line in file)
                return {name: int(inode) for inode, name in pairs}
        except FileNotFoundError:
            return {}

    def _place_of_names(self, path: str) -> str:
        return f"{self.folder}/{os.path.relpath(path, self.root).replace('/', '%')}.names"


def entries_of(path: str) -> Entries:
    with os.scandir(path) as entries:
        return {entry.name + "/" * entry.is_dir(): entry.inode() for entry in entries}


def install(shadow: Shadow) -> None:
    """Puts the shadow between this process and its syncs."""

    def watched(sync: Callable[[int], None]) -> Callable[[int], None]:
        def call(fd: int) -> None:
            path = os.readlink(f"/proc/self/fd/{fd}")
            if not shadow.covers(path):
                sync(fd)
            elif stat.S_ISDIR(os.fstat(fd).st_mode):
                shadow.sync_folder(path, lambda: sync(fd))
            else:
                shadow.sync_file(path, fd, lambda: sync(fd))

        return call

    os.fsync, os.fdatasync = watched(os.fsync), watched(os.fdatasync)


if "SHADOW_OF" in os.environ:
    install(Shadow(os.environ["SHADOW_OF"], os.environ["SHADOW"]))
