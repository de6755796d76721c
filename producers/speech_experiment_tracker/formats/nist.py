"""Formats of NIST's scoring tools: trn, stm and ctm."""

from __future__ import annotations

import re
from collections.abc import Iterator
from os import PathLike
from typing import NamedTuple

from .lines import spoken_lines
from .utterance import FormatError, Role, Utterance, once, seconds, words

_TRN = re.compile(r"(?P<text>.*)\((?P<id>[^()\s]+)\)\s*$", re.S)
_IGNORED = "ignore_time_segment_in_scoring"


class TimedWord(NamedTuple):
    """A word of a ctm; times in seconds, confidence None where it has none."""

    recording: str
    channel: str
    start: float
    duration: float
    word: str
    confidence: float | None
    place: str


def read_trn(
    path: str | PathLike[str], role: Role = "reference", *, encoding: str = "utf-8"
) -> list[Utterance]:
    """`words… (speaker-utterance)`. The id is all that stands in the last parentheses, the speaker what comes before
    its first hyphen. Choices `{ a / b / @ }` stay as they are: profiles read them.

    Raises FormatError with file and line.
    """
    found = [*once(_trn(path, role, encoding))]
    if not found:
        raise FormatError(f"{path}: has no utterance", "write one a line: words… (speaker-utterance)")
    return found


def _trn(path: str | PathLike[str], role: Role, encoding: str) -> Iterator[Utterance]:
    for place, line in spoken_lines(path, encoding, ";;"):
        match = _TRN.match(line)
        if not match:
            raise FormatError(
                f"{place}: no (speaker-utterance) at the end of the line: this is not a trn file",
                "a line is: words… (speaker-utterance)",
            )
        name = match["id"]
        speaker, hyphen, _ = name.partition("-")
        known = speaker if hyphen and speaker not in ("", "None") else None
        yield Utterance(id=name, speaker=known, place=place, **words(role, " ".join(match["text"].split())))


def read_stm(path: str | PathLike[str], *, encoding: str = "utf-8") -> list[Utterance]:
    """`recording channel speaker start end [<labels>] words…`, a segment an utterance.

    Labels become the condition `labels`; a segment that is not to be scored has the condition `ignored`. The id is made
    of recording, channel and times.

    Raises FormatError with file and line.
    """
    found = [*once(_stm(path, encoding))]
    if not found:
        raise FormatError(
            f"{path}: has no segment", "a line is: recording channel speaker start end [<labels>] words…"
        )
    return found


def _stm(path: str | PathLike[str], encoding: str) -> Iterator[Utterance]:
    for place, line in spoken_lines(path, encoding, ";;"):
        fields = line.split(maxsplit=5)
        if len(fields) < 5:
            raise FormatError(
                f"{place}: {len(fields)} fields, expected at least 5: this is not an stm file",
                "a line is: recording channel speaker start end [<labels>] words…",
            )
        recording, channel, speaker = fields[:3]
        start, end = seconds(fields[3], "start", place), seconds(fields[4], "end", place)
        if end < start:
            raise FormatError(f"{place}: end: {end:g} lies before the start {start:g}", "swap them")
        labels, text = _labels(fields[5] if len(fields) > 5 else "")
        conditions = {"labels": labels} if labels else {}
        if text.lower() == _IGNORED:
            conditions["ignored"] = "yes"
        yield Utterance(
            id=f"{recording}-{channel}-{start:.3f}-{end:.3f}-{speaker}",
            reference=text,
            speaker=speaker,
            audio=recording,
            start=start,
            duration=round(end - start, 6),
            conditions=conditions,
            place=place,
        )


def _labels(rest: str) -> tuple[str, str]:
    if rest.startswith("<") and ">" in rest:
        labels, _, text = rest[1:].partition(">")
        return labels.strip(), text.strip()
    return "", rest.strip()


def read_ctm(path: str | PathLike[str], *, encoding: str = "utf-8") -> list[TimedWord]:
    """`recording channel start duration word [confidence]`.

    Raises FormatError with file and line.
    """
    found = [_timed_word(place, line.split()) for place, line in spoken_lines(path, encoding, ";;")]
    if not found:
        raise FormatError(
            f"{path}: has no word", "a line is: recording channel start duration word [confidence]"
        )
    return found


def _timed_word(place: str, fields: list[str]) -> TimedWord:
    if len(fields) < 5:
        raise FormatError(
            f"{place}: {len(fields)} fields, expected 5 or 6: this is not a ctm file",
            "a line is: recording channel start duration word [confidence]",
        )
    recording, channel, start, duration, word = fields[:5]
    confidence = None
    if len(fields) > 5 and fields[5] not in ("NA", "<NA>"):
        confidence = seconds(fields[5], "confidence", place, least=None)
    return TimedWord(
        recording,
        channel,
        seconds(start, "start", place),
        seconds(duration, "duration", place),
        word,
        confidence,
        place,
    )
