"""Scoring by time, of a ctm against an stm: by SCTK's sclite, which knows ignored segments and labels.

sclite cuts the words of the ctm at the segments of the stm; texts are compared as they stand, in lower case. Speech of
several people at once on one channel is refused, as sclite does: meeteval's tcpWER is for that.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from ..errors import TrackerError
from ..formats import Utterance, read_ctm, read_stm

_PLACES = ("/usr/lib/sctk/bin/sclite", "/usr/local/bin/sclite")
_PATH = re.compile(
    r'<PATH id="(?P<id>[^"]*)"(?P<fields>(?:\s+\w+="[^"]*")*)\s*>\n?(?P<steps>.*?)</PATH>', re.S
)
_FIELD = re.compile(r'(\w+)="([^"]*)"')
_STEP = re.compile(r'(?:^|:)([CSDI]),(?="|,)')


class TimedCounts(NamedTuple):
    """Of one segment: hits, substitutions, deletions, insertions."""

    segment: Utterance
    counts: tuple[int, int, int, int]


def sclite() -> Path:
    """Raises TrackerError where SCTK is not installed."""
    found = shutil.which("sclite") or next((place for place in _PLACES if Path(place).is_file()), None)
    if not found:
        raise TrackerError(
            "scoring by time needs SCTK's sclite, which is not installed",
            "apt-get install sctk, or cut the recordings into utterances and score those",
        )
    return Path(found)


def score_timed(stm: str | PathLike[str], ctm: str | PathLike[str]) -> list[TimedCounts]:
    """Counts of every scored segment of the stm.

    Raises FormatError for files that are not stm and ctm, TrackerError where sclite is missing or refuses.
    """
    segments = [each for each in read_stm(stm) if "ignored" not in each.conditions]
    _refuse_overlap(segments, str(stm))
    read_ctm(ctm)
    command = [str(sclite()), "-r", str(stm), "stm", "-h", str(ctm), "ctm", "-o", "sgml", "stdout", "-f", "0"]
    ran = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    if ran.returncode or "<PATH" not in ran.stdout:
        said = (ran.stderr.strip() or ran.stdout.strip() or "no alignment").splitlines()[-1]
        raise TrackerError(
            f"sclite refused {ctm} against {stm}: {said}", "sort both files by recording, channel and time"
        )
    return [*_counted(segments, ran.stdout)]


def _refuse_overlap(segments: list[Utterance], stm: str) -> None:
    order = sorted(segments, key=lambda each: (each.audio or "", _channel(each), each.start or 0.0))
    for before, after in pairwise(order):
        same = before.audio == after.audio and _channel(before) == _channel(after)
        if same and (after.start or 0.0) < (before.start or 0.0) + (before.duration or 0.0) - 1e-6:
            raise TrackerError(
                f"{after.place}: overlaps with {before.place} on the same channel, which sclite cannot score",
                "use tcpWER for speech of several people at once, or ignore the stretch in the stm",
            )


def _channel(segment: Utterance) -> str:
    return segment.id.removeprefix(f"{segment.audio}-").split("-", 1)[0]


def _counted(segments: list[Utterance], sgml: str) -> Iterator[TimedCounts]:
    waiting = {_key(each.audio or "", _channel(each), each.start or 0.0): each for each in segments}
    for path in _PATH.finditer(sgml):
        fields = dict(_FIELD.findall(path["fields"]))
        segment = waiting.pop(_key(fields["file"], fields["channel"], float(fields["R_T1"])), None)
        if segment is not None:
            steps = _STEP.findall(path["steps"])
            yield TimedCounts(
                segment, (steps.count("C"), steps.count("S"), steps.count("D"), steps.count("I"))
            )
    for segment in waiting.values():
        raise TrackerError(
            f"{segment.place}: sclite has not scored this segment",
            "sort the stm by recording, channel and time",
        )


def _key(recording: str, channel: str, start: float) -> tuple[str, str, str]:
    """sclite writes names in lower case."""
    return recording.lower(), channel.lower(), f"{start:.3f}"
