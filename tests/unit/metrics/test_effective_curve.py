"""Which points of an attempt count."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from speech_experiment_projections.effective import Resume, cutoffs
from tests.unit.metrics.naive import relaxed

resumes = st.lists(st.builds(Resume, st.integers(2, 6), st.one_of(st.none(), st.integers(-3, 9))), max_size=6)


@relaxed
@given(resumes, st.integers(1, 7))
def test_an_attempt_counts_up_to_the_smallest_resume_step_of_later_ones(
    made: list[Resume], attempt: int
) -> None:
    later = [each.from_step for each in made if each.attempt > attempt and each.from_step is not None]
    assert cutoffs(made).last_step(attempt) == min(later, default=None)
