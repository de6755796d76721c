"""Normalisers: the short way of the English one against the whole, and what others keep and drop."""

from __future__ import annotations

from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from whisper_normalizer.basic import BasicTextNormalizer
from whisper_normalizer.english import EnglishTextNormalizer

from speech_experiment_projections.scoring.normalisers import VERSIONS, English, Name, normaliser, tamed

WHOLE = EnglishTextNormalizer()
ENGLISH = English()
NUMBERS = sorted(WHOLE.standardize_numbers.words)
CONTRACTIONS = (
    "won't can't let's ain't y'all i'ma ma'am he's she'd they'll i'm we've don't it's one's o'neill 'tis dogs' "
    "been gone done got"
).split()
TITLES = "mr mrs st dr capt col jr cause gonna wanna hmm um uh".split()
OTHERS = (
    "the a half and colour centre realise Schön naïve 12 3,000 $5 50% 1st [noise] (laughs) ... .. -".split()
)
words = st.sampled_from([*NUMBERS, *CONTRACTIONS, *TITLES, *OTHERS, "fox", "jumps", "over", "house"])
breaks = st.sampled_from([" ", "  ", ", ", ". ", ".", "-", " '", "? ", "\n"])
sentences = st.lists(st.tuples(words, st.booleans(), breaks), max_size=8).map(
    lambda parts: "".join((word.capitalize() if big else word) + after for word, big, after in parts)
)
plain = st.text("abcdenorst'.,-? \n", max_size=40)


@settings(max_examples=500)
@given(st.one_of(sentences, plain))
def test_english_is_whispers(text: str) -> None:
    assert ENGLISH(text) == " ".join(WHOLE(text).split())


@pytest.mark.parametrize(
    "text",
    [
        "The quick brown fox jumps over the lazy dog, and then it's gonna sleep.",
        "He said: I won't go there; she'll colour the centre!",
        "You and I were the first to know that one way is enough.",
    ],
)
def test_usual_sentences_take_the_short_way(text: str) -> None:
    assert ENGLISH._shortly(text) == " ".join(WHOLE(text).split())


@pytest.mark.parametrize(
    "text",
    ["twenty one", "one um two", "it's been", "two and a half", "wait..", "12 men", "dogs'", "and.hmm. "],
)
def test_words_that_depend_on_others_take_the_long_way(text: str) -> None:
    assert ENGLISH._shortly(text) is None


@given(st.text(max_size=60))
def test_whisper_basic_is_whispers(text: str) -> None:
    assert normaliser("whisper-basic")(text) == " ".join(BasicTextNormalizer()(text).split())
    marks = BasicTextNormalizer(preserve_marks=True)
    assert normaliser("whisper-marks")(text) == " ".join(marks(text).split())


@pytest.mark.parametrize("size", [10, 3_000])
@given(
    pieces=st.lists(
        st.sampled_from(["(", ")", "[", "]", "<", ">", "a", " ", "  ", "'", ".", "s been"]), max_size=30
    )
)
def test_long_texts_are_tamed_without_a_difference(size: int, pieces: list[str]) -> None:
    text = "".join(pieces) + "x" * size
    assert BasicTextNormalizer()(tamed(text)) == BasicTextNormalizer()(text)
    assert WHOLE(tamed(text)) == WHOLE(text)


@pytest.mark.parametrize("name", VERSIONS)
@pytest.mark.parametrize("unit", ["(", "<[", " ", "a (", "' ", "don't "])
def test_no_text_takes_time_by_the_square(name: Name, unit: str) -> None:
    begun = process_time()
    normaliser(name)(unit * (200_000 // len(unit)))
    assert process_time() - begun < 10


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't STOP -- ‘now’, rock 'n' roll!", "don't stop now rock n roll"),
        ("a [noise] b (laughs) c <unk> d", "a b c d"),
        ("नमस्ते, दुनिया! தமிழ் ภาษาไทย", "नमस्ते दुनिया தமிழ் ภาษาไทย"),
        ("zero\u200bwidth soft\u00adhyphen", "zerowidth softhyphen"),
        ("Straße naïve ﬁn", "straße naïve fin"),
        ("(((( open [ only", "open only"),
    ],
)
def test_basic_keeps_letters_marks_and_apostrophes(text: str, expected: str) -> None:
    assert normaliser("basic")(text) == expected


def test_marks_of_indic_scripts_are_lost_in_whispers_basic() -> None:
    assert normaliser("whisper-marks")("नमस्ते, दुनिया!") == "नमस्ते दुनिया"
    assert normaliser("whisper-basic")("नमस्ते") != "नमस्ते"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("今天 天气，很好。", "今天天气很好"),
        ("我 用 Python 写 代码", "我用 python 写代码"),
        ("ｶﾀｶﾅ テスト　です", "カタカナテストです"),
        ("안녕 하세요!", "안녕하세요"),
    ],
)
def test_cjk_drops_spaces_between_its_scripts(text: str, expected: str) -> None:
    assert normaliser("cjk")(text) == expected


@given(st.sampled_from([*VERSIONS]), st.text(max_size=60))
def test_outputs_have_single_spaces(name: Name, text: str) -> None:
    made = normaliser(name)(text)
    assert made == " ".join(made.split())
