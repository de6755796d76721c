from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_experiment_tracker.cli.output import age, duration, flatten, number, short_id, size


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (65, "1 min 5 s"),
        (7_620, "2 h 7 min"),
        (86_400 * 4 + 3_700, "4 d 1 h"),
        (-1, "0.0 s"),
    ],
)
def test_durations_have_two_units_at_most(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


@given(st.floats(0, 1e9))
def test_every_duration_can_be_said(seconds: float) -> None:
    assert duration(seconds)


@pytest.mark.parametrize(
    ("count", "shown"), [(0, "0 B"), (999, "999 B"), (1_500, "1.5 kB"), (123_456, "123 kB"), (5e12, "5.0 TB")]
)
def test_sizes_are_decimal(count: float, shown: str) -> None:
    assert size(count) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(3, "3"), (0.5, "0.5"), (2.0, "2.0"), (0.123456, "0.1235"), (1e-48, "1e-48"), ("NaN", "[red]NaN[/red]")],
)
def test_numbers_have_four_digits(value: float | str, shown: str) -> None:
    assert number(value) == shown


def test_ages_are_told_in_words() -> None:
    assert age((datetime.now(UTC) - timedelta(minutes=3)).isoformat()) == "3 min ago"


def test_nested_values_get_dotted_names_and_empty_ones_stay() -> None:
    assert flatten({"a": {"b": 1, "c": {}}, "d": [1]}) == {"a.b": 1, "a.c": {}, "d": [1]}


def test_a_short_id_is_not_the_clock_part() -> None:
    assert short_id("01a20a1b-6514-77b0-a166-0a2e67f6bc13") == "67f6bc13"
