"""Decoding with pocketsphinx at one point of its search settings."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

from .utterances import Utterance

BEAMS = (1e-30, 1e-40, 1e-48)
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


def recogniser() -> str:
    """Name and version of the recogniser."""
    return f"pocketsphinx {version('pocketsphinx')}"


def decode(point: DecodingPoint, utterances: Sequence[Utterance]) -> list[Hypothesis]:
    """One hypothesis for each utterance, with the US English models of the package."""
    from pocketsphinx import Decoder

    decoder = Decoder(
        beam=point.beam, pbeam=point.beam, wbeam=point.word_beam, lw=point.lm_weight, loglevel="FATAL"
    )
    found = []
    for utterance in utterances:
        samples = utterance.samples()
        started = time.perf_counter()
        decoder.start_utt()
        decoder.process_raw(samples, full_utt=True)
        decoder.end_utt()
        best = decoder.hyp()
        seconds = time.perf_counter() - started
        found.append(Hypothesis(utterance.id, best.hypstr if best else "", seconds))
    return found
