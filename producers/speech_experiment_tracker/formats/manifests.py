"""Manifests of JSON: NeMo, Open ASR leaderboard, lists that scripts write, Lhotse's cuts and supervisions; gzipped or not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from os import PathLike
from typing import Any

import msgspec

from .fields import utterance_of
from .lines import read_lines, spoken_lines
from .utterance import FormatError, Role, Utterance, once, seconds, words


def read_manifest(
    path: str | PathLike[str], role: Role = "reference", *, encoding: str = "utf-8"
) -> list[Utterance]:
    """Objects, one a line or in one JSON list; see `fields` for the names that are understood.

    An object without an id is named by its audio file, with `#offset` where it has one.

    Raises FormatError with file and line, or with file and item.
    """
    found = [*once(_utterance(place, item, role) for place, item in _objects(path, encoding))]
    if not found:
        raise FormatError(f"{path}: has no utterance", "write an object a line")
    return found


def _objects(path: str | PathLike[str], encoding: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    lines = spoken_lines(path, encoding)
    for place, line in lines:
        if line.lstrip().startswith("["):
            yield from _listed(path, encoding)
            return
        yield place, _object(line, place)


def _object(line: str, place: str) -> Mapping[str, Any]:
    try:
        found = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise FormatError(f"{place}: not JSON: {error}", 'write an object a line: {"text": …}') from None
    if not isinstance(found, dict):
        raise FormatError(
            f"{place}: {str(found)[:40]!r} is not an object", 'write an object a line: {"text": …}'
        )
    return found


def _listed(path: str | PathLike[str], encoding: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    whole = "\n".join(line for _, line in read_lines(path, encoding))
    try:
        items = msgspec.json.decode(whole)
    except msgspec.DecodeError as error:
        raise FormatError(f"{path}: not JSON: {error}", "write one list of objects") from None
    for number, item in enumerate(items, 1):
        place = f"{path}: item {number}"
        if not isinstance(item, dict):
            raise FormatError(f"{place}: {str(item)[:40]!r} is not an object", "write a list of objects")
        yield place, item


def _utterance(place: str, item: Mapping[str, Any], role: Role) -> Utterance:
    if "supervisions" in item or ("recording_id" in item and "start" in item):
        raise FormatError(f"{place}: is a manifest of Lhotse", "read it as cuts or supervisions")
    return utterance_of(item, place, role)


def read_lhotse(
    path: str | PathLike[str], role: Role = "reference", *, encoding: str = "utf-8"
) -> list[Utterance]:
    """Lhotse's cuts or supervisions, an utterance for each supervision; Lhotse itself is not needed.

    A cut without a supervision is an utterance without text.

    Raises FormatError with file and line.
    """
    found = [*once(_of_lhotse(_objects(path, encoding), role))]
    if not found:
        raise FormatError(f"{path}: has no cut or supervision", "write them with to_file('….jsonl.gz')")
    return found


def _of_lhotse(objects: Iterable[tuple[str, Mapping[str, Any]]], role: Role) -> Iterator[Utterance]:
    for place, item in objects:
        if "supervisions" in item:
            yield from _of_cut(item, place, role)
        elif "recording_id" in item and "id" in item:
            yield _of_supervision(item, place, role, audio=str(item["recording_id"]), offset=0.0)
        else:
            raise FormatError(
                f"{place}: neither a cut nor a supervision of Lhotse: there is no field `supervisions` or `recording_id`",
                "name a manifest of cuts or supervisions",
            )


def _of_cut(cut: Mapping[str, Any], place: str, role: Role) -> Iterator[Utterance]:
    start = seconds(cut.get("start", 0.0), "start", place)
    audio = _source(cut.get("recording"))
    supervisions = cut["supervisions"] or []
    if not isinstance(supervisions, list) or not all(isinstance(each, dict) for each in supervisions):
        raise FormatError(f"{place}: supervisions: not a list of objects", "write it with Lhotse's to_file")
    for supervision in supervisions:
        yield _of_supervision(supervision, place, role, audio=audio, offset=start)
    if not supervisions:
        yield Utterance(
            id=str(cut.get("id", place)),
            audio=audio,
            start=start,
            duration=seconds(cut.get("duration", 0.0), "duration", place),
            place=place,
        )


def _of_supervision(
    item: Mapping[str, Any], place: str, role: Role, *, audio: str | None, offset: float
) -> Utterance:
    if "id" not in item:
        raise FormatError(f"{place}: id: a supervision without one", "write it with Lhotse's to_file")
    custom = item.get("custom")
    custom = custom if isinstance(custom, dict) else {}
    conditions = {name: str(value) for name, value in custom.items() if isinstance(value, str | int | float)}
    if isinstance(item.get("gender"), str):
        conditions["gender"] = item["gender"]
    text = item.get("text")
    return Utterance(
        id=str(item["id"]),
        speaker=_word(item.get("speaker")),
        audio=audio,
        start=round(offset + seconds(item.get("start", 0.0), "start", place, least=None), 6),
        duration=seconds(item.get("duration", 0.0), "duration", place),
        language=_word(item.get("language")),
        conditions=conditions,
        place=place,
        **(words(role, text) if isinstance(text, str) else {}),
    )


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _source(recording: Any) -> str | None:
    """The first file of a recording, or its id."""
    if not isinstance(recording, dict):
        return None
    sources = recording.get("sources")
    first = sources[0] if isinstance(sources, list) and sources else None
    return _word(first.get("source") if isinstance(first, dict) else None) or _word(recording.get("id"))
