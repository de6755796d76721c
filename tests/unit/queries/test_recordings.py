"""Words of a hypothesis with their times, as they were logged."""

from __future__ import annotations

from speech_experiment_api.queries.recordings import words_of
from speech_experiment_schemas.evaluations import Hypotheses
from speech_experiment_schemas.metrics import pack


def heard(text: str, times: list[float], confidences: list[float] = []) -> Hypotheses:  # noqa: B006
    return Hypotheses(
        first=0,
        ids=["a"],
        texts=[text],
        token_times=[pack("f", times)],
        confidences=[pack("f", confidences)],
    )


def test_each_word_has_its_times() -> None:
    words, warnings = words_of(heard(" go  on", [0, 0.5, 0.5, 1.25], [0.5, float("nan")]), 0)
    assert [(each.text, each.start, each.end, each.confidence) for each in words] == [
        ("go", 0.0, 0.5, 0.5),
        ("on", 0.5, 1.25, None),
    ]
    assert warnings == []


def test_characters_have_them_where_there_are_as_many() -> None:
    words, _ = words_of(heard("東京 へ", [0, 1, 1, 2, 2, 3]), 0)
    assert [each.text for each in words] == ["東", "京", "へ"]


def test_times_that_fit_no_words_are_told_of_and_not_guessed() -> None:
    words, warnings = words_of(heard("go on", [0, 0.5]), 0)
    assert words == []
    assert warnings == ["1 times were logged for 2 words, 4 characters: nobody knows which belongs to which"]
    assert words_of(heard("go", [0, float("inf")]), 0) == ([], [])
    assert words_of(Hypotheses(first=0, ids=["a"], texts=["go"]), 0) == ([], [])
