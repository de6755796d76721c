"""What fields of an utterance are called by those who write manifests and tables.

id              id, utterance_id, utt_id, utt, uttid, key; else the audio file with `#offset`
reference       reference, ref, text, transcript, transcription, sentence
hypothesis      hypothesis, hyp, pred_text, prediction
speaker         speaker, speaker_id, spk, client_id
audio           audio_filepath, audio, audio_path, audio_uri, wav, path, uri
start           offset, start
duration        duration
language        language, lang, locale
decode_seconds  time, decode_seconds; -1 is unknown
conditions      an object `conditions`, and every other field with a short text or a number

A file that is read as hypotheses may hold them under the names of the reference, if it has no others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .utterance import FormatError, Role, Utterance, seconds

_NAMES = {
    "id": ("id", "utterance_id", "utt_id", "utt", "uttid", "key"),
    "reference": ("reference", "ref", "text", "transcript", "transcription", "sentence"),
    "hypothesis": ("hypothesis", "hyp", "pred_text", "prediction"),
    "speaker": ("speaker", "speaker_id", "spk", "client_id"),
    "audio": ("audio_filepath", "audio", "audio_path", "audio_uri", "wav", "path", "uri"),
    "start": ("offset", "start"),
    "duration": ("duration",),
    "language": ("language", "lang", "locale"),
    "decode_seconds": ("time", "decode_seconds"),
}
_TAKEN = {name for names in _NAMES.values() for name in names} | {"conditions"}
_SHORT = 100


def utterance_of(item: Mapping[str, Any], place: str, role: Role) -> Utterance:
    """An utterance of named fields; raises FormatError that names place and field."""
    given = {field: _first(item, names) for field, names in _NAMES.items()}
    audio = given["audio"]
    if isinstance(audio, Mapping):
        audio = audio.get("path")
    texts = {field: _text(given[field], field, place) for field in ("reference", "hypothesis")}
    if role == "hypothesis" and texts["hypothesis"] is None:
        texts = {"reference": None, "hypothesis": texts["reference"]}
    if texts["reference"] is None and texts["hypothesis"] is None:
        wanted = _NAMES["hypothesis"] + _NAMES["reference"] if role == "hypothesis" else _NAMES["reference"]
        raise FormatError(
            f"{place}: no text; the fields are {', '.join(map(str, item)) or 'none'}",
            f"call it {' or '.join(wanted)}",
        )
    return Utterance(
        id=_id(given, audio, place),
        speaker=_word(given["speaker"]),
        audio=_word(audio),
        start=_seconds(given["start"], "start", place),
        duration=_seconds(given["duration"], "duration", place),
        language=_word(given["language"]),
        decode_seconds=_seconds(given["decode_seconds"], "decode_seconds", place),
        conditions=_conditions(item),
        place=place,
        **texts,
    )


def _first(item: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((item[name] for name in names if item.get(name) is not None), None)


def _id(given: Mapping[str, Any], audio: Any, place: str) -> str:
    if given["id"] is not None:
        return str(given["id"])
    if audio is None:
        raise FormatError(f"{place}: id: missing, and no audio file to name it by", "add the field id")
    return str(audio) if given["start"] is None else f"{audio}#{given['start']}"


def _text(value: Any, field: str, place: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise FormatError(f"{place}: {field}: {str(value)[:40]!r} is not text", "write it as a JSON string")


def _word(value: Any) -> str | None:
    return None if value in (None, "") else str(value)


def _seconds(value: Any, field: str, place: str) -> float | None:
    if value is None or (field in ("decode_seconds", "duration") and value == -1):
        return None
    return seconds(value, field, place)


def _conditions(item: Mapping[str, Any]) -> dict[str, str]:
    extra = {name: value for name, value in item.items() if name not in _TAKEN}
    own = item.get("conditions")
    named = {**extra, **(own if isinstance(own, Mapping) else {})}
    return {str(name): str(value) for name, value in named.items() if _is_short(value)}


def _is_short(value: Any) -> bool:
    return isinstance(value, int | float) or (isinstance(value, str) and 0 < len(value) <= _SHORT)
