"""Taking an artifact's content into the spool, so that the script may change or delete its file."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path

from ._crc import crc32c
from .errors import TrackerError
from .spool.places import Place

_CHUNK = 1 << 20
COPY_UP_TO = 16 << 20
"""Larger files are linked instead of copied, so that a checkpoint of gigabytes costs no time."""
_TYPES = {
    ".json": "application/json",
    ".txt": "text/plain",
    ".md": "text/markdown",
    ".yaml": "application/yaml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".svg": "image/svg+xml",
    ".pdf": "application/pdf",
    ".html": "text/html",
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".csv": "text/csv",
}


@dataclass(frozen=True, slots=True)
class Content:
    """A content in the spool, as an ARTIFACT record names it."""

    file: str
    owned: bool
    size: int
    mtime_ns: int
    crc: int = -1


def content_type_of(name: str) -> str:
    """The media type by the name's ending."""
    known = _TYPES.get(Path(name).suffix.lower())
    if known is None:
        import mimetypes

        known = mimetypes.guess_type(name)[0]
    return known or "application/octet-stream"


def place_for(producer: Place, number: int) -> Path:
    """Where a producer keeps its n-th content."""
    files = producer.contents
    files.mkdir(mode=0o700, parents=True, exist_ok=True)
    return files / f"{number:06d}"


def write(place: Path, data: bytes) -> Content:
    """Keeps bytes made by the script."""
    fd = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
    return Content(place.name, True, len(data), -1, crc32c(data))


def take(source: Path, place: Path) -> Content | None:
    """Keeps a file: a copy of a small one, a link to a large one; None when it cannot be linked.

    Raises TrackerError for what is no readable file.
    """
    try:
        state = source.stat()
        if state.st_size <= COPY_UP_TO:
            return copy(source, place)
        os.link(source, place)
    except OSError as error:
        if error.errno in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP):
            return None
        raise TrackerError(
            f"artifact {str(source)!r} cannot be read: {error.strerror}", "give a file"
        ) from None
    return Content(place.name, True, state.st_size, state.st_mtime_ns)


def copy(source: Path, place: Path) -> Content:
    """Copies a file; raises TrackerError when it changed meanwhile."""
    before = source.stat()
    crc = 0
    with source.open("rb") as original, place.open("xb") as kept:
        while data := original.read(_CHUNK):
            kept.write(data)
            crc = crc32c(data, crc)
    after = source.stat()
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        place.unlink(missing_ok=True)
        raise TrackerError(
            f"artifact {str(source)!r} was written to while it was logged", "log it when it is closed"
        )
    return Content(place.name, True, after.st_size, -1, crc)


def refer(source: Path) -> Content:
    """A file that stays where it is; the drain reads its hash."""
    try:
        state = source.stat()
    except OSError as error:
        raise TrackerError(
            f"artifact {str(source)!r} cannot be read: {error.strerror}", "give a file"
        ) from None
    return Content(str(source.absolute()), False, state.st_size, state.st_mtime_ns)
