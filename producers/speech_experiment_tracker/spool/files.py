"""Small operations on folders and files."""

from __future__ import annotations

import contextlib
import functools
import os
import socket
from pathlib import Path

CONTENTS = "files"
"""Folder of a producer's contents of artifacts."""


def sync_folder(folder: Path) -> None:
    """Brings the names in a folder onto the disk, where the file system can."""
    with contextlib.suppress(OSError):
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def sync_file(path: Path) -> None:
    """Brings a file's content onto the disk; one that is gone needs none."""
    with contextlib.suppress(FileNotFoundError):
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fdatasync(fd)
        finally:
            os.close(fd)


def write_atomically(path: Path, content: bytes, mode: int = 0o600, *, durably: bool = False) -> None:
    """Replaces a file so that a reader sees the old or the new content; durably: after a power cut too."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        os.write(fd, content)
        if durably:
            os.fdatasync(fd)
    finally:
        os.close(fd)
    fresh.rename(path)
    if durably:
        sync_folder(path.parent)


def disk_use(folder: Path) -> int:
    """Bytes allocated below a folder."""
    total = 0
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                total += disk_use(Path(entry.path))
            else:
                with contextlib.suppress(OSError):
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
    return total


@functools.cache
def boot_id() -> str:
    """Names this machine and its start: locks and process ids mean nothing beyond it."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return socket.gethostname()


def birth(pid: int) -> str:
    """When a process began, which tells it from a later one of the same id; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return ""


def lives(pid: int, born: str) -> bool:
    """Whether the process that began then still runs."""
    return born != "" and birth(pid) == born


def subfolders(folder: Path) -> list[Path]:
    """The folders in a folder; none for one that is gone, as spools vanish when they are delivered."""
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return []
