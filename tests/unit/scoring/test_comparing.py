"""Systems side by side against what each comparison alone says."""

from __future__ import annotations

import numpy as np
import pytest

from speech_experiment_projections.scoring.alignment import align
from speech_experiment_projections.scoring.comparing import compare
from speech_experiment_projections.scoring.report import Scores, difference, standings


def system(rate: float, utterances: int = 600, speakers: int = 30, seed: int = 5) -> Scores:
    """The same seed makes errors on the same words, more of them with a higher rate."""
    wrong = (np.random.default_rng(seed).random((utterances, 12)) < rate).sum(axis=1)
    counts = np.column_stack((12 - wrong, wrong, 0 * wrong, 0 * wrong))
    return Scores(counts, np.ones(utterances, np.bool_), [f"s{i % speakers}" for i in range(utterances)])


def test_the_systems_stand_as_each_comparison_with_the_best_says() -> None:
    systems = [system(0.12), system(0.1), system(0.1), system(0.11, seed=7)]
    found = compare(systems)
    assert [(each.best, each.tied) for each in found] == [
        (False, False),
        (True, True),
        (False, True),
        (False, True),
    ]
    assert found[1].difference is None
    for place in (0, 2, 3):
        assert found[place].difference == difference(systems[place], systems[1])
    assert found[0].p == pytest.approx(3 * found[0].difference.p)  # type: ignore[union-attr]
    assert found[0].reduction == pytest.approx(1 - found[0].totals.rate / found[1].totals.rate)  # type: ignore[operator]
    tied = {each.system: each.tied for each in standings({str(i): each for i, each in enumerate(systems)})}
    assert [tied[str(place)] for place in range(4)] == [each.tied for each in found]


def test_ties_are_with_the_best_whatever_the_others_are_compared_with() -> None:
    found = compare([system(0.12), system(0.1), system(0.14)], against=0)
    assert [each.difference is None for each in found] == [True, False, False]
    assert [each.tied for each in found] == [False, True, False]
    assert found[1].difference.difference.value < 0 < found[2].difference.difference.value  # type: ignore[union-attr]
    assert compare([system(0.12), system(0.1)], seed=3) == compare([system(0.12), system(0.1)], seed=3)


def test_what_cannot_be_compared_has_no_difference() -> None:
    none = system(0.1)._replace(counted=np.zeros(600, np.bool_))
    found = compare([system(0.1), none])
    assert (found[1].certainty, found[1].difference, found[1].p, found[1].tied) == (None, None, None, False)
    assert (found[0].best, found[0].tied) == (True, True)
    assert [each.best for each in compare([none, none])] == [False, False]


def test_alignments_are_asked_for_by_systems_and_utterance() -> None:
    texts = [["a b c d", "a b c d"], ["a x c d", "a b c d"]]

    def alignments(one: int, other: int):  # type: ignore[no-untyped-def]
        return lambda at: tuple(
            align("sclite", "a b c d".split(), texts[each][at].split()) for each in (one, other)
        )

    counts = [np.array([[4, 0, 0, 0]] * 2), np.array([[3, 1, 0, 0], [4, 0, 0, 0]])]
    found = compare([Scores(each, np.ones(2, np.bool_)) for each in counts], alignments=alignments)
    assert found[1].difference.mapsswe.units == 1  # type: ignore[union-attr]
