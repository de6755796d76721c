"""The recordings with transcripts that the recogniser is scored on."""

from __future__ import annotations

import re
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

SAMPLE_RATE = 16_000
_BYTES_PER_SECOND = 2 * SAMPLE_RATE
_TRANSCRIPTION = re.compile(r"(?:<s>)?(?P<text>.*?)(?:</s>)?\s*\((?P<id>[^()\s]+)\)\s*$")


class Speech(Protocol):
    """What can be recognised."""

    @property
    def id(self) -> str: ...

    def samples(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Utterance:
    """One recording: 16-bit mono PCM at 16 kHz, in a WAVE or a headerless file.

    reference  what was said, lower case, words separated by one space
    """

    id: str
    test_set: str
    path: Path
    reference: str

    def samples(self) -> bytes:
        """Little-endian 16-bit samples."""
        if self.path.suffix != ".wav":
            return self.path.read_bytes()
        with wave.open(str(self.path), "rb") as audio:
            shape = (audio.getframerate(), audio.getnchannels(), audio.getsampwidth())
            if shape != (SAMPLE_RATE, 1, 2):
                raise ValueError(f"{self.path}: expected 16 kHz, mono, 16 bit, found {shape}")
            return audio.readframes(audio.getnframes())

    def seconds(self) -> float:
        """Duration of the audio."""
        return len(self.samples()) / _BYTES_PER_SECOND


def test_utterances(recordings: Path) -> list[Utterance]:
    """13 utterances in three test sets: read prose, spoken playing cards, and short phrases."""
    return [
        *_listed("librivox", recordings / "librivox", "transcription"),
        *_listed("cards", recordings / "cards", "cards.transcription"),
        Utterance("goforward", "phrases", recordings / "goforward.raw", "go forward ten meters"),
        Utterance(
            "forever",
            "phrases",
            recordings / "forever/input_2_16k.wav",
            "feels like these days go on forever",
        ),
        Utterance("dhd.2934z", "phrases", recordings / "tidigits/dhd.2934z.raw", "two nine three four zero"),
    ]


def read_transcription(path: Path) -> dict[str, str]:
    """id → words, from lines such as ``<s> ten of clubs </s> (001)``, with or without the marks."""
    found = (_TRANSCRIPTION.match(line) for line in path.read_text().splitlines())
    return {line["id"]: " ".join(line["text"].split()) for line in found if line}


def _listed(test_set: str, folder: Path, transcription: str) -> list[Utterance]:
    texts = read_transcription(folder / transcription)
    return [Utterance(name, test_set, folder / f"{name}.wav", text) for name, text in texts.items()]
