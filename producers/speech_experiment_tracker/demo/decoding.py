"""Decoding with pocketsphinx at one point of its search settings."""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib.metadata import version

from .utterances import Speech

BEAMS = (1e-24, 1e-30, 1e-36)
LM_WEIGHTS = (4.0, 6.5, 9.0)
# pocketsphinx's defaults are 1e-48 and 7e-29: the word beam keeps that proportion of the logarithms.
_WORD_BEAM_EXPONENT = 0.587


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
    """What was recognised, and the seconds of computing that it took."""

    utterance: str
    text: str
    decode_seconds: float


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
        return Hypothesis(utterance.id, best.hypstr if best else "", seconds)
