"""Kaldi's data folders and text files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from .lines import spoken_lines
from .utterance import FormatError, Role, Utterance, once, seconds, words

_FIX = "run utils/fix_data_dir.sh on the folder, or add the line"


class _Field(NamedTuple):
    value: str
    place: str


def read_text(
    path: str | PathLike[str], role: Role = "reference", *, encoding: str = "utf-8"
) -> list[Utterance]:
    """`<utterance> words…`, where there may be no words.

    Raises FormatError with file and line: an id twice, an empty file, another format or encoding.
    """
    table = _table(Path(path), encoding)
    if not table:
        raise FormatError(f"{path}: has no utterance", "write one a line: <utterance-id> words…")
    return [
        Utterance(id=name, place=field.place, **words(role, field.value)) for name, field in table.items()
    ]


def read_data_dir(
    folder: str | PathLike[str], role: Role = "reference", *, encoding: str = "utf-8"
) -> list[Utterance]:
    """`text` with what `segments`, `wav.scp`, `utt2spk`, `utt2dur`, `utt2lang` and `spk2gender` say of it.

    Any of these but `text` may be absent. Those that are there must speak of the same utterances.
    Commands in `wav.scp` are kept as they are, and never run.

    Raises FormatError with file and line.
    """
    root = Path(folder)
    if not (root / "text").is_file():
        raise FormatError(f"{root}/text: is not there", "a Kaldi data folder has a file `text`")
    utterances = read_text(root / "text", role, encoding=encoding)
    tables = {name: _table(root / name, encoding) for name in _TABLES if (root / name).is_file()}
    for name in ("segments", "utt2spk"):
        if name in tables:
            _same_utterances(root / name, tables[name], utterances)
    return [*once(_joined(utterances, tables))]


_TABLES = ("segments", "wav.scp", "utt2spk", "utt2dur", "utt2lang", "spk2gender")


def _table(path: Path, encoding: str) -> dict[str, _Field]:
    """First field → the rest of the line; raises FormatError where a first field comes again."""
    found: dict[str, _Field] = {}
    for place, line in spoken_lines(path, encoding):
        name, *rest = line.split(maxsplit=1)
        if name in found:
            raise FormatError(
                f"{place}: {name!r} stands there twice, first at {found[name].place}", "keep one of the lines"
            )
        found[name] = _Field(" ".join(rest).strip(), place)
    return found


def _same_utterances(path: Path, table: Mapping[str, _Field], utterances: Iterable[Utterance]) -> None:
    left = dict(table)
    for utterance in utterances:
        if left.pop(utterance.id, None) is None:
            raise FormatError(f"{utterance.place}: utterance {utterance.id!r} has no line in {path}", _FIX)
    for name, field in left.items():
        raise FormatError(f"{field.place}: utterance {name!r} has no line in {path.parent}/text", _FIX)


def _joined(
    utterances: Iterable[Utterance], tables: Mapping[str, Mapping[str, _Field]]
) -> Iterator[Utterance]:
    audio, genders = tables.get("wav.scp", {}), tables.get("spk2gender", {})
    for utterance in utterances:
        recording, start, duration = _stretch(utterance.id, tables)
        if "wav.scp" in tables and recording not in audio:
            raise FormatError(f"{utterance.place}: recording {recording!r} has no line in wav.scp", _FIX)
        speaker = _value(tables, "utt2spk", utterance.id)
        gender = genders.get(speaker or "")
        yield Utterance(
            id=utterance.id,
            reference=utterance.reference,
            hypothesis=utterance.hypothesis,
            speaker=speaker,
            audio=audio[recording].value if recording in audio else None,
            start=start,
            duration=duration,
            language=_value(tables, "utt2lang", utterance.id),
            conditions={"gender": gender.value} if gender else {},
            place=utterance.place,
        )


def _value(tables: Mapping[str, Mapping[str, _Field]], table: str, name: str) -> str | None:
    found = tables.get(table, {}).get(name)
    return found.value or None if found else None


def _stretch(
    utterance: str, tables: Mapping[str, Mapping[str, _Field]]
) -> tuple[str, float | None, float | None]:
    """(recording, start, duration) of an utterance; an end of -1 is the end of the recording."""
    length = tables.get("utt2dur", {}).get(utterance)
    duration = seconds(length.value, "duration", length.place) if length else None
    if "segments" not in tables:
        return utterance, None, duration
    field = tables["segments"][utterance]
    parts = field.value.split()
    if len(parts) != 3:
        raise FormatError(
            f"{field.place}: {len(parts) + 1} fields, expected 4",
            "write <utterance> <recording> <start> <end>",
        )
    start = seconds(parts[1], "start", field.place)
    end = seconds(parts[2], "end", field.place, least=None)
    if end == -1:
        return parts[0], start, duration
    if end < start:
        raise FormatError(
            f"{field.place}: end: {end:g} lies before the start {start:g}", "swap them, or take the line away"
        )
    return parts[0], start, duration if duration is not None else round(end - start, 6)
