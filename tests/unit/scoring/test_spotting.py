"""Keyword spotting against Kaldi's recipe at every threshold, and what must hold of any hits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_experiment_projections.scoring.lines import BadLine
from speech_experiment_projections.scoring.spotting import (
    Hit,
    Occurrence,
    align_hits,
    read_hits,
    read_kwslist,
    read_occurrences,
    spotting,
    threshold_at,
)

SECONDS = 3_600.0
words, places = st.sampled_from(["alpha", "bravo"]), st.sampled_from(["r1", "r2"])
starts = st.integers(0, 40).map(lambda tick: tick / 4)
references = st.lists(
    st.builds(lambda word, place, start: Occurrence(word, place, start, start + 0.5), words, places, starts),
    min_size=1,
    max_size=8,
)
hits = st.lists(
    st.builds(
        lambda word, place, start, score: Hit(word, place, start, start + 0.75, score),
        words,
        places,
        starts,
        st.integers(0, 10).map(lambda tenth: tenth / 10),
    ),
    max_size=12,
)


def kaldi_twv(given_references: list[Occurrence], given_hits: list[Hit], threshold: float) -> float:
    """compute-atwv at a threshold: hits in their order take the reference that they overlap best."""
    free, correct, alarms = list(given_references), [], []
    for hit in sorted(given_hits, key=lambda hit: (-hit.score, hit.recording, hit.start, hit.end)):
        if hit.score < threshold:
            continue
        near = [
            each
            for each in free
            if (each.keyword, each.recording) == (hit.keyword, hit.recording)
            and abs((each.start + each.end) / 2 - (hit.start + hit.end) / 2) <= 0.5
        ]
        if near:
            best = max(
                near,
                key=lambda each, hit=hit: (
                    (min(each.end, hit.end) - max(each.start, hit.start))
                    / (max(each.end, hit.end) - min(each.start, hit.start))
                ),
            )
            free.remove(best)
            correct.append(hit.keyword)
        else:
            alarms.append(hit.keyword)
    values = []
    for word in {each.keyword for each in given_references}:
        count = sum(each.keyword == word for each in given_references)
        miss = 1 - correct.count(word) / count
        values.append(1 - miss - 999.9 * alarms.count(word) / (SECONDS - count))
    return float(np.mean(values))


@settings(max_examples=150, deadline=None)
@given(references, hits, st.integers(0, 11).map(lambda tenth: tenth / 10))
def test_term_weighted_values_are_kaldis_at_every_threshold(
    said: list[Occurrence], heard: list[Hit], threshold: float
) -> None:
    twv = spotting(said, heard, seconds=SECONDS, threshold=threshold).twv
    assert twv is not None
    assert twv.atwv == pytest.approx(kaldi_twv(said, heard, threshold))
    swept = [kaldi_twv(said, heard, each) for each in [*{hit.score for hit in heard}, 99.0]]
    assert twv.mtwv == pytest.approx(max(swept))
    assert twv.mtwv == pytest.approx(kaldi_twv(said, heard, twv.mtwv_threshold))
    assert twv.atwv <= twv.mtwv + 1e-9 <= twv.otwv + 2e-9 <= twv.stwv + 3e-9


@settings(max_examples=60, deadline=None)
@given(references, hits, st.integers(0, 11).map(lambda tenth: tenth / 10))
def test_hits_below_the_threshold_change_nothing(
    said: list[Occurrence], heard: list[Hit], threshold: float
) -> None:
    above = [hit for hit in heard if hit.score >= threshold]
    whole, cut = (spotting(said, each, seconds=SECONDS, threshold=threshold) for each in (heard, above))
    assert whole.rates == cut.rates
    assert whole.rates.missed + sum(align.correct.sum() for align in align_hits(said, above).values()) == len(
        said
    )


def test_rates_an_hour_and_a_threshold_from_the_development_set() -> None:
    said = [Occurrence("hey", f"r{i}", 1, 2) for i in range(10)]
    heard = [Hit("hey", f"r{i}", 1, 2, 0.9 - i / 100) for i in range(8)]
    heard += [Hit("hey", "r0", 50 + i, 51 + i, 0.885 - i / 10) for i in range(4)]
    chosen = threshold_at(said, heard, seconds=7_200, false_alarms_per_hour=1)
    assert chosen == 0.785 or chosen == pytest.approx(0.785)
    found = spotting(said, heard, seconds=7_200, threshold=chosen, tuned_on="dev")
    assert (found.rates.false_alarms, found.rates.false_alarms_per_hour) == (2, 1.0)
    assert (found.rates.missed, found.rates.frr) == (2, 0.2)
    assert found.definition.settings["threshold_from"] == "tuned on dev"
    assert threshold_at(said, heard[8:], seconds=7_200, false_alarms_per_hour=0) == float("inf")


def test_a_second_hit_for_one_reference_is_a_false_alarm() -> None:
    said = [Occurrence("hey", "r", 1, 2)]
    heard = [Hit("hey", "r", 1, 2, 0.5), Hit("hey", "r", 1.1, 2.1, 0.9), Hit("hey", "r", 2.7, 3.1, 0.4)]
    found = spotting(said, heard, seconds=60, threshold=0)
    assert (found.rates.missed, found.rates.false_alarms) == (0, 2)
    assert found.keywords["hey"] == found.rates


def test_the_curve_falls_from_rejections_to_alarms() -> None:
    dice = np.random.default_rng(1)
    said = [Occurrence("hey", "r", 10.0 * i, 10.0 * i + 1) for i in range(50)]
    heard = [Hit("hey", "r", each.start, each.end, float(dice.normal(1))) for each in said[:40]]
    heard += [Hit("hey", "r", 10.0 * i + 5, 10.0 * i + 6, float(dice.normal(0))) for i in range(50)]
    det = spotting(said, heard, seconds=500, threshold=0.5, points=30).det
    assert len(det) == 30
    thresholds, rejected, alarms = zip(*det, strict=True)
    assert list(thresholds) == sorted(thresholds, reverse=True)
    assert list(rejected) == sorted(rejected, reverse=True)
    assert list(alarms) == sorted(alarms)


def test_nothing_said_has_alarms_but_no_weighted_value() -> None:
    found = spotting([], [Hit("hey", "r", 1, 2, 0.9)], seconds=1_800, threshold=0.5)
    assert found.rates.false_alarms_per_hour == 2
    assert found.twv is None


def test_bad_input_is_an_error_with_its_place() -> None:
    assert read_occurrences(["hey r1 1 2"]) == [Occurrence("hey", "r1", 1, 2)]
    assert read_hits([";; x", "hey r1 1 2 0.5"]) == [Hit("hey", "r1", 1, 2, 0.5)]
    with pytest.raises(BadLine, match=r"h\.tsv:2: end is 0.5, below 1"):
        read_hits(["hey r1 1 2 0.5", "hey r1 1 0.5 0.5"], "h.tsv")
    with pytest.raises(BadLine, match=r"r\.tsv:1: has 3 fields, expected keyword recording start end"):
        read_occurrences(["hey r1 1"], "r.tsv")
    with pytest.raises(ValueError, match="hit 0 has the score nan"):
        spotting([], [Hit("hey", "r", 0, 1, float("nan"))], seconds=60, threshold=0)
    with pytest.raises(ValueError, match="seconds is 0"):
        spotting([], [], seconds=0, threshold=0)
    with pytest.raises(ValueError, match="1 references, but there are 1 trials"):
        spotting([Occurrence("hey", "r", 0, 1)], [], seconds=1, threshold=0)


F4DE = {
    "vatican": (5, 1, 3),
    "vignali": (5, 0, 0),
    "visit": (8, 6, 2),
    "watch": (29, 25, 10),
    "ways": (13, 9, 8),
    "weapons": (9, 5, 4),
    "wednesday": (8, 5, 2),
    "welcome": (5, 5, 0),
    "whose": (10, 5, 1),
    "yes": (89, 43, 20),
    "salt lake": (22, 15, 6),
    "missile defense": (11, 9, 2),
    "prime minister": (11, 6, 5),
    "v. o.": (10, 9, 4),
    "white house": (10, 8, 3),
    "hugh rodham": (9, 7, 1),
    "pacific northwest": (9, 7, 1),
    "t. v.": (26, 22, 5),
    "year old": (14, 11, 9),
    "dale earnhardt": (7, 3, 4),
    "the united states": (28, 24, 4),
    "b. c. news": (21, 19, 4),
    "n. b. c.": (20, 14, 8),
    "salt lake city": (15, 12, 2),
    "n. b. c.'s": (13, 11, 2),
    "did not know": (1, 1, 0),
    "one of the": (27, 21, 8),
    "v. o. a.": (10, 9, 3),
    "c. n. n.": (9, 7, 14),
    "the pacific northwest": (8, 7, 1),
}
"""Targets, correct hits and false alarms of each keyword, in the published output of NIST's F4DE (KWSEval, test 1)."""


def test_the_published_value_of_nists_tool() -> None:
    said, heard = [], []
    for word, (targets, correct, alarms) in F4DE.items():
        said += [Occurrence(word, "r", 10.0 * i, 10.0 * i + 1) for i in range(targets)]
        heard += [Hit(word, "r", 10.0 * i, 10.0 * i + 1, 0.9) for i in range(correct)]
        heard += [Hit(word, "r", 10_000 + 10.0 * i, 10_001 + 10.0 * i, 0.8) for i in range(alarms)]
    found = spotting(said, heard, seconds=28_575.908, threshold=0.1841, trials=28_576)
    assert found.twv is not None
    assert round(found.twv.atwv, 4) == 0.5568
    assert (found.rates.references, found.rates.missed, found.rates.false_alarms) == (462, 136, 136)


KWSLIST = """<kwslist kwlist_filename="dev.kwlist.xml" language="english" system_id="">
  <detected_kwlist kwid="KW-1" search_time="24.3" oov_count="0">
    <kw file="r1" channel="1" tbeg="1.0" dur="0.5" score="0.4" decision="YES"/>
    <kw file="r1" channel="1" tbeg="9.0" dur="0.5" score="0.3" decision="NO"/>
  </detected_kwlist>
  <detected_kwlist kwid="KW-2" search_time="1.0" oov_count="0">
    <kw file="r2" channel="1" tbeg="1.0" dur="0.5" score="0.6" decision="NO"/>
  </detected_kwlist>
</kwslist>
"""


def test_a_systems_own_decisions_count_without_a_threshold() -> None:
    heard = read_kwslist(KWSLIST)
    assert heard[0] == Hit("KW-1", "r1", 1.0, 1.5, 0.4, True)
    said = [Occurrence("KW-1", "r1", 1, 1.5), Occurrence("KW-2", "r2", 1, 1.5)]
    found = spotting(said, heard, seconds=SECONDS, threshold=None)
    assert found.twv is not None
    assert (found.twv.atwv, found.twv.stwv) == (0.5, 1.0)
    assert (found.rates.missed, found.rates.false_alarms, found.rates.threshold) == (1, 0, None)
    assert found.definition.settings["threshold_from"] == "decisions of the system"
    with pytest.raises(ValueError, match="hit 0 has no decision"):
        spotting(said, [heard[0]._replace(accepted=None)], seconds=SECONDS, threshold=None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (KWSLIST.replace('dur="0.5" ', "", 1), r"k\.xml:3: a hit has no dur"),
        (KWSLIST.replace('"0.4"', '"high"'), r"k\.xml:3: could not convert"),
        (KWSLIST[:-10], r"k\.xml:\d+: is no XML"),
        ("<rttm/>", r"k\.xml:1: has the element 'rttm'"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><kwslist/>', "has a document type"),
    ],
)
def test_a_broken_kwslist_is_named_with_its_place(content: str, message: str) -> None:
    with pytest.raises(BadLine, match=message):
        read_kwslist(content, "k.xml")
