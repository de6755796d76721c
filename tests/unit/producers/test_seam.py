"""Where a resumed run's curves join: whatever the script does, no step is doubled and none is missing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from speech_experiment_tracker.seam import Seam


@given(st.integers(0, 50), st.one_of(st.none(), st.integers(0, 50)), st.integers(0, 60))
def test_the_first_call_joins_the_curves(last: int, checkpoint: int | None, first: int) -> None:
    seam = Seam(checkpoint, {"loss": last, "epoch_wer": last - 1})
    assert seam.meet(["loss", "lr"], first, announced=False) == (seam.step != checkpoint)
    earlier = [step for step in range(last + 1) if seam.step is None or step <= seam.step]
    assert earlier + list(range(first, 61)) == sorted({*earlier, *range(first, 61)})
    assert len(earlier) == min(last + 1, max(first, 0))


@given(st.integers(0, 50), st.integers(0, 60))
def test_what_was_announced_can_only_become_smaller(checkpoint: int, first: int) -> None:
    seam = Seam(checkpoint, {"loss": 50})
    assert seam.meet(["loss"], first, announced=True) == (first - 1 < checkpoint)
    assert seam.step == min(checkpoint, first - 1)


def test_metrics_on_another_axis_decide_nothing() -> None:
    seam = Seam(4_999, {"loss": 5_020, "val_wer": 3})
    assert not seam.meet(["val_wer"], 3, announced=False)
    assert not seam.meet(["loss"], None, announced=False)
    assert not seam.meet(["new"], 7, announced=False)
    assert (seam.step, seam.settled) == (4_999, False)
    assert not seam.meet(["loss"], 5_000, announced=True)
    assert (seam.step, seam.settled) == (4_999, True)


def test_a_step_that_was_named_stands_and_so_does_one_without_history() -> None:
    for seam in (Seam(7, {"loss": 20}, fixed=True), Seam(7)):
        assert seam.settled
        assert not seam.meet(["loss"], 3, announced=False)
        assert seam.step == 7


def test_it_does_not_wait_for_ever() -> None:
    seam = Seam(7, {"loss": 20})
    for _ in range(1_000):
        seam.meet(["other"], 1, announced=True)
    assert (seam.settled, seam.step) == (True, 7)
