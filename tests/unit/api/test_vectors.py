"""Vectors as texts, and moments as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_experiment_api.positions import NO_LOG, log_name
from speech_experiment_api.problems import Problem
from speech_experiment_api.vectors import TOPICS, Vector, open_token, parse_as_of, vector_of

NOW = datetime(2026, 11, 24, 12, 30, 0, 250_000, tzinfo=UTC)
LOG = log_name(["a cluster", None])
offsets = st.lists(st.integers(0, 2**62), min_size=1, max_size=24).map(tuple)


@given(st.integers(0, 2**60), st.tuples(*[offsets] * len(TOPICS)))
def test_a_vector_comes_back_from_its_text(moment: int, known: tuple[tuple[int, ...], ...]) -> None:
    vector = Vector(LOG, moment, known)
    text = vector.token()
    assert text.isascii()
    assert text.replace("-", "").replace("_", "").isalnum()
    assert open_token(text) == vector
    assert parse_as_of(f" {text} ", NOW) == vector


@given(st.data())
def test_a_damaged_vector_is_refused(data: st.DataObject) -> None:
    text = Vector(LOG, 7, ((3,), (4,), (5,), (6,), (7,))).token()
    place = data.draw(st.integers(1, len(text) - 2))
    other = data.draw(st.sampled_from("ABCxyz019-_").filter(lambda character: character != text[place]))
    for damaged in (text[:place] + other + text[place + 1 :], text[:place]):
        with pytest.raises(Problem) as raised:
            parse_as_of(damaged, NOW)
        assert (raised.value.status, raised.value.field) == (400, "as_of")


def test_a_vector_names_every_partition() -> None:
    vector = vector_of(LOG, NOW, {("runs", 1): 7, ("control", 0): 2}, 2)
    assert vector.below("runs") == {0: 0, 1: 7}
    assert vector.places() == {
        (topic, partition): {("runs", 1): 7, ("control", 0): 2}.get((topic, partition), 0)
        for topic in TOPICS
        for partition in (0, 1)
    }
    assert vector.now == NOW


def test_a_log_is_named_by_its_cluster() -> None:
    assert log_name([]) == log_name([None]) == NO_LOG
    assert log_name(["a", None, "a"]) == log_name(["a"]) != log_name(["b"])


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-17", datetime(2026, 11, 17, 23, 59, 59, 999_999, tzinfo=UTC)),
        ("2026-11-17+01:00", datetime(2026, 11, 17, 22, 59, 59, 999_999, tzinfo=UTC)),
        ("2026-11-17 01:00", datetime(2026, 11, 17, 1, tzinfo=UTC)),
        ("2026-11-17T18:00:00", datetime(2026, 11, 17, 18, tzinfo=UTC)),
        ("2026-11-17T18:00:00Z", datetime(2026, 11, 17, 18, tzinfo=UTC)),
        ("2026-11-17T18:00:00+01:00", datetime(2026, 11, 17, 17, tzinfo=UTC)),
        ("2026-11-17T18:00:00 01:00", datetime(2026, 11, 17, 17, tzinfo=UTC)),
        ("2026-11-17T18:00:00-08:00", datetime(2026, 11, 18, 2, tzinfo=UTC)),
        ("2026-11-24T12:30:00.125", NOW.replace(microsecond=125_000)),
        ("now", NOW.replace(microsecond=0)),
        ("2026-11-24", NOW.replace(microsecond=0)),
        ("0001-01-02", datetime(1, 1, 2, 23, 59, 59, 999_999, tzinfo=UTC)),
    ],
)
def test_moments(text: str, moment: datetime) -> None:
    assert parse_as_of(text, NOW) == moment


@pytest.mark.parametrize(
    "text", ["", "last tuesday", "2026-13-01", "17.11.2026", "v", "vv", "v" * 9_000, "é"]
)
def test_what_is_no_moment_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(Problem) as raised:
        parse_as_of(text, NOW)
    assert (raised.value.status, raised.value.field) == (400, "as_of")


@pytest.mark.parametrize("text", ["2026-11-25", "2026-11-24T12:31:00", "9999-12-31"])
def test_the_future_is_refused(text: str) -> None:
    with pytest.raises(Problem, match="future"):
        parse_as_of(text, NOW)
    assert parse_as_of("2026-11-24T12:30:00", NOW) <= NOW + timedelta(0)  # type: ignore[operator]
