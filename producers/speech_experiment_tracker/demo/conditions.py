"""The recordings under harder conditions: with babble at stated signal-to-noise ratios, and in a room.

Babble is other speakers of the same recordings, talking at once. The room is an impulse response made of the direct
sound and of noise that decays by 60 dB within RT60, as strong together as the direct sound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .utterances import SAMPLE_RATE, Utterance

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Wave = NDArray[np.float64]

CLEAN, BABBLE, ROOM = "demo-clean", "demo-babble", "demo-room"
SNRS_DB = (20, 10)
RT60_SECONDS = 0.5
TALKERS = 3
_SPEAKERS = {"librivox": "librivox-reader", "cards": "cards-player"}
_MAX_SAMPLE = 32_767


@dataclass(frozen=True, slots=True)
class Version:
    """One utterance under one condition: 16-bit mono PCM at 16 kHz, made of the recording `source`."""

    id: str
    pcm: bytes
    reference: str
    speaker: str
    source: Path
    conditions: dict[str, str | int | float] = field(default_factory=dict)

    def samples(self) -> bytes:
        """Little-endian 16-bit samples."""
        return self.pcm

    def wave(self) -> NDArray[np.int16]:
        """The samples as numbers, shape (samples,)."""
        import numpy as np

        return np.frombuffer(self.pcm, "<i2")

    @property
    def altered(self) -> bool:
        """Whether it sounds otherwise than its source."""
        return self.conditions.get("noise") != "none"

    def seconds(self) -> float:
        """Duration of the audio."""
        return len(self.pcm) / (2 * SAMPLE_RATE)


def versions(utterances: Sequence[Utterance]) -> dict[str, list[Version]]:
    """Test set → the utterances as they were recorded, in babble, and in a room."""
    waves = {each.id: _wave(each) for each in utterances}
    sets: dict[str, list[Version]] = {CLEAN: [], BABBLE: [], ROOM: []}
    for each in utterances:
        wave = waves[each.id]
        others = [waves[other.id] for other in utterances if speaker_of(other) != speaker_of(each)]
        sets[CLEAN].append(_version(each, "", wave, {"noise": "none"}))
        for snr in SNRS_DB:
            mixed = with_noise(wave, babble(others, len(wave)), snr)
            sets[BABBLE].append(
                _version(each, f"-snr{snr}", mixed, {"noise": f"babble {snr} dB", "snr_db": snr})
            )
        heard = in_room(wave, RT60_SECONDS)
        sets[ROOM].append(_version(each, "-room", heard, {"noise": "room", "rt60_s": RT60_SECONDS}))
    return sets


def speaker_of(utterance: Utterance) -> str:
    """Who speaks: the short phrases are by one speaker each."""
    return _SPEAKERS.get(utterance.test_set, utterance.id)


def babble(others: Sequence[Wave], length: int) -> Wave:
    """A few recordings at the same time, each begun anew when it ends."""
    import numpy as np

    louder = sorted(others, key=len, reverse=True)[:TALKERS]
    mixed: Wave = np.sum([np.resize(each / _power(each) ** 0.5, length) for each in louder], axis=0)
    return mixed


def with_noise(wave: Wave, noise: Wave, snr_db: float) -> Wave:
    """The wave with noise whose mean power lies `snr_db` below its own."""
    gain: float = (_power(wave) / _power(noise) / 10 ** (snr_db / 10)) ** 0.5
    mixed: Wave = wave + noise * gain
    return mixed


def in_room(wave: Wave, rt60: float) -> Wave:
    """The wave in a room that takes `rt60` seconds to become 60 dB quieter; as loud as before."""
    import numpy as np

    length = int(rt60 * SAMPLE_RATE)
    decay = 10 ** (-3 * np.arange(length) / length)
    tail = np.random.default_rng(0).standard_normal(length) * decay
    response = tail / np.sum(tail**2) ** 0.5
    response[0] += 1.0
    size = 1 << (len(wave) + length - 1).bit_length()
    heard: Wave = np.fft.irfft(np.fft.rfft(wave, size) * np.fft.rfft(response, size))[: len(wave)]
    gain: float = (_power(wave) / _power(heard)) ** 0.5
    heard *= gain
    return heard


def _power(wave: Wave) -> float:
    return float((wave**2).mean())


def _wave(utterance: Utterance) -> Wave:
    import numpy as np

    return np.frombuffer(utterance.samples(), dtype="<i2").astype(np.float64)


def _version(
    utterance: Utterance, suffix: str, wave: Wave, conditions: dict[str, str | int | float]
) -> Version:
    """Scaled down where it would clip."""
    import numpy as np

    loudest = float(np.abs(wave).max())
    scaled = wave * min(1.0, _MAX_SAMPLE / loudest) if loudest else wave
    return Version(
        id=utterance.id + suffix,
        pcm=np.rint(scaled).astype("<i2").tobytes(),
        reference=utterance.reference,
        speaker=speaker_of(utterance),
        source=utterance.path,
        conditions=conditions,
    )
