"""Spoken digits cut out of real recordings: 107 words of two TIDIGITS speakers.

The recordings come as features (13 mel-frequency cepstra, 100 frames a second) with the words that were said.
Where each word begins and ends is found by forced alignment with the acoustic model that comes with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .utterances import read_transcription

CEPSTRA = 13
WORDS = ("zero", "oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
Frames = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Digit:
    """One spoken word: frames [first, last] of an utterance of shape (frames, 13), mean-normalised."""

    word: str
    speaker: str
    utterance: str
    features: Frames
    first: int
    last: int


def spoken_digits(recordings: Path) -> list[Digit]:
    """Every word of every digit string, in the order of the transcription."""
    folder = recordings / "tidigits"
    texts = read_transcription(folder / "tidigits.lsn")
    aligner = Aligner(folder)
    return [
        digit for name, text in texts.items() for digit in _words_of(aligner, folder / f"{name}.mfc", text)
    ]


def held_out(digit: Digit, names: list[str]) -> bool:
    """Whether a digit is for validation: whole utterances are, every third of the sorted names."""
    return names.index(digit.utterance) % 3 == 2


def split(digits: list[Digit]) -> tuple[list[Digit], list[Digit]]:
    """(training, validation); no utterance is in both."""
    names = sorted({digit.utterance for digit in digits})
    train = [digit for digit in digits if not held_out(digit, names)]
    return train, [digit for digit in digits if held_out(digit, names)]


def read_features(path: Path) -> Frames:
    """(frames, 13) of a Sphinx feature file: a count of values, then big-endian 32-bit floats."""
    content = path.read_bytes()
    count = int.from_bytes(content[:4], "big")
    if count * 4 + 4 != len(content) or count % CEPSTRA:
        raise ValueError(f"{path}: not a feature file of {CEPSTRA} cepstra per frame")
    return np.frombuffer(content, ">f4", count, 4).reshape(-1, CEPSTRA).astype(np.float32)


class Aligner:
    """Forced alignment of known words with the recordings' own acoustic model."""

    def __init__(self, folder: Path) -> None:
        from pocketsphinx import Decoder

        self._decoder = Decoder(
            hmm=str(folder / "hmm"), dict=str(folder / "lm/tidigits.dic"), lm=None, loglevel="FATAL"
        )

    def align(self, features: Frames, text: str) -> list[tuple[str, int, int]]:
        """(word, first frame, last frame) for each word of the text."""
        decoder = self._decoder
        decoder.set_align_text(text)
        decoder.start_utt()
        decoder.process_cep(features.astype("<f4").tobytes(), full_utt=True)
        decoder.end_utt()
        found = [(segment.word, segment.start_frame, segment.end_frame) for segment in decoder.seg()]
        words = [(word.split("(")[0], first, last) for word, first, last in found if word[0] != "<"]
        if [word for word, _, _ in words] != text.split():
            raise ValueError(f"alignment of {text!r} failed")
        return words


def _words_of(aligner: Aligner, path: Path, text: str) -> list[Digit]:
    features = read_features(path)
    centred = features - features.mean(axis=0)
    speaker = ".".join(path.name.split(".")[:2])
    return [
        Digit(word, speaker, path.stem, centred, first, last)
        for word, first, last in aligner.align(features, text)
    ]
