"""Measurements on the same parts, set against each other."""

from __future__ import annotations

import random

import pytest

from speech_experiment_projections.scoring.paired import Parts


def diarized(missed: list[float], totals: list[float] | None = None, ids: list[str] | None = None) -> Parts:
    size = len(missed)
    columns = {
        "total": totals or [100.0] * size,
        "missed": missed,
        "false_alarm": [0.5] * size,
        "confusion": [0.0] * size,
    }
    return Parts("diarization", ids or [f"r{i}" for i in range(size)], columns)


def test_a_difference_that_every_recording_has_is_seen_through_their_spread() -> None:
    dice = random.Random(1)
    hard = [dice.uniform(1, 40) for _ in range(30)]
    found = diarized([each + 1 for each in hard]).compared_with(diarized(hard))
    assert found is not None
    comparison, parts = found
    assert parts == 30
    assert comparison.difference.value == pytest.approx(0.01)
    assert comparison.difference.low == pytest.approx(0.01, abs=1e-6)
    assert comparison.improvement == 0


def test_only_common_parts_count() -> None:
    found = diarized([1.0, 2.0, 50.0]).compared_with(diarized([1.0, 2.0, 9.0], ids=["r0", "r1", "other"]))
    assert found is not None
    assert (found[0].difference.value, found[0].improvement, found[1]) == (0, 0.5, 2)


def test_other_references_single_parts_and_other_tasks_are_not_compared() -> None:
    one = diarized([1.0, 2.0])
    assert one.compared_with(diarized([1.0, 2.0], totals=[100.0, 90.0])) is None
    assert one.compared_with(diarized([1.0])) is None
    assert one.compared_with(diarized([1.0, 2.0], ids=["a", "b"])) is None
    for without in (
        Parts("verification", [], {}),
        Parts("diarization", [], {}),
        Parts("synthesis", ["a", "b"], {}),
    ):
        assert without.compared_with(without) is None


def test_rates_of_words_and_means_of_utterances() -> None:
    words = [
        {"hits": [8.0, 9.0], "substitutions": [2.0, 1.0], "deletions": [0.0, 0.0], "insertions": [0.0, n]}
        for n in (1.0, 0.0)
    ]
    heard = [Parts("intelligibility", ["u1", "u2"], columns) for columns in words]
    found = heard[0].compared_with(heard[1])
    assert found is not None
    assert found[0].difference.value == pytest.approx(1 / 20)
    spoken = [Parts("synthesis", ["u1", "u2"], {"mcd": each}) for each in ([5.0, 6.0], [4.5, 6.1])]
    found = spoken[0].compared_with(spoken[1])
    assert found is not None
    assert found[0].difference.value == pytest.approx(0.2)
