"""Who speaks when, and where it counts: RTTM and UEM as NIST defines them (Rich Transcription 2009, appendix A)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from .lines import split_lines


class Turn(NamedTuple):
    """A stretch of one speaker's speech, in seconds from the start of the recording."""

    recording: str
    speaker: str
    start: float
    end: float


class Region(NamedTuple):
    """A stretch of a recording that is evaluated, in seconds."""

    recording: str
    start: float
    end: float


def read_rttm(lines: Iterable[str], source: str = "rttm") -> list[Turn]:
    """The SPEAKER lines of an RTTM file; lines of other types are passed over.

    Raises BadLine for one without its fields, with a time that is no number, or with a negative duration.
    """
    turns = []
    for line in split_lines(lines, source):
        if line.fields[0] != "SPEAKER":
            if not line.fields[0].isupper() and not line.fields[0].startswith("NON"):
                line.fail(
                    f"begins with {line.fields[0][:40]!r}; an RTTM line begins with a type such as SPEAKER"
                )
            continue
        line.expect(8, "SPEAKER recording channel start duration <NA> <NA> speaker …")
        start = line.number_of(3, "start", least=0)
        length = line.number_of(4, "duration", least=0)
        if length:
            turns.append(Turn(line.fields[1], line.fields[7], start, start + length))
    return turns


def read_uem(lines: Iterable[str], source: str = "uem") -> list[Region]:
    """The evaluated regions of a UEM file; raises BadLine as read_rttm does."""
    regions = []
    for line in split_lines(lines, source):
        line.expect(4, "recording channel start end")
        start = line.number_of(2, "start", least=0)
        end = line.number_of(3, "end")
        if end <= start:
            line.fail(f"ends at {end:g}, not after its start at {start:g}")
        regions.append(Region(line.fields[0], start, end))
    return regions
