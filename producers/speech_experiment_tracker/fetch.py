"""Bringing contents here: streamed, checked against their hash, kept under it, resumed when cut off."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from .errors import TrackerError
from .guard import say

if TYPE_CHECKING:
    from .checkpoints import Checkpoint
    from .http import ApiClient

CACHE_VARIABLE = "SPEECH_TRACKER_CACHE_DIR"
_CHUNK = 1 << 20
_PART = ".part"
_TRIES = 5
_PAUSE = 0.5


def cache_folder() -> Path:
    """SPEECH_TRACKER_CACHE_DIR, else speech-experiment-tracker in the user's cache folder."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "speech-experiment-tracker"


def fetch(api: ApiClient | None, files: Sequence[Checkpoint], folder: Path | None = None) -> Path:
    """The local path of a file, or of the folder that several files make up.

    api  None: only what lies on this machine can be had

    A content is kept in the cache under its SHA-256, which is checked while it comes and again at
    every later use. Several processes may ask at once: one fetches, the others wait for it.
    Raises TrackerError for a content that is missing or damaged.
    """
    cache = folder or cache_folder()
    contents = [(each, _content(api, each, cache / "contents")) for each in files]
    if len(contents) == 1:
        return contents[0][1]
    whole = hashlib.sha256("\n".join(f"{path}  {each.path}" for each, path in contents).encode())
    place = cache / "folders" / whole.hexdigest()
    for each, content in contents:
        _link(content, place.joinpath(*_parts(each.path)))
    return place / _parts(contents[0][0].path)[0]


def _parts(path: str) -> list[str]:
    """The parts of an artifact's name; none of them leads out of a folder, or is hidden in it."""
    return [part.lstrip(".") for part in path.split("/") if part.strip(".")] or ["unnamed"]


def _content(api: ApiClient | None, wanted: Checkpoint, contents: Path) -> Path:
    if wanted.file is not None:
        return _from_spool(wanted, wanted.file, contents)
    if wanted.uri:
        return _referenced(wanted, wanted.uri)
    place = contents / wanted.sha256[:2] / wanted.sha256
    place.mkdir(parents=True, mode=0o700, exist_ok=True)
    while True:
        # Ranks of one machine ask for the same at once: they check side by side, and one of them fetches.
        if (found := _cached(place, wanted)) is not None:
            return found
        with _alone(place):
            if _copies(place):
                continue
            if api is None:
                hint = "try again when it is back"
                raise TrackerError(f"the content of {wanted.path!r} is on the server, which is away", hint)
            _download(api, wanted, place / _PART)
            (place / _PART).rename(place / _parts(wanted.path)[-1])


@contextlib.contextmanager
def _alone(place: Path) -> Iterator[None]:
    """One process at a time; the lock of one that dies is free again."""
    fd = os.open(place / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _copies(place: Path) -> list[Path]:
    return sorted(place.glob("[!.]*"))


def _cached(place: Path, wanted: Checkpoint) -> Path | None:
    """The content under the wanted name; a copy that was damaged meanwhile is removed."""
    named = place / _parts(wanted.path)[-1]
    for path in _copies(place):
        if _digest(path) == wanted.sha256:
            return path if path == named else _link(path, named)
        say(f"the cached content of {wanted.path!r} was damaged: it is fetched again")
        path.unlink(missing_ok=True)
    return None


def _digest(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _link(content: Path, place: Path) -> Path:
    """The same content under another name."""
    place.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
    fresh = place.with_name(f".{place.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    try:
        os.link(content, fresh)
    except OSError:
        shutil.copyfile(content, fresh)
    fresh.replace(place)
    return place


def _download(api: ApiClient, wanted: Checkpoint, part: Path) -> None:
    """Brings the content into `part`, going on with what is there. Raises TrackerError."""
    for left in reversed(range(_TRIES)):
        begun = part.stat().st_size if part.exists() else 0
        try:
            digest = _stream(api, wanted, part)
        except OSError as error:  # cut off: what came is kept
            grown = part.exists() and part.stat().st_size > begun
            if not left:
                raise TrackerError(
                    f"the content of {wanted.path!r} cannot be fetched: {error}",
                    "try again: it goes on there",
                ) from error
            time.sleep(0.0 if grown else _PAUSE)
            continue
        if digest == wanted.sha256:
            return
        part.unlink()
        if not begun:
            raise TrackerError(
                f"the content of {wanted.path!r} is damaged: it has the SHA-256 {digest[:12]}… instead of "
                f"{wanted.sha256[:12]}…",
                "go on from another checkpoint, with from_step",
            )
    raise TrackerError(f"the content of {wanted.path!r} comes with another hash each time")


def _stream(api: ApiClient, wanted: Checkpoint, part: Path) -> str:
    """The digest of the whole content in `part`; raises OSError when the stream is cut off."""
    digest = hashlib.sha256()
    with part.open("a+b") as file:
        file.seek(0)
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
        start = file.tell()
        if start == wanted.size:
            return digest.hexdigest()
        first, chunks = _open(api, wanted, start)
        if first != start:
            file.truncate(0)
            digest = hashlib.sha256()
        for chunk in chunks:
            file.write(chunk)
            digest.update(chunk)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _open(api: ApiClient, wanted: Checkpoint, start: int) -> tuple[int, Iterator[bytes]]:
    try:
        return api.content(f"/api/v1/artifacts/{wanted.id}/content", start)
    except TrackerError as error:
        if error.status is None or error.status >= 500:
            raise ConnectionError(str(error)) from error
        if error.status == 416:
            return 0, api.content(f"/api/v1/artifacts/{wanted.id}/content", 0)[1]
        if error.status in (404, 410):
            raise TrackerError(
                f"the content of {wanted.path!r} is missing on the server: {error.message}",
                "go on from another checkpoint, with from_step",
                status=error.status,
            ) from error
        raise


# Contents that need no server.


def _from_spool(wanted: Checkpoint, file: Path, contents: Path) -> Path:
    """A content that was not stored on the server yet."""
    fresh = contents / f".{wanted.id}.{os.getpid()}"
    contents.mkdir(parents=True, mode=0o700, exist_ok=True)
    try:
        # A copy: the spool's file may be a link to the script's own, which the script may write again.
        shutil.copyfile(file, fresh)
    except OSError as error:
        raise TrackerError(
            f"the content of {wanted.path!r} is not in the spool any more: {error}",
            "try again: the drain may just have stored it",
        ) from error
    if wanted.size >= 0 and fresh.stat().st_size != wanted.size:
        fresh.unlink()
        raise TrackerError(
            f"{wanted.path!r} was changed after it was logged",
            "go on from another checkpoint, with from_step",
        )
    sha256 = _digest(fresh)
    named = contents / sha256[:2] / sha256 / _parts(wanted.path)[-1]
    named.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
    fresh.replace(named)
    return named


def _referenced(wanted: Checkpoint, uri: str) -> Path:
    """A content that was logged by reference and never left its place."""
    parts = urlsplit(uri)
    if parts.scheme not in ("", "file"):
        raise TrackerError(f"checkpoint {wanted.path!r} is kept at {uri}", "load it from there")
    path = Path(unquote(parts.path))
    try:
        sound = not wanted.sha256 or _digest(path) == wanted.sha256
    except OSError as error:
        raise TrackerError(
            f"checkpoint {wanted.path!r}, logged by reference, cannot be read: {error}", "put it back"
        ) from error
    if not sound:
        raise TrackerError(
            f"checkpoint {str(path)!r}, logged by reference, has changed since", "go on from another one"
        )
    return path
