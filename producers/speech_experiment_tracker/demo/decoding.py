"""Decoding with pocketsphinx at one point of its search settings."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from importlib.metadata import version

from .utterances import Speech

BEAMS = (1e-24, 1e-30, 1e-36)
LM_WEIGHTS = (4.0, 6.5, 9.0)
# pocketsphinx's defaults are 1e-48 and 7e-29: the word beam keeps that proportion of the logarithms.
_WORD_BEAM_EXPONENT = 0.587
_FRAMES = 100
"""In a second."""
_PRONUNCIATION = re.compile(r"\(\d+\)$")


@dataclass(frozen=True, slots=True)
class DecodingPoint:
    """Probability ratios below which states and phones are pruned, and the weight of the language model."""

    beam: float
    lm_weight: float

    @property
    def word_beam(self) -> float:
        return float(self.beam**_WORD_BEAM_EXPONENT)

    @property
    def name(self) -> str:
        return f"beam{self.beam:.0e}-lm{self.lm_weight:g}"


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What was recognised, and the seconds of computing that it took.

    times  (start, end) of each word in seconds; empty where the recogniser has other words than its text
    """

    utterance: str
    text: str
    decode_seconds: float
    times: tuple[tuple[float, float], ...] = ()


def grid() -> list[DecodingPoint]:
    """Every beam with every language weight, the slowest first."""
    return [DecodingPoint(beam, weight) for beam in sorted(BEAMS) for weight in LM_WEIGHTS]


def recogniser_name() -> str:
    """Name and version of the recogniser."""
    return f"pocketsphinx {version('pocketsphinx')}"


class Recogniser:
    """A decoder with the US English models of the package."""

    def __init__(self, point: DecodingPoint) -> None:
        from pocketsphinx import Decoder

        self._decoder = Decoder(
            beam=point.beam, pbeam=point.beam, wbeam=point.word_beam, lw=point.lm_weight, loglevel="FATAL"
        )

    def decode(self, utterance: Speech) -> Hypothesis:
        """The best hypothesis; the time does not include reading the file."""
        samples = utterance.samples()
        started = time.perf_counter()
        self._decoder.start_utt()
        self._decoder.process_raw(samples, full_utt=True)
        self._decoder.end_utt()
        best = self._decoder.hyp()
        seconds = time.perf_counter() - started
        text = best.hypstr if best else ""
        return Hypothesis(utterance.id, text, seconds, self._times(text) if best else ())

    def _times(self, text: str) -> tuple[tuple[float, float], ...]:
        """Of the words; silence and noises are segments too, and a word says which of its pronunciations it is."""
        spoken = [each for each in self._decoder.seg() if each.word[0] not in "<["]
        if [_PRONUNCIATION.sub("", each.word) for each in spoken] != text.split():
            return ()
        return tuple((each.start_frame / _FRAMES, (each.end_frame + 1) / _FRAMES) for each in spoken)
