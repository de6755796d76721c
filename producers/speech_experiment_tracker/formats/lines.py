"""Lines of text files: plain or gzipped UTF-8, and clear words for anything else."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from os import PathLike
from pathlib import Path

from .utterance import FormatError

_KNOWN = {
    b"RIFF": "an audio file (WAV)",
    b"fLaC": "an audio file (FLAC)",
    b"OggS": "an audio file (Ogg)",
    b"ID3": "an audio file (MP3)",
    b"PK\x03\x04": "a zip archive",
    b"%PDF": "a PDF",
    b"PAR1": "a Parquet file",
    b"SQLite": "a database",
    b"\x89PNG": "an image",
    b"\xd0\xcf\x11\xe0": "an Office document",
}
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_MOST_BYTES = 4_000_000_000


def read_lines(path: str | PathLike[str], encoding: str = "utf-8") -> Iterator[tuple[int, str]]:
    """(line number, line) without line ends; a byte order mark is taken away.

    Raises FormatError for a file that is not there, not text, or in another encoding.
    """
    name = Path(path)
    for number, line in enumerate(_content(name, encoding).split(b"\n"), 1):
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        try:
            text = line.decode(encoding)
        except UnicodeDecodeError as error:
            raise FormatError(
                f"{name}:{number}: byte 0x{line[error.start]:02x} at column {error.start + 1} is not {encoding.upper()}",
                f"convert the file, e.g. iconv -f latin1 -t utf-8 {name.name}",
            ) from None
        except LookupError:
            raise FormatError(
                f"encoding: {encoding!r} is unknown", "name one that Python knows, e.g. latin1"
            ) from None
        yield number, text.rstrip("\r")


def spoken_lines(
    path: str | PathLike[str], encoding: str = "utf-8", comments: str = ""
) -> Iterator[tuple[str, str]]:
    """(file:line, line) of all lines that are neither blank nor comments."""
    for number, line in read_lines(path, encoding):
        if line.strip() and not (comments and line.lstrip().startswith(comments)):
            yield f"{path}:{number}", line


def _content(path: Path, encoding: str) -> bytes:
    try:
        content = path.read_bytes()
    except IsADirectoryError:
        raise FormatError(f"{path}: is a folder", "name a file in it") from None
    except OSError as error:
        raise FormatError(f"{path}: cannot be read: {error.strerror}", "check the path") from None
    if content.startswith(b"\x1f\x8b"):
        content = _unzipped(content, path)
    if encoding.lower().replace("-", "").replace("_", "") in ("utf8", "ascii", "latin1"):
        _refuse_binary(content, path)
    return content


def _unzipped(content: bytes, path: Path) -> bytes:
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise FormatError(f"{path}: broken gzip file: {error}", "copy or make it again") from None


def _refuse_binary(content: bytes, path: Path) -> None:
    if content.startswith(_UTF_16):
        raise FormatError(
            f"{path}:1: the text is UTF-16", f"convert it: iconv -f utf-16 -t utf-8 {path.name}"
        )
    kind = next((kind for magic, kind in _KNOWN.items() if content.startswith(magic)), None)
    if kind is None and b"\0" in content[:10_000]:
        kind = "binary"
    if kind:
        raise FormatError(f"{path}: is not text but {kind}", "name a file of transcripts")
