"""Which format a path holds, and reading whatever it is."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Literal, get_args

from .frames import read_table
from .kaldi import read_data_dir, read_text
from .lines import read_lines, spoken_lines
from .manifests import read_lhotse, read_manifest
from .nist import read_stm, read_trn
from .utterance import FormatError, Role, Utterance, words

Format = Literal["kaldi", "text", "lines", "trn", "stm", "ctm", "manifest", "lhotse", "table"]
_BY_SUFFIX: dict[str, Format] = {
    ".trn": "trn",
    ".stm": "stm",
    ".ctm": "ctm",
    ".csv": "table",
    ".tsv": "table",
}
_LOOKED_AT = 50


def detect(path: str | PathLike[str], encoding: str = "utf-8") -> Format:
    """By the name where it says so, else by the first lines.

    kaldi     a data folder
    text      `<utterance-id> words…`: first words are all different, and each has a digit
    lines     a text a line, without ids: the first line of the references is that of the hypotheses
    """
    place = Path(path)
    if place.is_dir():
        return "kaldi"
    suffix = next((each for each in reversed(place.suffixes) if each != ".gz"), "")
    if suffix in _BY_SUFFIX:
        return _BY_SUFFIX[suffix]
    first = [line for (_, line), _ in zip(spoken_lines(place, encoding), range(_LOOKED_AT), strict=False)]
    if first and first[0].lstrip().startswith(("{", "[")) and _is_json(first[0], suffix):
        return "lhotse" if '"supervisions"' in first[0] or '"recording_id"' in first[0] else "manifest"
    heads = [line.split(maxsplit=1)[0] for line in first]
    with_digits = all(any(c.isdigit() for c in head) for head in heads)
    return "text" if len(set(heads)) == len(heads) and with_digits else "lines"


def _is_json(line: str, suffix: str) -> bool:
    return suffix in (".json", ".jsonl") or line.lstrip().startswith(('{"', '[{"')) or line.strip() == "["


def read(
    path: str | PathLike[str],
    role: Role = "reference",
    *,
    format: Format | None = None,  # noqa: A002 - what it is called everywhere
    encoding: str = "utf-8",
) -> list[Utterance]:
    """The utterances of a file or data folder, in any of the formats.

    Raises FormatError that names file, line and fix. A ctm has no utterances: it is refused.
    """
    found = format or detect(path, encoding)
    if found == "stm":
        return read_stm(path, encoding=encoding)
    if found not in _READERS:
        if found in get_args(Format):
            raise FormatError(
                f"{path}: a ctm has words with times, but no utterances", "score it against an stm"
            )
        raise FormatError(f"format: {found!r} is unknown", f"there are {', '.join(get_args(Format))}")
    return _READERS[found](path, role, encoding=encoding)


def read_plain(
    path: str | PathLike[str], role: Role = "reference", *, encoding: str = "utf-8"
) -> list[Utterance]:
    """A text a line, named by the number of its line; a blank line is an empty text, but for those at the end."""
    lines = [*read_lines(path, encoding)]
    while lines and not lines[-1][1].strip():
        lines.pop()
    if not lines:
        raise FormatError(f"{path}: is empty", "write a text a line")
    return [
        Utterance(id=f"line {number}", place=f"{path}:{number}", **words(role, line.strip()))
        for number, line in lines
    ]


_READERS: dict[str, Callable[..., list[Utterance]]] = {
    "kaldi": read_data_dir,
    "text": read_text,
    "lines": read_plain,
    "trn": read_trn,
    "manifest": read_manifest,
    "lhotse": read_lhotse,
    "table": read_table,
}
