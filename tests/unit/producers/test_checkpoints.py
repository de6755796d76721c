"""Which checkpoint a rank goes on from."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from speech_experiment_tracker.checkpoints import Checkpoint, Cuts, at_step, newest
from speech_experiment_tracker.past import _checkpoints

NOTHING = Cuts()


def logged(*facts: tuple[str, int | None, int, int]) -> list[Checkpoint]:
    """(path, step, rank, attempt) in the order in which they were logged."""
    return [
        Checkpoint(id=UUID(int=number), path=path, step=step, rank=rank, attempt=attempt)
        for number, (path, step, rank, attempt) in enumerate(facts)
    ]


def paths(files: list[Checkpoint]) -> list[str]:
    return [each.path for each in files]


def test_the_one_that_was_logged_last_counts_whatever_its_step() -> None:
    made = logged(("a.pt", 300, 0, 1), ("b.pt", 100, 0, 1))
    assert paths(newest(made, NOTHING)) == ["b.pt"]
    assert newest([], NOTHING) == []
    assert paths(newest([*made, *logged(("c.pt", None, 0, 1))], NOTHING)) == ["c.pt"]


def test_those_that_came_in_at_one_time_are_in_the_order_of_their_steps() -> None:
    rows = [
        {"id": str(UUID(int=9 - step)), "path": "a.pt", "type": "checkpoint", "step": step, "created_at": "t"}
        for step in (1, 2, 0)
    ]
    assert [each.step for each in _checkpoints(rows)] == [0, 1, 2]


def test_a_checkpoint_of_an_abandoned_tail_does_not() -> None:
    made = logged(("50.pt", 50, 0, 1), ("100.pt", 100, 0, 1))
    assert paths(newest(made, Cuts([(2, 50)]))) == ["50.pt"]
    assert paths(newest(made, Cuts([(2, None)]))) == ["100.pt"]
    again = [*made, *logged(("60.pt", 60, 0, 2))]
    assert paths(newest(again, Cuts([(2, 50)]))) == ["60.pt"]


def test_ranks_get_their_own_shards_of_a_step_that_all_have() -> None:
    made = logged(*((f"{rank}.pt", 10, rank, 1) for rank in range(3)), ("0.pt", 20, 0, 1), ("2.pt", 20, 2, 1))
    for rank in range(3):
        [mine] = newest(made, NOTHING, rank)
        assert (mine.rank, mine.step) == (rank, 10)
    whole = [*made, *logged(("1.pt", 20, 1, 1))]
    assert [newest(whole, NOTHING, rank)[0].step for rank in range(3)] == [20, 20, 20]
    assert newest(whole, NOTHING, 7)[0].rank == 0


def test_a_folder_comes_whole_or_not_at_all() -> None:
    first = [("step10/model.pt", 10, 0, 1), ("step10/optimizer.pt", 10, 0, 1)]
    torn = logged(*first, ("step20/model.pt", 20, 0, 1))
    assert paths(newest(torn, NOTHING)) == ["step10/model.pt", "step10/optimizer.pt"]
    whole = logged(*first, ("step20/model.pt", 20, 0, 1), ("step20/optimizer.pt", 20, 0, 1))
    assert paths(newest(whole, NOTHING)) == ["step20/model.pt", "step20/optimizer.pt"]


def test_files_of_one_step_beside_each_other_are_checkpoints_of_their_own() -> None:
    assert paths(newest(logged(("best.pt", 10, 0, 1), ("last.pt", 10, 0, 1)), NOTHING)) == ["last.pt"]


def test_a_step_that_was_chosen_has_its_checkpoint_or_the_one_before() -> None:
    made = logged(("10.pt", 10, 0, 1), ("20.pt", 20, 0, 1), ("x.pt", None, 0, 1))
    assert paths(at_step(made, 20, 0)) == ["20.pt"]
    assert paths(at_step(made, 19, 3)) == ["10.pt"]
    assert at_step(made, 9, 0) == []


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2), st.integers(1, 3)), max_size=8),
    st.lists(st.tuples(st.integers(2, 3), st.none() | st.integers(0, 4)), max_size=3),
    st.integers(0, 2),
)
def test_what_is_chosen_always_counts(
    facts: list[tuple[int, int, int]], resumes: list[tuple[int, int | None]], rank: int
) -> None:
    made = logged(*((f"{step}.pt", step, by, attempt) for step, by, attempt in facts))
    chosen = newest(made, Cuts(resumes), rank)
    living = [
        each
        for each in made
        if all(step is None or attempt <= each.attempt or each.step <= step for attempt, step in resumes)  # type: ignore[operator]
    ]
    assert bool(chosen) == bool(living)
    assert all(each in living for each in chosen)
