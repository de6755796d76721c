"""Verification against naive computation by each tool's own recipe, scikit-learn's ROC and scipy's hull."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.spatial import ConvexHull
from sklearn.metrics import roc_curve

from speech_experiment_projections.scoring.lines import BadLine
from speech_experiment_projections.scoring.trials import join_scores, read_trials
from speech_experiment_projections.scoring.verification import (
    Costs,
    cllr,
    cost_at,
    equal_error_rate,
    minimum_cost,
    roc,
    thinned,
    verification,
)

DICE = np.random.default_rng(5)
scores = st.lists(st.integers(-8, 8).map(float), min_size=1, max_size=30)


def pooled(same: list[float], different: list[float]) -> tuple[np.ndarray, np.ndarray]:
    return np.array(same + different), np.array([True] * len(same) + [False] * len(different))


def kaldi_eer(same: np.ndarray, different: np.ndarray) -> float:
    """compute-eer: walks up the targets until as large a share of non-targets scores at least as much."""
    same, different = np.sort(same), np.sort(different)
    for position in range(len(same) - 1):
        rejected = len(different) - 1 - int(len(different) * position / len(same))
        if different[max(rejected, 0)] < same[position]:
            return position / len(same)
    return (len(same) - 1) / len(same)


def kaldi_min_dcf(same: np.ndarray, different: np.ndarray, costs: Costs) -> float:
    """compute_min_dcf.py: cost after each score in rising order, by the cost of the better default."""
    order = sorted([(score, True) for score in same] + [(score, False) for score in different])
    missed, accepted, least = 0, len(different), costs.c_fa * (1 - costs.p_target)
    for _, target in order:
        missed, accepted = missed + target, accepted - (not target)
        least = min(
            least,
            costs.c_miss * costs.p_target * missed / len(same)
            + costs.c_fa * (1 - costs.p_target) * accepted / len(different),
        )
    return least / min(costs.c_miss * costs.p_target, costs.c_fa * (1 - costs.p_target))


def speechbrain_min_dcf(same: np.ndarray, different: np.ndarray, costs: Costs) -> float:
    """minDCF of speechbrain.utils.metric_stats: over all scores and the midpoints between them, not normalised."""
    thresholds = np.unique(np.concatenate((same, different)))
    thresholds = np.concatenate((thresholds, (thresholds[1:] + thresholds[:-1]) / 2))
    return float(
        min(
            costs.c_miss * np.mean(same <= t) * costs.p_target
            + costs.c_fa * np.mean(different > t) * (1 - costs.p_target)
            for t in thresholds
        )
    )


def hull_eer(same: np.ndarray, different: np.ndarray) -> float:
    """Where scipy's convex hull of the ROC meets the diagonal of equal rates."""
    curve = roc(*pooled(list(same), list(different)))
    points = np.column_stack((curve.p_fa, curve.p_miss))
    points = np.vstack((points, [2, 2]))
    hull = points[ConvexHull(points).vertices]
    hull = hull[(hull != 2).all(axis=1)]
    hull = hull[np.argsort(hull[:, 0])]
    return float(brentq(lambda x: np.interp(x, hull[:, 0], hull[:, 1]) - x, 0, 1))


NORMAL = DICE.normal(2, 1, 300), DICE.normal(0, 1, 2_000)


def test_equal_error_rates_by_their_definitions() -> None:
    curve = roc(*pooled(*map(list, NORMAL)))
    assert equal_error_rate(curve, "kaldi")[0] == pytest.approx(kaldi_eer(*NORMAL))
    assert equal_error_rate(curve, "rocch")[0] == pytest.approx(hull_eer(*NORMAL))
    false_alarm, hit, _ = roc_curve(
        np.repeat([1, 0], [300, 2_000]), np.concatenate(NORMAL), drop_intermediate=False
    )
    theirs = brentq(lambda x: 1 - x - np.interp(x, false_alarm, hit), 0, 1)
    assert equal_error_rate(curve, "interpolated")[0] == pytest.approx(theirs)
    nearest = np.argmin(abs(1 - hit - false_alarm))
    assert equal_error_rate(curve, "nearest")[0] == pytest.approx(
        (1 - hit + false_alarm)[nearest] / 2, abs=0.001
    )


@settings(max_examples=200)
@given(scores, scores)
def test_the_hull_is_never_above_the_lines(same: list[float], different: list[float]) -> None:
    curve = roc(*pooled(same, different))
    hull, lines = equal_error_rate(curve, "rocch")[0], equal_error_rate(curve, "interpolated")[0]
    assert 0 <= hull <= lines + 1e-12
    assert hull <= 0.5 + 1e-12


@settings(max_examples=100)
@given(scores, scores, st.sampled_from([Costs(), Costs(0.05), Costs(0.5, 10, 1), Costs(0.9, 1, 3)]))
def test_minimum_cost_by_its_definition(same: list[float], different: list[float], costs: Costs) -> None:
    thresholds = [*same, *different, np.inf]
    naive = min(
        costs.miss * np.mean(np.array(same) < t) + costs.false_alarm * np.mean(np.array(different) >= t)
        for t in thresholds
    )
    found = minimum_cost(roc(*pooled(same, different)), costs)
    assert found.unnormalised == pytest.approx(naive)
    assert found.normalised <= 1 + 1e-12
    again = cost_at(*pooled(same, different), costs, found.threshold)
    assert again.unnormalised == pytest.approx(found.unnormalised)


@pytest.mark.parametrize("costs", [Costs(), Costs(0.05), Costs(0.1, 10, 1)])
def test_both_tools_minimum_costs_under_their_names(costs: Costs) -> None:
    found = minimum_cost(roc(*pooled(*map(list, NORMAL))), costs)
    assert found.normalised == pytest.approx(kaldi_min_dcf(*NORMAL, costs))
    assert found.unnormalised == pytest.approx(speechbrain_min_dcf(*NORMAL, costs))
    assert found.normalised == pytest.approx(found.unnormalised / costs.default)


@settings(max_examples=50)
@given(scores, scores, st.sampled_from([lambda x: 3 * x + 1, np.exp, np.arctan]))
def test_only_the_order_of_scores_matters(same: list[float], different: list[float], change: object) -> None:
    values, targets = pooled(same, different)
    for method in ("rocch", "interpolated", "nearest", "kaldi"):
        one = equal_error_rate(roc(values, targets), method)  # type: ignore[arg-type]
        other = equal_error_rate(roc(change(values), targets), method)  # type: ignore[arg-type, operator]
        assert one[0] == pytest.approx(other[0])


def test_separable_and_useless_scores() -> None:
    perfect = verification([1, 2, 3, -1, -2], [1, 1, 1, 0, 0], draws=0)
    assert (perfect.eer, perfect.min_dcf.unnormalised) == (0, 0)
    useless = verification([1, 1, 1, 1], [1, 1, 0, 0], draws=0)
    assert (useless.eer, useless.min_dcf.normalised) == (0.5, 1)


def test_calibrated_scores_have_an_actual_cost_and_a_cllr() -> None:
    # Of two normals a distance d apart with unit variance, the log-likelihood ratio is d·x - d²/2.
    values, targets = pooled(list(2 * NORMAL[0] - 2), list(2 * NORMAL[1] - 2))
    found = verification(values, targets, calibrated=True, costs=Costs(0.5), draws=0)
    assert found.actual_dcf is not None
    assert found.actual_dcf.threshold == 0
    assert found.min_dcf.normalised <= found.actual_dcf.normalised < found.min_dcf.normalised + 0.05
    assert cllr(np.zeros(4), np.array([True, True, False, False])) == pytest.approx(1)
    assert found.cllr is not None
    assert found.cllr < 0.6
    assert verification(values, targets, draws=0).actual_dcf is None


def test_bounds_hold_the_rate_and_are_wider_by_speaker() -> None:
    speakers = [f"s{i % 15}" for i in range(2_300)]
    talent = np.array([(i % 15) / 5 for i in range(2_300)])
    values, targets = pooled(*map(list, NORMAL))
    values = values + np.where(targets, talent, 0)
    alone = verification(values, targets, draws=300)
    grouped = verification(values, targets, draws=300, groups=speakers)
    assert alone.eer_bounds is not None
    assert grouped.eer_bounds is not None
    assert alone.eer_bounds.low < alone.eer < alone.eer_bounds.high
    assert np.ptp(grouped.eer_bounds) > np.ptp(alone.eer_bounds)
    assert alone == verification(values, targets, draws=300)


def test_cells_draw_as_all_scores_do() -> None:
    """Over 4,096 scores are drawn in cells; the spread is that of drawing every score."""
    same, different = DICE.normal(2, 1, 1_000), DICE.normal(0, 1, 9_000)
    found = verification(*pooled(list(same), list(different)), draws=400)
    naive = [
        equal_error_rate(roc(*pooled(list(DICE.choice(same, 1_000)), list(DICE.choice(different, 9_000)))))[0]
        for _ in range(400)
    ]
    assert found.eer_bounds == pytest.approx(np.quantile(naive, (0.025, 0.975)), abs=0.004)


def test_the_thinned_curve_lies_on_the_whole_one() -> None:
    curve = roc(*pooled(*map(list, NORMAL)))
    points = thinned(curve, 40)
    whole = set(zip(*(column.tolist() for column in curve), strict=True))
    assert len(points) <= 41
    assert set(points) <= whole
    assert (points[0][1:], points[-1][1:]) == ((0, 1), (1, 0))


@pytest.mark.parametrize(
    ("values", "targets", "message"),
    [
        ([1, 2], [1, 1], "got 2 and 0"),
        ([1, 2], [1], "2 scores, but 1 labels"),
        ([1, float("nan")], [1, 0], "trial 1 is nan"),
        ([1, 2], [1, 2], "neither booleans nor 0 and 1"),
    ],
)
def test_what_cannot_be_scored_is_an_error(values: list[float], targets: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        verification(values, targets)


def test_reads_both_formats_of_trials() -> None:
    kaldi = read_trials([";; a comment", "a u1 target", "", "b u1 nontarget"])
    assert kaldi == read_trials(["1 a u1", "0 b u1"]) == {("a", "u1"): True, ("b", "u1"): False}
    joined = join_scores(kaldi, ["b u1 -0.5", "a u1 2.5"])
    assert joined == (["a", "b"], ["u1", "u1"], [True, False], [2.5, -0.5])


@pytest.mark.parametrize(
    ("trials", "lines", "message"),
    [
        (["a u1 maybe"], [], "t:1: is no trial"),
        (["a u1 target", "a u1 target"], [], "t:2: gives the trial 'a u1 target' a second time"),
        (["a u1 target"], ["a u2 1"], "s:1: scores a u2, which is no trial"),
        (["a u1 target"], ["a u1 high"], "s:1: score is 'high', not a number"),
        (["a u1 target"], ["a u1 nan"], "s:1: score is nan, not finite"),
        (["a u1 target"], ["a u1"], "s:1: has 2 fields"),
        (["a u1 target"], ["a u1 1", "a u1 1"], "s:2: scores a u1 a second time"),
        (["a u1 target", "b u1 nontarget"], ["a u1 1"], "no score for 1 of 2 trials, first for b u1"),
    ],
)
def test_bad_files_are_named_with_their_place(trials: list[str], lines: list[str], message: str) -> None:
    with pytest.raises((BadLine, ValueError), match=message):
        join_scores(read_trials(trials, "t"), lines, "s")
