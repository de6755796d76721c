"""Synthetic speech beside a recording of the same words: mel-cepstral distortion (MCD) and F0 error.

MCD of two frames = 10 / ln 10 · sqrt(2 Σ (Δ mel-cepstral coefficient)²) in dB (Kubichek 1993), of an utterance the mean over
the path that aligns its frames. Everything in that sentence varies between papers, and is in the definition: the order,
whether c0 (loudness) counts, the warping α, the spectral envelope (WORLD's CheapTrick), the frame period, and whether frames
are aligned by dynamic time warping (DTW, by Euclidean distance of the same coefficients) or one by one.

F0 error is over the frame pairs of that path in which both are voiced: RMSE in Hz and of the natural logarithm; voicing
error is the share of frame pairs in which only one is voiced. Utterances count equally, as in ESPnet. Silence is kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from .definitions import Definition, define
from .intervals import Interval, rate_interval

Floats = NDArray[np.float64]
Pairs = NDArray[np.intp]
CONSTANT = 10 / np.log(10) * np.sqrt(2)
"""dB of a Euclidean distance of mel-cepstra."""
_ALPHAS = {8_000: 0.31, 16_000: 0.42, 22_050: 0.45, 24_000: 0.46, 32_000: 0.50, 44_100: 0.53, 48_000: 0.55}
_TICKS = 1_000_000
MAX_CELLS = 50_000_000
"""Pairs of frames that are aligned at most: 35 s with 35 s, in 0.8 GB."""


class Analysis(msgspec.Struct, frozen=True, kw_only=True):
    """How audio is analysed and compared.

    order         of the mel-cepstrum: order + 1 coefficients with c0
    alpha         of the all-pass warping; None: that which comes nearest to the mel scale at the sampling rate
    c0            whether the first coefficient counts
    frame_period  ms
    warped        whether frames are aligned by DTW
    """

    order: int = 24
    alpha: float | None = None
    c0: bool = False
    frame_period: float = 5.0
    warped: bool = True
    f0: Literal["harvest", "dio"] = "harvest"
    f0_floor: float = 71.0
    f0_ceil: float = 800.0


class Sound(NamedTuple):
    """Mono samples from -1 to 1 and their rate in Hz."""

    samples: ArrayLike
    rate: int


class Frames(NamedTuple):
    """Mel-cepstra [frames, order + 1], and F0 in Hz with 0 where unvoiced."""

    cepstra: Floats
    f0: Floats


class Distortion(NamedTuple):
    """Of one utterance, or the means of many.

    mcd           dB
    f0_rmse       Hz; None without a frame pair in which both are voiced
    log_f0_rmse   natural logarithm; 0.01 is about 17 cents
    voicing_error share of frame pairs
    frames        pairs of the path
    """

    mcd: float
    f0_rmse: float | None
    log_f0_rmse: float | None
    voicing_error: float
    frames: int


class Synthesis(msgspec.Struct, frozen=True, kw_only=True):
    """The result over a set of utterances."""

    definition: Definition
    utterances: dict[str, Distortion]

    @property
    def mean(self) -> Distortion:
        """Of all utterances, each counted once; F0 over those that have it."""
        rows = list(self.utterances.values())
        return Distortion(
            _mean([each.mcd for each in rows]) or 0.0,
            _mean([each.f0_rmse for each in rows]),
            _mean([each.log_f0_rmse for each in rows]),
            _mean([each.voicing_error for each in rows]) or 0.0,
            sum(each.frames for each in rows),
        )

    def interval(self, **options: Any) -> Interval:
        """Of the mean MCD, utterances drawn with replacement; options as of intervals.rate_interval."""
        rows = [round(each.mcd * _TICKS) for each in self.utterances.values()]
        return rate_interval(rows, [_TICKS] * len(rows), **options)


def synthesis(utterances: Iterable[tuple[str, Sound, Sound]], analysis: Analysis | None = None) -> Synthesis:
    """Scores (id, recording, synthetic speech) one by one.

    Raises ValueError for sampling rates that differ, for a rate without a known α, an utterance given twice, and for no
    utterance.
    """
    analysis = analysis or Analysis()
    found: dict[str, Distortion] = {}
    alpha = rate = None
    for name, recording, synthetic in utterances:
        if name in found:
            raise ValueError(f"utterance {name!r} is given twice")
        rate = rate or recording.rate
        if not recording.rate == synthetic.rate == rate:
            raise ValueError(
                f"utterance {name!r} has {recording.rate} Hz and {synthetic.rate} Hz, others {rate} Hz: resample first"
            )
        alpha = _alpha(analysis, rate)
        found[name] = distortion(
            analyse(recording, analysis), analyse(synthetic, analysis), c0=analysis.c0, warped=analysis.warped
        )
    if not found:
        raise ValueError("there is no utterance")
    settings = {**msgspec.structs.asdict(analysis), "alpha": alpha, "rate": rate}
    named = {"constant": "10/ln10·√2", "envelope": "cheaptrick", "silence": "kept", "mean": "of utterances"}
    return Synthesis(definition=define("synthesis", "pyworld", **settings, **named), utterances=found)


def analyse(sound: Sound, analysis: Analysis) -> Frames:
    """F0 and mel-cepstra of a sound, by WORLD; raises ValueError for what is no mono sound."""
    import pyworld

    samples = np.ascontiguousarray(sound.samples, np.float64)
    if samples.ndim != 1 or not len(samples) or not np.isfinite(samples).all():
        raise ValueError(f"samples have the shape {samples.shape}; give finite mono samples")
    options = {
        "f0_floor": analysis.f0_floor,
        "f0_ceil": analysis.f0_ceil,
        "frame_period": analysis.frame_period,
    }
    if analysis.f0 == "harvest":
        f0, times = pyworld.harvest(samples, sound.rate, **options)
    else:
        rough, times = pyworld.dio(samples, sound.rate, **options)
        f0 = pyworld.stonemask(samples, rough, times, sound.rate)
    envelope = pyworld.cheaptrick(samples, f0, times, sound.rate, f0_floor=analysis.f0_floor)
    return Frames(mel_cepstra(envelope, analysis.order, _alpha(analysis, sound.rate)), f0)


def distortion(one: Frames, other: Frames, *, c0: bool = False, warped: bool = True) -> Distortion:
    """Of two analysed utterances.

    Without warping the frames are compared one by one; raises ValueError where their numbers differ then.
    """
    mine, yours = (each.cepstra if c0 else each.cepstra[:, 1:] for each in (one, other))
    if warped:
        path = warp(mine, yours)
    elif len(mine) == len(yours):
        path = np.repeat(np.arange(len(mine))[:, None], 2, axis=1)
    else:
        raise ValueError(f"{len(mine)} and {len(yours)} frames cannot be compared one by one: use DTW")
    distances = np.linalg.norm(mine[path[:, 0]] - yours[path[:, 1]], axis=1)
    mine_f0, yours_f0 = one.f0[path[:, 0]], other.f0[path[:, 1]]
    voiced = (mine_f0 > 0) & (yours_f0 > 0)
    return Distortion(
        float(CONSTANT * distances.mean()),
        _rmse(mine_f0[voiced], yours_f0[voiced]),
        _rmse(np.log(mine_f0[voiced]), np.log(yours_f0[voiced])),
        float(np.mean((mine_f0 > 0) != (yours_f0 > 0))),
        len(path),
    )


def mel_cepstra(envelope: ArrayLike, order: int, alpha: float) -> Floats:
    """Of power spectra [frames, fft / 2 + 1], by warping their cepstra: SPTK's freqt, as pysptk.sp2mc."""
    logs = np.log(np.asarray(envelope, np.float64))
    cepstra = np.fft.irfft(logs)[:, : logs.shape[1]]
    cepstra[:, 0] /= 2
    made: Floats = cepstra @ _warping(cepstra.shape[1], order, alpha)
    return made


@lru_cache(maxsize=8)
def _warping(size: int, order: int, alpha: float) -> Floats:
    """The all-pass transform of a cepstrum as a matrix [size, order + 1] (Oppenheim & Johnson 1972)."""
    rows = np.zeros((order + 1, size))
    for i in reversed(range(size)):
        before = rows.copy()
        rows[0] = alpha * before[0]
        rows[0, i] += 1
        if order:
            rows[1] = (1 - alpha**2) * before[0] + alpha * before[1]
        for j in range(2, order + 1):
            rows[j] = before[j - 1] + alpha * (before[j] - rows[j - 1])
    return rows.T


def warp(one: Floats, other: Floats) -> Pairs:
    """The pairs of frames on the path of the least summed Euclidean distance, by steps of one frame of either or both.

    Exact: time and memory are proportional to the product of the lengths. Raises ValueError beyond MAX_CELLS.
    """
    from scipy.spatial.distance import cdist

    if len(one) * len(other) > MAX_CELLS:
        raise ValueError(f"{len(one):,} and {len(other):,} frames are too many to align: cut the recordings")
    distances = cdist(one, other)
    rows, columns = distances.shape
    costs = np.full((rows + 1, columns + 1), np.inf)
    costs[0, 0] = 0
    for diagonal in range(rows + columns - 1):
        i = np.arange(max(0, diagonal - columns + 1), min(rows, diagonal + 1))
        j = diagonal - i
        least = np.minimum(np.minimum(costs[i, j], costs[i, j + 1]), costs[i + 1, j])
        costs[i + 1, j + 1] = distances[i, j] + least
    return _walked(costs)


def _walked(costs: Floats) -> Pairs:
    """Back from the end; both frames at once where it costs the same."""
    i, j = costs.shape[0] - 1, costs.shape[1] - 1
    path = []
    while i and j:
        path.append((i - 1, j - 1))
        both, first, second = costs[i - 1, j - 1], costs[i - 1, j], costs[i, j - 1]
        if both <= first and both <= second:
            i, j = i - 1, j - 1
        elif first <= second:
            i -= 1
        else:
            j -= 1
    return np.array(path[::-1], np.intp)


def _alpha(analysis: Analysis, rate: int) -> float:
    if analysis.alpha is not None:
        return analysis.alpha
    if rate not in _ALPHAS:
        raise ValueError(
            f"no α is known for {rate} Hz: give one, or resample to {', '.join(map(str, _ALPHAS))} Hz"
        )
    return _ALPHAS[rate]


def _rmse(one: Floats, other: Floats) -> float | None:
    return float(np.sqrt(np.mean((one - other) ** 2))) if len(one) else None


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
