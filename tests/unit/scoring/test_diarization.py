"""Diarization against pyannote.metrics' own pooling, a published example, and what must hold of any hypothesis."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyannote.core import Annotation, Segment, Timeline
from pyannote.metrics.diarization import DiarizationErrorRate, JaccardErrorRate

from speech_experiment_projections.scoring.definitions import definition_identity, differences
from speech_experiment_projections.scoring.diarization import diarization
from speech_experiment_projections.scoring.lines import BadLine
from speech_experiment_projections.scoring.turns import Region, Turn, read_rttm, read_uem

times = st.integers(0, 40).map(lambda tick: tick / 2)
turns = st.lists(
    st.builds(
        lambda recording, speaker, start, length: Turn(recording, speaker, start, start + length),
        st.sampled_from(["r1", "r2"]),
        st.sampled_from("abc"),
        times,
        st.integers(1, 10).map(float),
    ),
    min_size=1,
    max_size=8,
)
TUTORIAL = [("A", 0, 10), ("B", 12, 20), ("A", 24, 27), ("C", 30, 40)]
ANSWER = [("a", 2, 13), ("d", 13, 14), ("b", 14, 20), ("c", 22, 38), ("d", 38, 40)]


def turns_of(rows: list[tuple[str, float, float]], recording: str = "r1") -> list[Turn]:
    return [Turn(recording, *row) for row in rows]


def annotation(given_turns: list[Turn], recording: str) -> Annotation:
    made = Annotation(uri=recording)
    for track, turn in enumerate(given_turns):
        if turn.recording == recording:
            made[Segment(turn.start, turn.end), track] = turn.speaker
    return made


def test_the_example_of_pyannotes_tutorial() -> None:
    pooled = diarization(turns_of(TUTORIAL), turns_of(ANSWER)).pooled
    assert pooled[:5] == (31, 22, 2, 7, 7)
    assert pooled.der == pytest.approx(16 / 31)


@settings(max_examples=60, deadline=None)
@given(turns, turns, st.sampled_from([0.0, 0.5, 1.0]), st.booleans())
def test_pools_as_pyannote_accumulates(
    reference: list[Turn], hypothesis: list[Turn], collar: float, skip_overlap: bool
) -> None:
    names = {turn.recording for turn in reference}
    hypothesis = [turn for turn in hypothesis if turn.recording in names]
    der = DiarizationErrorRate(collar=collar, skip_overlap=skip_overlap)
    jer = JaccardErrorRate(collar=collar, skip_overlap=skip_overlap)
    area = Timeline([Segment(0, 40)])
    for name in names:
        pair = annotation(reference, name), annotation(hypothesis, name)
        der(*pair, uem=area)
        jer(*pair, uem=area)
    regions = [Region(name, 0, 40) for name in sorted(names)]
    found = diarization(
        reference, hypothesis, regions=regions, collar=collar, skip_overlap=skip_overlap
    ).pooled
    if found.der is not None:
        assert found.der == pytest.approx(abs(der))
    if found.jer is not None:
        assert found.jer == pytest.approx(abs(jer))
    assert found.correct + found.missed + found.confusion == pytest.approx(found.total)


@settings(max_examples=30, deadline=None)
@given(turns)
def test_other_names_of_the_same_speakers_are_no_error(reference: list[Turn]) -> None:
    renamed = [turn._replace(speaker={"a": "z", "b": "a", "c": "b"}[turn.speaker]) for turn in reference]
    pooled = diarization(reference, renamed).pooled
    assert pooled.errors == pytest.approx(0)
    assert pooled.speaker_error == pytest.approx(0)


def test_the_collar_is_the_total_width() -> None:
    late = turns_of([("x", 10.25, 20.0)])
    assert diarization(turns_of([("A", 10, 20)]), late, collar=0.5).pooled.errors == 0
    assert diarization(turns_of([("A", 10, 20)]), late, collar=0.4).pooled.errors == pytest.approx(0.05)


def test_a_recording_without_a_hypothesis_is_missed_and_named() -> None:
    found = diarization(turns_of(TUTORIAL) + turns_of(TUTORIAL, "r2"), turns_of(TUTORIAL))
    assert found.missing == ["r2"]
    assert found.recordings["r2"].missed == 31
    assert found.pooled.der == pytest.approx(0.5)


def test_only_evaluated_regions_count() -> None:
    found = diarization(turns_of(TUTORIAL), turns_of(ANSWER), regions=[Region("r1", 14, 20)])
    assert found.pooled.total == 6
    assert found.pooled.errors == 0
    assert found.definition.settings["uem"] == "given"


def test_definitions_say_what_differs() -> None:
    one, other = (
        diarization(turns_of(TUTORIAL), turns_of(ANSWER), collar=collar).definition for collar in (0, 0.5)
    )
    assert differences(one, other) == {"collar": (0.0, 0.5)}
    assert definition_identity(one) != definition_identity(other)
    assert differences(one, one) == {}


def test_recordings_make_the_interval() -> None:
    rows = [row for i in range(12) for row in turns_of(TUTORIAL, f"r{i}")]
    answers = [row for i in range(12) for row in turns_of(ANSWER if i % 2 else TUTORIAL, f"r{i}")]
    found = diarization(rows, answers)
    interval = found.interval(draws=500)
    assert found.pooled.der == pytest.approx(interval.value)
    assert interval.low < interval.value < interval.high


def test_reads_rttm_and_uem() -> None:
    lines = [
        ";; comment\n",
        "SPKR-INFO r1 1 <NA> <NA> <NA> unknown A <NA> <NA>\n",
        "SPEAKER r1 1 1.50 2.25 <NA> <NA> A <NA> <NA>\n",
        "SPEAKER r1 1 9 0 <NA> <NA> B <NA>\n",
    ]
    assert read_rttm(lines) == [Turn("r1", "A", 1.5, 3.75)]
    assert read_uem(["r1 1 0.0 12.5"]) == [Region("r1", 0.0, 12.5)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("SPEAKER r1 1 1.5 -2 <NA> <NA> A <NA>", r"x\.rttm:1: duration is -2, below 0"),
        ("SPEAKER r1 1 one 2 <NA> <NA> A <NA>", r"x\.rttm:1: start is 'one', not a number"),
        ("SPEAKER r1 1 nan 2 <NA> <NA> A <NA>", "not a finite number"),
        ("SPEAKER r1 1 1.5", "has 4 fields, expected SPEAKER recording channel"),
        ("utt1 hello world", "an RTTM line begins with a type"),
    ],
)
def test_a_bad_line_is_named_with_its_place(line: str, message: str) -> None:
    with pytest.raises(BadLine, match=message):
        read_rttm([line], "x.rttm")


def test_what_cannot_be_evaluated_is_an_error() -> None:
    with pytest.raises(BadLine, match="u:1: ends at 1, not after its start at 2"):
        read_uem(["r1 1 2 1"], "u")
    with pytest.raises(ValueError, match="'r9', which the reference does not have"):
        diarization(turns_of(TUTORIAL), turns_of(ANSWER, "r9"))
    with pytest.raises(ValueError, match="hypothesis turn 0 lasts from 3 to 2 s"):
        diarization(turns_of(TUTORIAL), turns_of([("a", 3, 2)]))
    with pytest.raises(ValueError, match="collar is -1"):
        diarization(turns_of(TUTORIAL), turns_of(ANSWER), collar=-1)
    with pytest.raises(ValueError, match="no recording"):
        diarization([], [])


MD_EVAL = Path("/usr/lib/sctk/bin/md-eval.pl")


@pytest.mark.skipif(not MD_EVAL.exists(), reason="sctk is not installed")
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("collar", [0.0, 0.5])
def test_seconds_are_md_evals(tmp_path: Path, seed: int, collar: float) -> None:
    """NIST's tool, whose `-c` is half of the collar."""
    dice = Random(seed)
    reference = random_turns(dice, "ABC")
    hypothesis = random_turns(dice, "wxyz")
    (tmp_path / "u.uem").write_text("r1 1 0.0 100.0\n")
    for name, rows in (("r.rttm", reference), ("h.rttm", hypothesis)):
        lines = [f"SPEAKER r1 1 {t.start} {t.end - t.start} <NA> <NA> {t.speaker} <NA>\n" for t in rows]
        (tmp_path / name).write_text("".join(lines))
    told = subprocess.run(
        ["perl", MD_EVAL, "-c", str(collar / 2), "-u", "u.uem", "-r", "r.rttm", "-s", "h.rttm"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    theirs = [
        float(found.group(1))
        for name in ("SCORED SPEAKER", "MISSED SPEAKER", "FALARM SPEAKER", "SPEAKER ERROR")
        if (found := re.search(rf"{name} TIME =\s+([\d.]+) secs", told))
    ]
    ours = diarization(reference, hypothesis, regions=[Region("r1", 0, 100)], collar=collar).pooled
    assert [ours.total, ours.missed, ours.false_alarm, ours.confusion] == pytest.approx(theirs, abs=0.02)


def random_turns(dice: Random, speakers: str) -> list[Turn]:
    """Of each speaker some turns that do not overlap each other; those of others may."""
    found = []
    for speaker in speakers:
        start = dice.uniform(0, 5)
        while start < 90:
            end = start + dice.uniform(1, 9)
            found.append(Turn("r1", speaker, round(start, 2), round(end, 2)))
            start = end + dice.uniform(1, 20)
    return found
