"""Searching the texts of many utterances as one: the same as looking into each."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from speech_experiment_api.queries.haystacks import Haystack

TEXTS = st.text(alphabet="abAB ßẞİéﬁ\n\x1fþÿ", max_size=4)


@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), max_size=6), TEXTS.filter(bool))
@example([("a", "b", ""), ("", "ab", "")], "ab")
@example([("Straße", "", "")], "STRASSE")
def test_an_utterance_is_found_by_what_one_of_its_texts_contains(
    utterances: list[tuple[str, str, str]], words: str
) -> None:
    naive = [any(words.casefold() in text.casefold() for text in texts) for texts in utterances]
    assert Haystack(utterances).containing(words).tolist() == naive
