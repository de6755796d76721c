"""Profiles: what they make of texts, what they count, and what makes them another."""

from __future__ import annotations

from itertools import product, starmap

import jiwer
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_experiment_projections.scoring import identity
from speech_experiment_projections.scoring.alignment import TooLongError, counts_of
from speech_experiment_projections.scoring.built_in import PROFILES
from speech_experiment_projections.scoring.profiles import NotScoredError, Profile
from speech_experiment_projections.scoring.rules import Rules, WordRule

WRITTEN = PROFILES["as-written"]
CHOICES = msgspec.structs.replace(WRITTEN, name="choices", alternations=True)
texts = st.lists(st.sampled_from("a b c d".split()), max_size=6)


def errors(profile: Profile, reference: str, hypothesis: str | None, language: str = "en") -> list[int]:
    prepared = None if hypothesis is None else profile.prepare(hypothesis, language)
    return profile.count([profile.prepare(reference, language)], [prepared])[0].tolist()


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_every_built_in_profile_scores_and_survives_being_stored(profile: Profile) -> None:
    assert errors(profile, "Hello world", "Hello world")[1:] == [0, 0, 0]
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(profile), type=Profile)
    assert again == profile
    assert again.identity == profile.identity
    assert len(profile.identity) == 32


def test_built_in_profiles_are_different_profiles() -> None:
    assert len({profile.identity for profile in PROFILES.values()}) == len(PROFILES)


def test_another_tool_unicode_or_output_is_another_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    def fresh() -> bytes:
        identity._stated.cache_clear()
        return msgspec.structs.replace(PROFILES["basic-wer"]).identity

    before = fresh()
    assert fresh() == before
    with monkeypatch.context() as patch:
        patch.setattr(identity, "version", lambda _: "0.0")
        assert fresh() != before
    with monkeypatch.context() as patch:
        patch.setattr(identity, "GOLDEN", ("another",))
        assert fresh() != before
    with monkeypatch.context() as patch:
        patch.setattr(identity.unicodedata, "unidata_version", "1.0")
        assert fresh() != before
    identity._stated.cache_clear()
    assert fresh() == before


@pytest.mark.parametrize(
    ("profile", "language", "text", "tokens"),
    [
        ("basic-wer", "en", "Don't  STOP, ‘now’!", "don't stop now"),
        ("basic-wer", "hi", "नमस्ते, दुनिया!", "नमस्ते दुनिया"),
        ("whisper-english", "en-GB", "Mr. O'Neill's colour", "mister 0 neill is color"),
        ("whisper-english", "de", "Mr. Straße", "mr straße"),
        ("as-written", None, "Don't  STOP", "Don't STOP"),
        ("basic-cer", "en", "Ab c.", "a b c"),
        ("zh-cer", "zh", "今天 天气，好", "今 天 天 气 好"),
        ("zh-cer-simplified", "zh", "後來發財", "后 来 发 财"),
        ("mixed-mer", "zh", "我用 Python写", "我 用 python 写"),
        ("sclite-wer", None, "The CAT", "the cat"),
    ],
)
def test_tokens(profile: str, language: str | None, text: str, tokens: str) -> None:
    assert PROFILES[profile].prepare(text, language) == tuple(tokens.split())


@given(texts, texts)
def test_as_written_counts_as_jiwer(reference: list[str], hypothesis: list[str]) -> None:
    theirs = jiwer.process_words(" ".join(reference), " ".join(hypothesis))
    found = errors(WRITTEN, " ".join(reference), " ".join(hypothesis))
    assert found == [theirs.hits, theirs.substitutions, theirs.deletions, theirs.insertions]


@given(st.text("abक़ि ", min_size=1, max_size=9), st.text("abक़ि ", max_size=9))
def test_as_written_cer_counts_as_jiwer(reference: str, hypothesis: str) -> None:
    theirs = jiwer.process_characters(reference, hypothesis)
    found = errors(PROFILES["as-written-cer"], reference, hypothesis)
    if len(reference.split()) + len(hypothesis.split()) == 2 and reference.split() and hypothesis.split():
        assert sum(found[1:]) == theirs.substitutions + theirs.deletions + theirs.insertions


def test_a_missing_hypothesis_is_never_an_empty_one() -> None:
    references, hypotheses = [("a", "b"), ("c",)], [None, ()]
    strict, present = (
        msgspec.structs.replace(WRITTEN, name="other", missing=rule) for rule in ("strict", "present_only")
    )
    assert WRITTEN.count(references, hypotheses).tolist() == [[0, 0, 2, 0], [0, 0, 1, 0]]
    assert present.count(references, hypotheses).tolist() == [[0, 0, 0, 0], [0, 0, 1, 0]]
    assert present.counted(references, hypotheses).tolist() == [False, True]
    with pytest.raises(NotScoredError, match="1 utterances have no hypothesis") as caught:
        strict.count(references, hypotheses)
    assert caught.value.places == (0,)


def test_an_empty_reference_counts_insertions_unless_told_otherwise() -> None:
    left_out = msgspec.structs.replace(WRITTEN, name="other", empty_reference="left_out")
    strict = msgspec.structs.replace(WRITTEN, name="other", empty_reference="strict")
    assert WRITTEN.count([()], [("x",)]).tolist() == [[0, 0, 0, 1]]
    assert left_out.count([(), ("a",)], [("x",), ("a",)]).tolist() == [[0, 0, 0, 0], [1, 0, 0, 0]]
    with pytest.raises(NotScoredError, match="an empty reference"):
        strict.count([()], [("x",)])


@pytest.mark.parametrize(
    ("reference", "hypothesis", "expected"),
    [
        ("i am { gonna / going to } go", "i am going to go", [5, 0, 0, 0]),
        ("i am { gonna / going to } go", "i am gonna go", [4, 0, 0, 0]),
        ("{ uh / @ } yes", "yes", [1, 0, 0, 0]),
        ("{ uh / @ } yes", "uh yes", [2, 0, 0, 0]),
        ("{a/b} c", "{a/b} c", [2, 0, 0, 0]),
        ("{ a / { b / c d } } e", "c d e", [3, 0, 0, 0]),
        ("{ a / b", "{ a / b", [4, 0, 0, 0]),
        ("x", "{ x / y }", [1, 0, 0, 0]),
    ],
)
def test_alternations(reference: str, hypothesis: str, expected: list[int]) -> None:
    assert errors(CHOICES, reference, hypothesis) == expected


@given(st.lists(st.lists(texts, min_size=1, max_size=3), max_size=3), texts)
def test_the_best_of_all_readings_is_taken(choices: list[list[list[str]]], hypothesis: list[str]) -> None:
    written = " x ".join(
        "{ " + " / ".join(" ".join(each) or "@" for each in choice) + " }" for choice in choices
    )
    readings = [" x ".join(" ".join(each) for each in reading) for reading in product(*choices)]
    best = min(sum(errors(WRITTEN, reading, " ".join(hypothesis))[1:]) for reading in readings)
    assert sum(errors(CHOICES, written, " ".join(hypothesis))[1:]) == best


def test_choices_in_characters_and_after_a_normaliser() -> None:
    characters = Profile(name="c", unit="character", alternations=True)
    assert errors(characters, "{ Über / Ueber } alles!", "ueber alles") == [10, 0, 0, 0]


def test_deletable_words_hesitations_and_fragments() -> None:
    deletable = Profile(name="d", deletable=("uh",))
    assert errors(deletable, "uh yes", "yes") == [1, 0, 0, 0]
    assert errors(deletable, "yes", "uh yes") == [1, 0, 0, 0]
    alike = Profile(name="h", hesitation_words=("uh", "um"), hesitations="alike")
    assert errors(alike, "Uh, yes", "um yes") == [2, 0, 0, 0]
    removed = Profile(name="h", hesitation_words=("uh", "um"), hesitations="removed")
    assert errors(removed, "uh yes", "yes um") == [1, 0, 0, 0]
    fragments = Profile(name="f", fragments="deletable")
    assert errors(fragments, "th- the cat", "the cat") == [2, 0, 0, 0]
    prefix = Profile(name="p", fragments="prefix")
    assert errors(prefix, "th- cat", "The cat") == [2, 0, 0, 0]
    assert errors(prefix, "th- cat", "a cat") == [1, 1, 0, 0]
    assert errors(Profile(name="w"), "th- the cat", "the cat") == [2, 0, 1, 0]


@given(texts, texts)
def test_steps_of_choices_are_what_is_counted(reference: list[str], hypothesis: list[str]) -> None:
    profile = msgspec.structs.replace(CHOICES, name="c", deletable=("b",))
    left, right = profile.prepare(" ".join(reference)), profile.prepare(" ".join(hypothesis))
    assert counts_of(profile.align(left, right)).errors == profile.count([left], [right])[0, 1:].sum()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": " "}, "name: a profile needs one"),
        ({"case": "as_written"}, "case: 'as_written', but the normaliser 'basic'"),
        ({"hesitations": "removed"}, "hesitation_words"),
        ({"unit": "character_with_spaces", "deletable": ("a",)}, "unit: 'character_with_spaces'"),
        ({"unit": "phone", "fragments": "prefix"}, "fragments: 'prefix' is for words"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Profile(**{"name": "x", **changes})  # type: ignore[arg-type]


def test_a_recording_of_an_hour_is_too_long_for_choices() -> None:
    long = CHOICES.prepare("{ a / b } " * 3_000)
    with pytest.raises(TooLongError, match="cut the recording into utterances"):
        CHOICES.count([long], [long])


def test_a_pair_of_whole_books_is_refused() -> None:
    book = ("a",) * 20_000
    with pytest.raises(TooLongError, match=r"20000 reference and 20000 hypothesis tokens .* scorer 'sclite'"):
        PROFILES["sclite-wer"].count([book], [book])
    assert WRITTEN.count([book], [book])[0, 0] == 20_000


def test_counts_of_nothing_are_an_empty_table() -> None:
    assert WRITTEN.count([], []).shape == (0, 4)
    with pytest.raises(ValueError, match="1 references, but 0 hypotheses"):
        WRITTEN.count([("a",)], [])
    assert np.issubdtype(WRITTEN.count([("a",)], [("a",)]).dtype, np.integer)


def test_rules_are_part_of_the_profile() -> None:
    words = {"colour": ("color",), "per cent": ("percent",), "gonna": ("gonna", "going to")}
    rules = Rules(name="mine", words=tuple(starmap(WordRule, words.items())))
    profile = Profile(name="r", rules=rules)
    assert profile.identity != Profile(name="r").identity
    assert errors(profile, "five per cent colour", "5 percent color") == [2, 1, 0, 0]
    assert errors(profile, "I'm gonna go", "I'm going to go") == [4, 0, 0, 0]
