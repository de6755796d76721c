from __future__ import annotations

import sys
import time
from datetime import UTC, date, datetime
from subprocess import run
from zoneinfo import ZoneInfo

import pytest

from speech_experiment_tracker.errors import TrackerError
from speech_experiment_tracker.moments import as_of, beginning, is_vector, moment

BERLIN, NEW_YORK, KOLKATA = (ZoneInfo(name) for name in ("Europe/Berlin", "America/New_York", "Asia/Kolkata"))
WEDNESDAY = datetime(2026, 11, 18, 10, 30, tzinfo=BERLIN)

ENDS = {
    "last tuesday": "2026-11-17T23:59:59.999999+01:00",
    "Tuesday": "2026-11-17T23:59:59.999999+01:00",
    "last wednesday": "2026-11-11T23:59:59.999999+01:00",
    "yesterday": "2026-11-17T23:59:59.999999+01:00",
    "yesterday 18:00": "2026-11-17T18:00:00+01:00",
    "yesterday at 6pm": "2026-11-17T18:00:00+01:00",
    "last friday at noon": "2026-11-13T12:00:00+01:00",
    "3 days ago": "2026-11-15T23:59:59.999999+01:00",
    "a week ago": "2026-11-11T23:59:59.999999+01:00",
    "last month": "2026-10-18T23:59:59.999999+02:00",
    "2 hours ago": "2026-11-18T08:30:00+01:00",
    "90m ago": "2026-11-18T09:00:00+01:00",
    "09:00": "2026-11-18T09:00:00+01:00",
    "18:00": "2026-11-17T18:00:00+01:00",
    "18:00 UTC": "2026-11-17T19:00:00+01:00",
    "17 nov 2026": "2026-11-17T23:59:59.999999+01:00",
    "2026-11-17": "2026-11-17T23:59:59.999999+01:00",
    "2026-11-17T18:00": "2026-11-17T18:00:00+01:00",
    "2026-11-17 18:00Z": "2026-11-17T19:00:00+01:00",
    "now": "2026-11-18T10:30:00+01:00",
    "today": "2026-11-18T10:30:00+01:00",
    "2026-11-18": "2026-11-18T10:30:00+01:00",
}


@pytest.mark.parametrize(("said", "meant"), ENDS.items())
def test_phrases_mean_the_end_of_a_day_and_nothing_later_than_now(said: str, meant: str) -> None:
    assert as_of(said, WEDNESDAY) == meant


@pytest.mark.parametrize("zone", [BERLIN, NEW_YORK, KOLKATA, UTC])
def test_a_day_is_one_of_the_zone_of_whoever_asks(zone: ZoneInfo) -> None:
    now = datetime(2026, 11, 18, 10, 30, tzinfo=zone)
    for said in ("last tuesday", "2026-11-17", "yesterday"):
        assert moment(said, now) == datetime(2026, 11, 17, 23, 59, 59, 999_999, tzinfo=zone)
        assert beginning(said, now) == datetime(2026, 11, 17, tzinfo=zone)


def test_on_a_tuesday_the_last_one_was_a_week_ago() -> None:
    assert moment("last tuesday", datetime(2026, 11, 17, 9, tzinfo=BERLIN)).day == 10


def test_days_keep_their_clock_and_hours_their_length_when_clocks_are_changed() -> None:
    after = datetime(2026, 10, 25, 4, tzinfo=BERLIN)  # clocks went back at 3
    assert as_of("yesterday", after) == "2026-10-24T23:59:59.999999+02:00"
    assert moment("3 hours ago", after).astimezone(UTC) == datetime(2026, 10, 25, 0, tzinfo=UTC)
    spring = datetime(2026, 3, 29, 12, tzinfo=BERLIN)
    assert beginning("2026-03-29", spring).isoformat() == "2026-03-29T00:00:00+01:00"
    assert as_of("2026-03-29", datetime(2026, 3, 30, 12, tzinfo=BERLIN)) == "2026-03-29T23:59:59.999999+02:00"


@pytest.mark.parametrize(
    "said", ["banana", "", "3", "2025", "november 2026", "10/11/2026", "17.11.2026", "nonsense tuesday"]
)
def test_what_is_no_moment_is_answered_with_the_forms_that_are(said: str) -> None:
    with pytest.raises(TrackerError) as caught:
        as_of(said, WEDNESDAY)
    assert "last tuesday" in caught.value.hint
    assert "2026-11-17" in caught.value.hint


@pytest.mark.parametrize("said", ["tomorrow", "2026-12-24", "in 3 days", "2026-11-18T11:00"])
def test_what_has_not_been_yet_is_refused(said: str) -> None:
    with pytest.raises(TrackerError, match="not been yet"):
        as_of(said, WEDNESDAY)


def test_moments_of_python_are_taken_too() -> None:
    assert as_of(None) is None
    assert as_of(date(2026, 11, 17), WEDNESDAY) == "2026-11-17T23:59:59.999999+01:00"
    assert as_of(datetime(2026, 11, 17, 17, tzinfo=UTC), WEDNESDAY) == "2026-11-17T18:00:00+01:00"
    assert as_of(datetime(2026, 11, 17, 18), WEDNESDAY) == "2026-11-17T18:00:00+01:00"  # noqa: DTZ001


def test_a_vector_goes_to_the_server_as_it_is() -> None:
    vector = "v1.gqRydW5zlAERzQA_lQ"
    assert is_vector(vector)
    assert as_of(vector, WEDNESDAY) == vector
    assert not is_vector("2026-11-17T18:00:00")
    assert not is_vector("yesterday")


def test_this_machines_zone_counts_where_no_other_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        assert as_of("2024-03-01T18:00") == "2024-03-01T18:00:00+05:30"
        assert str(beginning("2024-03-01")) == "2024-03-01 00:00:00+05:30"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_the_client_does_not_import_what_reads_phrases() -> None:
    code = "import sys, speech_experiment_tracker.moments as m; m.as_of('2024-03-01'); sys.exit('dateparser' in sys.modules)"
    assert run([sys.executable, "-c", code], check=False).returncode == 0
