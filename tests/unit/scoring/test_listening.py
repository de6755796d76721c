"""Listening tests: means, intervals that hold what they promise, and comparisons of systems."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest
from scipy import stats

from speech_experiment_projections.scoring.lines import BadLine
from speech_experiment_projections.scoring.listening import Rating, listening, read_ratings


def ratings(
    dice: np.random.Generator, people: int, items: int, systems: dict[str, float], spread: float = 0.5
) -> list[Rating]:
    """Scores on 1 to 5 with listeners and items that differ from each other."""
    severe, hard = dice.normal(0, spread, people), dice.normal(0, spread, items)
    return [
        Rating(f"l{i}", f"u{j}", name, float(np.clip(mean + severe[i] + hard[j] + dice.normal(0, 0.3), 1, 5)))
        for name, mean in systems.items()
        for i in range(people)
        for j in range(items)
    ]


def test_the_mean_is_over_all_ratings() -> None:
    rows = ratings(np.random.default_rng(1), 10, 10, {"a": 3.0})
    found = listening(rows, draws=500).systems["a"]
    assert found.mean == pytest.approx(np.mean([row.score for row in rows]))
    assert found[3:] == (100, 10, 10, "two-way")
    assert found.low < found.mean < found.high


def test_intervals_hold_the_true_mean_as_often_as_they_say() -> None:
    """Where a bootstrap of single ratings, which takes them for independent, would hold it far too rarely."""
    dice = np.random.default_rng(3)
    held = naive = 0
    for _ in range(120):
        rows = ratings(dice, 12, 12, {"a": 3.0}, spread=0.3)
        found = listening(rows, draws=400).systems["a"]
        held += found.low <= 3.0 <= found.high
        scores = [row.score for row in rows]
        naive += abs(np.mean(scores) - 3.0) <= 1.96 * np.std(scores, ddof=1) / len(scores) ** 0.5
    assert held >= 105
    assert naive < 80


def test_few_listeners_have_the_t_interval_of_their_means() -> None:
    rows = ratings(np.random.default_rng(2), 5, 9, {"a": 3.5})
    found = listening(rows).systems["a"]
    means = np.array([np.mean([row.score for row in rows if row.listener == f"l{i}"]) for i in range(5)])
    theirs = stats.t.interval(0.95, 4, means.mean(), stats.sem(means))
    assert found.method == "t over listeners"
    assert (found.low, found.high) == pytest.approx(theirs)


def test_one_listener_has_a_mean_without_an_interval() -> None:
    found = listening([Rating("l", "u1", "a", 4), Rating("l", "u2", "a", 3)]).systems["a"]
    assert found.mean == 3.5
    assert isnan(found.low)
    assert isnan(found.high)


def test_pairing_sees_a_small_difference() -> None:
    dice = np.random.default_rng(4)
    rows = ratings(dice, 15, 15, {"a": 3.0})
    rows += [
        row._replace(system="b", score=min(5.0, row.score + 0.15 + float(dice.normal(0, 0.1))))
        for row in rows
    ]
    found = listening(rows, draws=1_000)
    (preference,) = found.preferences
    assert (preference.first, preference.second) == ("a", "b")
    assert preference.difference.high < 0
    assert preference.probability == 0
    assert found.systems["a"].high > found.systems["b"].low


def test_systems_without_common_ratings_are_not_compared() -> None:
    rows = [Rating("l1", "u1", "a", 3), Rating("l1", "u2", "b", 4)]
    assert listening(rows).preferences == []


def test_comparison_scores_are_of_a_system_and_its_reference() -> None:
    dice = np.random.default_rng(5)
    rows = [
        Rating(f"l{i}", f"u{j}", "new", float(dice.integers(-1, 3)), "old")
        for i in range(10)
        for j in range(10)
    ]
    found = listening(rows, kind="cmos", draws=500)
    assert list(found.systems) == ["new vs old"]
    assert found.systems["new vs old"].low > 0
    assert found.definition.settings["scale_low"] == -3
    with pytest.raises(ValueError, match="has no reference"):
        listening([Rating("l", "u", "a", 1)], kind="cmos")


def test_scores_beyond_the_scale_are_refused_by_name() -> None:
    with pytest.raises(
        ValueError, match="listener 'l' for item 'u' of 'a' is 60, beyond the scale from 1 to 5"
    ):
        listening([Rating("l", "u", "a", 60)])
    assert listening([Rating("l", "u", "a", 60)], scale=(0, 100)).systems["a"].mean == 60
    with pytest.raises(ValueError, match="no ratings"):
        listening([])


def test_reads_long_csv() -> None:
    lines = ["\ufefflistener,item,system,score,note\n", "l1,u1,a,4,fine\n", 'l1,"u,2",b,3.5,\n']
    assert read_ratings(lines) == [Rating("l1", "u1", "a", 4.0), Rating("l1", "u,2", "b", 3.5)]
    with pytest.raises(BadLine, match=r"x\.csv:1: has no column system"):
        read_ratings(["listener,item,score\n"], "x.csv")
    with pytest.raises(BadLine, match=r"x\.csv:2: score is 'good'"):
        read_ratings(["listener,item,system,score\n", "l,u,a,good\n"], "x.csv")
    with pytest.raises(BadLine, match=r"x\.csv:2: item is empty"):
        read_ratings(["listener,item,system,score\n", "l,,a,4\n"], "x.csv")
