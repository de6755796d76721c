"""Intervals and tests against naive computation, known values and other tools."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_experiment_projections.scoring.alignment import align
from speech_experiment_projections.scoring.intervals import compare_rates, rate_interval
from speech_experiment_projections.scoring.significance import (
    holm,
    mapsswe,
    mcnemar,
    segment_errors,
    units_needed,
    wilcoxon,
)

DICE = np.random.default_rng(7)
WORDS = DICE.integers(3, 20, 400)
ERRORS = DICE.binomial(WORDS, 0.12)
BETTER = DICE.binomial(WORDS, 0.08)
SPEAKERS = [f"s{i % 20}" for i in range(400)]


def naive_bootstrap(
    errors: np.ndarray, words: np.ndarray, draws: int, seed: int
) -> tuple[float, float, float]:
    dice = np.random.default_rng(seed)
    rates = []
    for _ in range(draws):
        drawn = dice.integers(0, len(words), len(words))
        rates.append(errors[drawn].sum() / words[drawn].sum())
    low, high = np.quantile(rates, (0.025, 0.975))
    return float(low), float(high), float(np.std(rates, ddof=1))


def test_interval_is_that_of_drawing_utterances_one_by_one() -> None:
    found = rate_interval(ERRORS, WORDS)
    low, high, error = naive_bootstrap(ERRORS, WORDS, 4_000, 3)
    assert found.value == ERRORS.sum() / WORDS.sum()
    assert (found.low, found.high) == pytest.approx((low, high), abs=4 * error / 40)
    assert found.standard_error == pytest.approx(error, rel=0.06)
    assert found.units == 400


def test_the_same_seed_gives_the_same_interval() -> None:
    assert rate_interval(ERRORS, WORDS, seed=5) == rate_interval(ERRORS, WORDS, seed=5)
    assert rate_interval(ERRORS, WORDS, seed=5) != rate_interval(ERRORS, WORDS, seed=6)


def test_errors_that_go_by_speaker_make_the_interval_wider() -> None:
    talent = DICE.uniform(0.02, 0.4, 20)
    errors = DICE.binomial(WORDS, [talent[i % 20] for i in range(400)])
    alone, by_speaker = rate_interval(errors, WORDS), rate_interval(errors, WORDS, groups=SPEAKERS)
    assert by_speaker.units == 20
    assert by_speaker.high - by_speaker.low > 1.5 * (alone.high - alone.low)


def test_pairing_sees_what_separate_intervals_do_not() -> None:
    slightly_better = np.maximum(ERRORS - (np.arange(400) % 20 == 0), 0)
    found = compare_rates(slightly_better, ERRORS, WORDS)
    assert found.difference.high < 0
    assert found.improvement > 0.99
    one, other = rate_interval(slightly_better, WORDS), rate_interval(ERRORS, WORDS)
    assert one.high > other.low


def test_a_system_against_itself_is_no_improvement() -> None:
    found = compare_rates(ERRORS, ERRORS, WORDS)
    assert found.difference[:4] == (0, 0, 0, 0)
    assert found.improvement == 0.5


@pytest.mark.parametrize(
    ("errors", "words", "groups", "message"),
    [
        ([1], [0], None, "no word"),
        ([], [], None, "no word"),
        ([1, 2], [3], None, "2, 1 utterances"),
        ([1], [3], ["a", "b"], "1 utterances, but 2 groups"),
    ],
)
def test_what_has_no_rate_is_an_error(
    errors: list[int], words: list[int], groups: list[str] | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        rate_interval(errors, words, groups=groups)


def test_segments_end_at_two_words_that_both_have_right() -> None:
    reference = "a b c d e f g h".split()
    one = align("sclite", reference, "x b c d y f g h".split())
    other = align("sclite", reference, "a b c d e f z h i".split())
    assert segment_errors(one, other) == [(1, 0), (1, 2)]


def test_one_good_word_does_not_end_a_segment() -> None:
    reference = "a b c".split()
    one = align("sclite", reference, "x b y".split())
    other = align("sclite", reference, reference)
    assert segment_errors(one, other) == [(2, 0)]


@given(st.lists(st.lists(st.sampled_from("a b c d".split()), max_size=8), min_size=3, max_size=3))
def test_segments_hold_every_error(texts: list[list[str]]) -> None:
    reference, first, second = texts
    one, other = align("sclite", reference, first), align("sclite", reference, second)
    found = segment_errors(one, other)
    assert sum(mine for mine, _ in found) == sum(step.operation != "hit" for step in one)
    assert sum(yours for _, yours in found) == sum(step.operation != "hit" for step in other)
    assert all(any(segment) for segment in found)


def test_mapsswe_sees_a_difference_and_not_one_that_is_none() -> None:
    reference = "the cat sat on the mat".split()
    better, worse = align("sclite", reference, reference), align("sclite", reference, "a cat sat on".split())
    assert mapsswe([(better, better)] * 5).p is None
    clear = mapsswe([(better, worse)] * 10 + [(worse, better)])
    assert clear.p is not None
    assert clear.p < 0.001
    assert clear.statistic < 0
    even = mapsswe([(better, worse), (worse, better)] * 5)
    assert even.p == pytest.approx(1)


def test_mcnemar_is_the_exact_binomial() -> None:
    found = mcnemar([1] * 8 + [0] * 30 + [1] * 5, [0] * 8 + [1] + [0] * 29 + [1] * 5)
    # 9 discordant utterances, 8 of one kind: 2 * (1 + 9) / 2**9
    assert found.p == pytest.approx(2 * 10 / 512)
    assert mcnemar([1, 0], [1, 0]).p is None


def test_wilcoxon_over_speakers() -> None:
    rates = np.linspace(0.1, 0.3, 12)
    assert wilcoxon(rates, rates).p is None
    found = wilcoxon(rates, rates + np.linspace(0.01, 0.03, 12))
    assert found.p == pytest.approx(2 / 2**12)


def test_holm_keeps_order_and_never_exceeds_one() -> None:
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06})
    assert holm({"a": 0.9, "b": 0.8}) == {"a": 1.0, "b": 1.0}
    assert holm({}) == {}


def test_as_many_units_as_needed_show_the_difference() -> None:
    """Planned for a power of 0.8, about four of five experiments of that size find the difference."""
    dice = np.random.default_rng(11)
    needed = units_needed(ERRORS, BETTER, WORDS, 0.04)
    found = 0
    for _ in range(200):
        words = dice.integers(3, 20, needed)
        errors, fewer = dice.binomial(words, 0.12), dice.binomial(words, 0.08)
        found += compare_rates(fewer, errors, words, draws=400).difference.high < 0
    assert 130 <= found <= 190
    assert units_needed(ERRORS, BETTER, WORDS, 0.02) == pytest.approx(4 * needed, rel=0.02)
