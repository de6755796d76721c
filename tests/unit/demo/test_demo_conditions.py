"""Noise of a stated level, and rooms of a stated reverberation time."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from speech_experiment_tracker.demo.conditions import BABBLE, CLEAN, ROOM, in_room, versions, with_noise
from speech_experiment_tracker.demo.utterances import SAMPLE_RATE, Utterance


def tone(hertz: float, seconds: float = 1.0) -> np.ndarray:
    return 5_000 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE)


@pytest.mark.parametrize("snr", [0, 5, 20])
def test_noise_lies_as_far_below_the_speech_as_stated(snr: float) -> None:
    speech, noise = tone(300), np.random.default_rng(1).standard_normal(SAMPLE_RATE)
    added = with_noise(speech, noise, snr) - speech
    assert 10 * np.log10((speech**2).mean() / (added**2).mean()) == pytest.approx(snr, abs=1e-6)


def test_a_room_rings_and_falls_by_60_db_in_its_time() -> None:
    click = np.zeros(SAMPLE_RATE)
    click[0] = 10_000.0
    heard = in_room(click, 0.5)
    level = [float((heard[start : start + 800] ** 2).mean()) for start in (800, 800 + SAMPLE_RATE // 4)]
    assert 10 * np.log10(level[0] / level[1]) == pytest.approx(
        30, abs=2
    )  # half of the time, half of the decay
    assert (heard**2).mean() == pytest.approx((click**2).mean())


def test_every_utterance_comes_clean_in_babble_of_others_and_in_a_room(tmp_path: Path) -> None:
    utterances = []
    for number, name in enumerate(("one", "two", "three")):
        path = tmp_path / f"{name}.wav"
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
            file.writeframes(tone(200 * (number + 1), 0.5 + 0.1 * number).astype("<i2").tobytes())
        utterances.append(Utterance(name, "phrases", path, f"number {name}"))
    sets = versions(utterances)
    assert {name: len(found) for name, found in sets.items()} == {CLEAN: 3, BABBLE: 6, ROOM: 3}
    for found in sets.values():
        assert len({each.id for each in found}) == len(found)
        assert {each.speaker for each in found} == {"one", "two", "three"}
    assert sets[CLEAN][0].samples() == utterances[0].samples()
    lengths = {each.seconds() for found in sets.values() for each in found if each.speaker == "one"}
    assert lengths == {0.5}
