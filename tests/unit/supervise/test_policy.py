"""When a command is started again, and when not."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from speech_experiment_tracker.supervise.policy import LONG_RUN, LONGEST_PAUSE, Exit, Policy

exits = st.builds(
    Exit,
    code=st.sampled_from([1, 2, -9, -15]),
    error=st.sampled_from(["", "ValueError: x", "CUDA out of memory: 3.2 GiB at 0x7f"]),
    step=st.none() | st.integers(0, 5),
    seconds=st.floats(0, 2 * LONG_RUN),
    preempted=st.booleans(),
)


def policy(most: int = 5) -> Policy:
    return Policy(most, random.Random(1))


def test_the_same_failure_at_the_same_step_twice_in_a_row_ends_it() -> None:
    decides = policy()
    assert decides.after(Exit(1, "CUDA out of memory: tried 2.00 GiB, pid 41", 100)).pause is not None
    verdict = decides.after(Exit(1, "CUDA out of memory: tried 3.50 GiB, pid 977", 100))
    assert verdict.pause is None
    assert verdict.reason.startswith("the same failure twice in a row at step 100: exit code 1: CUDA out")


def test_another_step_code_or_message_is_another_failure() -> None:
    for other in (Exit(1, "x", 101), Exit(2, "x", 100), Exit(1, "y", 100), Exit(-9, "x", 100)):
        decides = policy()
        decides.after(Exit(1, "x", 100))
        assert decides.after(other).pause is not None


def test_preemption_is_no_failure_but_not_for_ever() -> None:
    decides = policy(most=3)
    pauses = [decides.after(Exit(-15, "", 7, preempted=True)).pause for _ in range(4)]
    assert [pause is None for pause in pauses] == [False, False, False, True]


def test_pauses_double_and_progress_begins_them_anew() -> None:
    decides = policy(most=100)
    pauses = [decides.after(Exit(1, str(chr(97 + n)), 5)).pause or 0.0 for n in range(12)]
    for n, pause in enumerate(pauses):
        whole = min(LONGEST_PAUSE, 2.0**n)
        assert whole / 2 <= pause <= whole
    assert (decides.after(Exit(1, "z", 6)).pause or 99) <= 1.0


@given(st.lists(exits, max_size=30), st.integers(0, 4))
def test_without_progress_it_ends_after_so_many_restarts(ended: list[Exit], most: int) -> None:
    decides, furthest, fruitless = policy(most), -1, 0
    for place, each in enumerate(ended):
        verdict = decides.after(each)
        if each.step is None:
            further = each.seconds >= LONG_RUN
        else:
            further = furthest >= 0 and each.step > furthest
            furthest = max(furthest, each.step)
        fruitless = 0 if further else fruitless
        if verdict.pause is None:
            before = ended[place - 1] if place else None
            same = before is not None and before.code == each.code and before.step == each.step
            assert fruitless >= most or same
            break
        assert fruitless < most
        fruitless += 1
