"""Distortion of real recordings against pysptk and naive dynamic time warping, and of known changes."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from speech_experiment_projections.scoring.definitions import differences
from speech_experiment_projections.scoring.synthesis import (
    CONSTANT,
    Analysis,
    Frames,
    Sound,
    analyse,
    distortion,
    mel_cepstra,
    synthesis,
    warp,
)

QUICK = Analysis(f0="dio")
sequences = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=8).map(
    lambda rows: np.array(rows)[:, None]
)


@cache
def recording() -> Sound:
    """CMU Arctic a0007, of pysptk's package."""
    pysptk: Any = pytest.importorskip("pysptk")
    soundfile: Any = pytest.importorskip("soundfile")
    pytest.importorskip("pyworld")
    return Sound(*soundfile.read(pysptk.util.example_audio_file()))


def resynthesised(order: int, pitch: float = 1.0) -> Sound:
    """The recording through WORLD, its envelope smoothed to a mel-cepstrum of an order."""
    import pysptk
    import pyworld

    samples, rate = recording()
    f0, envelope, aperiodicity = pyworld.wav2world(samples, rate)
    smooth = pysptk.mc2sp(pysptk.sp2mc(envelope, order, 0.42), 0.42, 2 * (envelope.shape[1] - 1))
    return Sound(pyworld.synthesize(f0 * pitch, smooth, aperiodicity, rate)[: len(samples)], rate)


def test_mel_cepstra_are_pysptks() -> None:
    pysptk, pyworld = pytest.importorskip("pysptk"), pytest.importorskip("pyworld")

    samples, rate = recording()
    _, envelope, _ = pyworld.wav2world(samples, rate)
    assert mel_cepstra(envelope, 24, 0.42) == pytest.approx(pysptk.sp2mc(envelope, 24, 0.42), abs=1e-9)


@given(sequences, sequences)
def test_the_path_is_the_best_there_is(one: np.ndarray, other: np.ndarray) -> None:
    path = warp(one, other)
    distances = cdist(one, other)

    @cache
    def least(i: int, j: int) -> float:
        before = [least(a, b) for a, b in ((i - 1, j - 1), (i - 1, j), (i, j - 1)) if a >= 0 and b >= 0]
        return float(distances[i, j]) + (min(before) if before else 0.0)

    assert distances[path[:, 0], path[:, 1]].sum() == pytest.approx(least(len(one) - 1, len(other) - 1))
    assert path[0].tolist() == [0, 0]
    assert path[-1].tolist() == [len(one) - 1, len(other) - 1]
    assert {tuple(step) for step in np.diff(path, axis=0).tolist()} <= {(0, 1), (1, 0), (1, 1)}


@settings(max_examples=30)
@given(sequences)
def test_lasting_longer_costs_nothing(one: np.ndarray) -> None:
    slow = np.repeat(one, 2, axis=0)
    frames, slow_frames = Frames(one, np.full(len(one), 100.0)), Frames(slow, np.full(len(slow), 100.0))
    assert distortion(frames, slow_frames, c0=True).mcd == 0
    with pytest.raises(ValueError, match="use DTW"):
        distortion(frames, slow_frames, warped=False)


def test_a_known_distance_is_that_many_decibels() -> None:
    zeros, f0 = np.zeros((10, 4)), np.full(10, 100.0)
    louder = Frames(zeros + np.array([5, 0, 0, 0]), f0)
    sharper = Frames(zeros + np.array([0, 0.1, 0, 0]), f0 * 2)
    assert distortion(Frames(zeros, f0), louder).mcd == 0
    assert distortion(Frames(zeros, f0), louder, c0=True).mcd == pytest.approx(5 * CONSTANT)
    found = distortion(Frames(zeros, f0), sharper)
    assert found.mcd == pytest.approx(0.6142, abs=1e-4)
    assert (found.f0_rmse, found.log_f0_rmse) == pytest.approx((100, np.log(2)))
    unvoiced = distortion(Frames(zeros, f0), Frames(zeros, f0 * 0))
    assert (unvoiced.f0_rmse, unvoiced.voicing_error) == (None, 1)


def test_a_recording_is_no_further_from_itself_than_from_its_copies() -> None:
    same = synthesis([("a0007", recording(), recording())], QUICK)
    assert same.mean[:4] == (0, 0, 0, 0)
    fine, coarse = (
        synthesis([("a0007", recording(), resynthesised(order))], QUICK).mean for order in (60, 8)
    )
    assert 0 < fine.mcd < 4 < coarse.mcd
    assert fine.log_f0_rmse is not None
    assert fine.log_f0_rmse < 0.08


def test_a_higher_voice_has_that_f0_error() -> None:
    found = synthesis([("a0007", recording(), resynthesised(24, pitch=1.1))], QUICK).mean
    assert found.log_f0_rmse == pytest.approx(np.log(1.1), abs=0.05)


def test_definitions_name_what_varies_between_papers() -> None:
    pair = [("a0007", recording(), recording())]
    one, other = (
        synthesis(pair, QUICK).definition,
        synthesis(pair, Analysis(f0="dio", order=34, c0=True)).definition,
    )
    assert differences(one, other) == {"order": (24, 34), "c0": (False, True)}
    assert one.settings["alpha"] == 0.42


def test_utterances_make_the_interval() -> None:
    pairs = [
        ("1", recording(), recording()),
        ("2", recording(), resynthesised(8)),
        ("3", recording(), resynthesised(24)),
    ]
    found = synthesis(pairs, QUICK)
    interval = found.interval(draws=300)
    assert interval.value == pytest.approx(found.mean.mcd, abs=1e-5)
    assert interval.low < interval.value < interval.high


def test_what_cannot_be_compared_is_an_error() -> None:
    sound = Sound(np.zeros(16_000), 16_000)
    with pytest.raises(ValueError, match="'u' has 16000 Hz and 8000 Hz"):
        synthesis([("u", sound, Sound(np.zeros(8_000), 8_000))])
    with pytest.raises(ValueError, match="no utterance"):
        synthesis([])
    with pytest.raises(ValueError, match="no α is known for 11025 Hz"):
        synthesis([("u", *[Sound(np.zeros(11_025), 11_025)] * 2)])
    pytest.importorskip("pyworld")
    with pytest.raises(ValueError, match=r"the shape \(2, 2\)"):
        analyse(Sound(np.zeros((2, 2)), 16_000), QUICK)
