"""Which way a search goes on, from what the first candidates showed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_experiment_api.queries.plans import enough, gathers


@pytest.mark.parametrize(
    ("share", "runs", "gathered"),
    [
        (1 / 32, 1_000, True),  # 32 runs match: they are had at once
        (1 / 32, 100_000, False),  # 3,000 match: the page is full after some 1,600 candidates
        (1 / 128, 100_000, True),  # some 800 match: fewer than would be walked over
        (0.4, 1_000, False),
        (0.0, 100_000, True),
        (1 / 32, -1, False),  # nobody has counted yet
    ],
)
def test_few_matches_are_gathered(share: float, runs: float, gathered: bool) -> None:
    assert gathers(share, runs, 51) is gathered


@given(st.sampled_from([128, 512]), st.floats(0.001, 1), st.integers(1, 1_000))
def test_the_next_candidates_are_more_and_probably_enough(seen: int, share: float, limit: int) -> None:
    more = enough(seen, share, limit)
    assert more >= 2 * seen
    assert more * share >= limit
