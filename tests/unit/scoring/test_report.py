"""Reports against naive sums, and verdicts that one can foresee."""

from __future__ import annotations

import re
from statistics import mean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_experiment_projections.scoring import gate
from speech_experiment_projections.scoring.alignment import align
from speech_experiment_projections.scoring.power import seeds_needed, words_needed
from speech_experiment_projections.scoring.replicates import SEED_NAME, compare_seeds, rank, replicates
from speech_experiment_projections.scoring.report import (
    Scores,
    breakdown,
    certainty,
    difference,
    macro,
    relative_reduction,
    standings,
    totals,
)

DICE = np.random.default_rng(3)
rows = st.lists(
    st.tuples(*[st.integers(0, 4)] * 4, st.booleans(), st.sampled_from(["", "anna", "bob"])), max_size=12
)


def scores(table: list[tuple[int, int, int, int, bool, str]]) -> Scores:
    counts = np.array([row[:4] for row in table], np.int64).reshape(-1, 4)
    return Scores(counts, np.array([row[4] for row in table], np.bool_), [row[5] for row in table])


def made(rate: float, utterances: int = 600, speakers: int = 30, seed: int = 5) -> Scores:
    """The same seed makes errors on the same words, more of them with a higher rate."""
    dice = np.random.default_rng(seed)
    wrong = (dice.random((utterances, 12)) < rate).sum(axis=1)
    counts = np.column_stack((12 - wrong, wrong, 0 * wrong, 0 * wrong))
    return Scores(counts, np.ones(utterances, np.bool_), [f"s{i % speakers}" for i in range(utterances)])


@given(rows)
def test_totals_are_naive_sums(table: list[tuple[int, int, int, int, bool, str]]) -> None:
    found = totals(scores(table))
    kept = [row for row in table if row[4]]
    assert found.counts == tuple(sum(row[i] for row in kept) for i in range(4))
    assert (found.utterances, found.scored) == (len(table), len(kept))
    assert found.wrong == sum(any(row[1:4]) for row in kept)
    rates = [sum(row[1:4]) / sum(row[:3]) for row in kept if sum(row[:3])]
    assert found.mean_of_utterances == (pytest.approx(mean(rates)) if rates else None)
    pooled = []
    for speaker in {row[5] for row in kept} - {""}:
        own = [row for row in kept if row[5] == speaker]
        if words := sum(sum(row[:3]) for row in own):
            pooled.append(sum(sum(row[1:4]) for row in own) / words)
    assert found.mean_of_speakers == (pytest.approx(mean(pooled)) if pooled else None)


@given(rows)
def test_groups_add_up_to_the_whole(table: list[tuple[int, int, int, int, bool, str]]) -> None:
    whole, parts = totals(scores(table)), breakdown(scores(table), [row[5] for row in table])
    assert sum(part.utterances for part in parts.values()) == whole.utterances
    assert tuple(sum(part.counts[i] for part in parts.values()) for i in range(4)) == whole.counts
    with pytest.raises(ValueError, match="0 utterances, but 1 groups"):
        breakdown(scores([]), ["a"])


def test_intervals_go_by_speaker_when_all_are_known() -> None:
    by_speaker = certainty(made(0.1))
    assert (by_speaker.drawn, by_speaker.warnings, by_speaker.interval.units) == ("speakers", (), 30)
    few = certainty(made(0.1, speakers=5))
    assert few.drawn == "speakers"
    assert "5 speakers are few" in few.warnings[0]
    unknown = certainty(made(0.1)._replace(speakers=()))
    assert unknown.drawn == "utterances"
    assert "not known" in unknown.warnings[0]
    assert "one speaker" in certainty(made(0.1, speakers=1)).warnings[0]


def test_a_clear_difference_is_seen_by_every_test() -> None:
    worse, better = made(0.15), made(0.10)
    reference = ["w"] * 12
    steps = {n: align("sclite", reference, ["w"] * (12 - n) + ["x"] * n) for n in range(13)}
    found = difference(
        better, worse, alignments=lambda place: (steps[better.errors[place]], steps[worse.errors[place]])
    )
    assert found.difference.value < 0
    assert found.improvement > 0.999
    assert found.p == pytest.approx(1 / 10_000)
    assert found.different()
    assert found.wilcoxon is not None
    assert found.mapsswe is not None
    assert all(
        test.p is not None and test.p < 0.01 for test in (found.mcnemar, found.wilcoxon, found.mapsswe)
    )
    same = difference(better, better)
    assert (same.p, same.improvement, same.mcnemar.p, same.mapsswe) == (1.0, 0.5, None, None)


def test_only_what_both_have_scored_is_compared() -> None:
    one, other = made(0.1), made(0.1)
    half = other._replace(counted=np.arange(600) < 300)
    found = difference(one, half)
    assert found.difference.value == 0
    with pytest.raises(ValueError, match="scored for both"):
        difference(one, other._replace(counted=np.zeros(600, np.bool_)))
    with pytest.raises(ValueError, match="600 utterances of one system, 10"):
        difference(one, made(0.1, utterances=10))


def test_ties_are_with_the_best() -> None:
    order = standings(
        {"bad": made(0.2), "best": made(0.1), "alike": made(0.1005, seed=6), "none": scores([])}
    )
    assert order[-1].system == "bad"
    assert not order[-1].tied
    assert {each.system for each in order if each.tied} == {"best", "alike"}
    assert order[0].p is None
    assert standings({}) == []


def test_means_over_sets_and_reductions() -> None:
    assert macro([0.1, None, 0.3]) == pytest.approx(0.2)
    assert macro([]) is None
    assert relative_reduction(0.04, 0.05) == pytest.approx(0.2)
    assert relative_reduction(0.04, 0.0) is None


def test_seeds() -> None:
    assert replicates([0.1]).single_seed
    assert replicates([0.1, 0.12])[:2] == (2, pytest.approx(0.11))
    assert compare_seeds([0.1], [0.2, 0.3]).p is None
    assert compare_seeds([0.1, 0.1], [0.1, 0.1]).p is None
    clear = compare_seeds([0.100, 0.101, 0.102], [0.120, 0.121, 0.122])
    assert clear.p is not None
    assert clear.p < 0.001
    with pytest.raises(ValueError, match="without a result"):
        replicates([])


def test_configurations_are_ranked_over_their_seeds() -> None:
    good, alike, bad = [0.100, 0.101, 0.102], [0.1005, 0.1015, 0.1022], [0.120, 0.121, 0.122]
    found = rank([bad, good, alike, [0.105]], alpha=0.05)
    assert [each.best for each in found] == [False, True, False, False]
    assert [each.tied for each in found] == [False, True, True, None]
    assert found[3].p is None
    assert found[0].p is not None
    assert found[0].test is not None
    assert found[0].p == pytest.approx(2 * (found[0].test.p or 0))
    assert [each.tied for each in rank([[0.1], good], alpha=0.05)] == [True, None]
    assert rank([], alpha=0.05) == []


@pytest.mark.parametrize(
    ("key", "seed"),
    [
        ("seed", True),
        ("train.random_seed", True),
        ("data-seed", True),
        ("trainer.seed_value", True),
        ("seed_model", False),
        ("seedling", False),
        ("seed.path", False),
    ],
)
def test_what_is_a_seed(key: str, seed: bool) -> None:
    assert bool(re.search(SEED_NAME, key)) is seed


def test_plans() -> None:
    plan = words_needed(0.05, 0.002)
    assert words_needed(0.05, 0.001).needed == pytest.approx(4 * plan.needed, rel=0.05)
    assert words_needed(0.05, 0.002, overdispersion=4).needed == pytest.approx(2 * plan.needed, abs=2)
    # Two groups of 64 for half a standard deviation: the textbook's number (Cohen 1988).
    assert seeds_needed(0.002, 0.001).needed == 64
    assert seeds_needed(0.001, 0.002).needed == 6
    for arguments in ((0.0, 0.1), (0.1, 0.2), (0.1, 0.0)):
        with pytest.raises(ValueError, match="rates of"):
            words_needed(*arguments)
    with pytest.raises(ValueError, match="must not be zero"):
        seeds_needed(0.0, 0.1)


def test_a_planned_test_set_shows_the_difference_about_as_often_as_planned() -> None:
    needed = words_needed(0.12, 0.02, correlation=0.5, overdispersion=1).needed
    dice = np.random.default_rng(2)
    seen = 0
    for _ in range(150):
        utterances = needed // 12
        shared = dice.random((utterances, 12)) < 0.5
        common = dice.random((utterances, 12))
        first = np.where(shared, common, dice.random((utterances, 12))) < 0.12
        second = np.where(shared, common, dice.random((utterances, 12))) < 0.10
        pair = [
            Scores(np.column_stack((12 - w, w, 0 * w, 0 * w)), np.ones(utterances, np.bool_))
            for w in (first.sum(axis=1), second.sum(axis=1))
        ]
        seen += difference(*pair, draws=300).p < 0.05
    assert 100 <= seen <= 140


def test_gate_verdicts() -> None:
    reference, slightly, clearly = made(0.100), made(0.102), made(0.150)
    tiny = made(0.1, utterances=6, speakers=3), made(0.3, utterances=6, speakers=3, seed=8)
    checks = gate.check(
        {
            ("clean", ""): (slightly, reference),
            ("noisy", ""): (clearly, reference),
            ("noisy", "tiny"): (tiny[1], tiny[0]),
            ("empty", ""): (scores([]), scores([])),
        },
        max_regress=0.005,
    )
    assert [each.verdict for each in checks] == ["passed", "regressed", "unsure", "not compared"]
    assert not gate.passed(checks)
    assert gate.passed(checks[:1])
    assert gate.passed([checks[2]])
    assert not gate.passed([checks[2]], strict=True)
    relative = gate.check({("noisy", ""): (clearly, reference)}, max_regress=0.6, relative=True)
    assert relative[0].verdict == "passed"
