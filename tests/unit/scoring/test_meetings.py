"""Words of several speakers, against meeteval called directly and against the error rates of single speakers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_experiment_projections.scoring.alignment import count_one
from speech_experiment_projections.scoring.lines import BadLine
from speech_experiment_projections.scoring.meetings import Segment, meetings, read_seglst, read_stm

meeteval: Any = pytest.importorskip("meeteval")

words = st.lists(st.sampled_from("a b c d".split()), min_size=1, max_size=5).map(" ".join)
segments = st.lists(
    st.builds(
        lambda speaker, start, text: Segment("s1", speaker, float(start), start + 2.0, text),
        st.sampled_from("xyz"),
        st.integers(0, 20),
        words,
    ),
    min_size=1,
    max_size=5,
)


def stm(given_segments: list[Segment]) -> Any:
    lines = [f"{s.session} 1 {s.speaker} {s.start} {s.end} {s.words}" for s in given_segments]
    return meeteval.io.STM.parse("\n".join(lines))


@settings(max_examples=40, deadline=None)
@given(segments, segments, st.sampled_from(["cpwer", "orcwer", "tcpwer", "tcorcwer"]))
def test_counts_are_meetevals(reference: list[Segment], hypothesis: list[Segment], measure: Any) -> None:
    options: dict[str, Any] = {"collar": 5} if measure.startswith("tc") else {}
    found = meetings(reference, hypothesis, measure=measure, **options).pooled
    theirs = getattr(meeteval.wer, measure)(stm(reference), stm(hypothesis), **options)["s1"]
    assert (found.words, found.counts.errors) == (theirs.length, theirs.errors)
    assert found[1:4] == (theirs.substitutions, theirs.deletions, theirs.insertions)


@settings(max_examples=30, deadline=None)
@given(segments)
def test_other_names_of_the_same_speakers_are_no_error(reference: list[Segment]) -> None:
    renamed = [each._replace(speaker={"x": "y", "y": "z", "z": "x"}[each.speaker]) for each in reference]
    assert meetings(reference, renamed).pooled.counts.errors == 0


@settings(max_examples=30, deadline=None)
@given(words, words)
def test_one_speakers_cpwer_is_the_word_error_rate(reference: str, hypothesis: str) -> None:
    found = meetings([Segment("s", "a", 0, 1, reference)], [Segment("s", "b", 0, 1, hypothesis)])
    assert found.pooled.counts.errors == count_one("kaldi", reference.split(), hypothesis.split()).errors


def test_times_beyond_the_collar_do_not_match() -> None:
    said, late = Segment("s", "a", 0, 1, "one two"), Segment("s", "a", 60, 61, "one two")
    assert meetings([said], [late], measure="tcpwer", collar=5).pooled.counts.errors == 4
    assert meetings([said], [late], measure="tcpwer", collar=100).pooled.counts.errors == 0
    assert meetings([said], [late]).pooled.counts.errors == 0


def test_a_session_without_a_hypothesis_is_deleted_and_named() -> None:
    found = meetings(
        [Segment("s1", "a", 0, 1, "x y"), Segment("s2", "a", 0, 1, "z")], [Segment("s1", "b", 0, 1, "x y")]
    )
    assert found.missing == ["s2"]
    assert found.sessions["s2"].deletions == 1
    assert found.pooled.rate == pytest.approx(1 / 3)


def test_texts_are_prepared_by_a_profile_that_is_named() -> None:
    pair = [Segment("s", "a", 0, 1, "Hello")], [Segment("s", "a", 0, 1, "hello")]
    assert meetings(*pair).pooled.counts.errors == 1
    found = meetings(*pair, prepare=str.lower, profile="lower-1")
    assert found.pooled.counts.errors == 0
    assert found.definition.settings["profile"] == "lower-1"
    with pytest.raises(ValueError, match="go together"):
        meetings(*pair, prepare=str.lower)


def test_settings_that_do_not_fit_are_refused() -> None:
    pair = [Segment("s", "a", 0, 1, "x")], [Segment("s", "a", 0, 1, "x")]
    with pytest.raises(ValueError, match="takes no collar; use tcpwer"):
        meetings(*pair, collar=5)
    with pytest.raises(ValueError, match="needs a collar"):
        meetings(*pair, measure="tcpwer")
    with pytest.raises(ValueError, match="session 't'"):
        meetings(pair[0], [Segment("t", "a", 0, 1, "x")])
    with pytest.raises(ValueError, match="no segment"):
        meetings([], [])


def test_reads_stm_and_seglst() -> None:
    assert read_stm([";; x", "s1 A spk1 0.5 2.5 <o,f0,male> hello there", "s1 A spk2 3 4"]) == [
        Segment("s1", "spk1", 0.5, 2.5, "hello there"),
        Segment("s1", "spk2", 3.0, 4.0, ""),
    ]
    content = b'[{"session_id": "s1", "speaker": 3, "start_time": "0.5", "end_time": 2, "words": "hello"}]'
    assert read_seglst(content) == [Segment("s1", "3", 0.5, 2.0, "hello")]
    with pytest.raises(BadLine, match=r"t\.stm:1: asks to ignore"):
        read_stm(["s1 A excluded 0 1 IGNORE_TIME_SEGMENT_IN_SCORING"], "t.stm")
    with pytest.raises(BadLine, match=r"t\.stm:1: end is 0.1, below 0.5"):
        read_stm(["s1 A spk 0.5 0.1 x"], "t.stm")
    with pytest.raises(BadLine, match=r"x\.json: .*words"):
        read_seglst('[{"session_id": "s1", "speaker": "a"}]', "x.json")
