"""Confusions against the counts of the alignments that they are made of."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from speech_experiment_projections.scoring.alignment import align
from speech_experiment_projections.scoring.confusions import Confusion, confusions

texts = st.lists(st.tuples(*[st.lists(st.sampled_from("abc"), max_size=6)] * 2), max_size=8)


def test_the_most_frequent_comes_first_with_the_first_example() -> None:
    spoken = {3: ("a b c", "x b c"), 5: ("a a", "x x"), 7: ("b c", "b"), 9: ("b", "b b d")}
    steps = ((at, align("jiwer", ref.split(), hyp.split())) for at, (ref, hyp) in spoken.items())
    assert confusions(steps) == {
        "substitution": [Confusion("a", "x", 3, 2, 3)],
        "deletion": [Confusion("c", None, 1, 1, 7)],
        "insertion": [Confusion(None, "b", 1, 1, 9), Confusion(None, "d", 1, 1, 9)],
    }
    assert confusions([]) == {"substitution": [], "deletion": [], "insertion": []}


@given(texts)
def test_they_add_up_to_the_errors(pairs: list[tuple[list[str], list[str]]]) -> None:
    aligned = [align("jiwer", *pair) for pair in pairs]
    for kind, found in confusions(enumerate(aligned)).items():
        assert sum(each.times for each in found) == sum(
            step.operation == kind for steps in aligned for step in steps
        )
        assert [each.times for each in found] == sorted((each.times for each in found), reverse=True)
        assert all(1 <= each.utterances <= each.times for each in found)
