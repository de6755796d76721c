from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from speech_experiment_projections.intervals import (
    EMPTY,
    Interval,
    add,
    contains,
    from_multirange,
    missing,
    size,
    to_multirange,
    union,
)

ranges = st.tuples(st.integers(0, 60), st.integers(0, 12)).map(lambda pair: (pair[0], pair[0] + pair[1]))
many = st.lists(ranges, max_size=20)


def numbers(intervals: tuple[Interval, ...] | list[Interval]) -> set[int]:
    return {number for start, stop in intervals for number in range(start, stop)}


@given(many)
def test_union_is_the_set_of_the_numbers(intervals: list[Interval]) -> None:
    result = union(EMPTY, intervals)
    assert numbers(result) == numbers(intervals)
    assert size(result) == len(numbers(intervals))


@given(many)
def test_the_form_is_canonical(intervals: list[Interval]) -> None:
    result = union(EMPTY, intervals)
    assert all(start < stop for start, stop in result)
    assert all(left[1] < right[0] for left, right in pairwise(result))


@given(many, st.randoms(use_true_random=False))
def test_order_and_repetition_do_not_matter(intervals: list[Interval], random: object) -> None:
    shuffled = intervals * 2
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert union(EMPTY, shuffled) == union(EMPTY, intervals)


@given(many, ranges)
def test_missing_is_the_difference(intervals: list[Interval], asked: Interval) -> None:
    known = union(EMPTY, intervals)
    gaps = missing(known, *asked)
    assert numbers(gaps) == set(range(*asked)) - numbers(intervals)
    assert union(known, gaps) == add(known, *asked)


@given(many, st.integers(-3, 80))
def test_contains_agrees_with_the_numbers(intervals: list[Interval], number: int) -> None:
    assert contains(union(EMPTY, intervals), number) == (number in numbers(intervals))


@given(many)
def test_multirange_text_comes_back(intervals: list[Interval]) -> None:
    known = union(EMPTY, intervals)
    assert from_multirange(to_multirange(known)) == known
