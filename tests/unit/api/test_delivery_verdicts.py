from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from asyncpg import Range
from hypothesis import given
from hypothesis import strategies as st

from speech_experiment_api.delivery import RunDelivery, by_run, run_delivery, stream_delivery

NOW = datetime(2026, 11, 1, tzinfo=UTC)
RUN = uuid4()


def row(received: list[tuple[int, int]], last_seq: int | None = None, **changes: Any) -> dict[str, Any]:
    """A row of the ledger; received as half-open intervals."""
    return {
        "projection": "metadata",
        "producer": uuid4(),
        "run_id": RUN,
        "role": "trainer",
        "rank": 0,
        "attempt": 1,
        "host": "h",
        "pid": 1,
        "launch": None,
        "opened_at": NOW,
        "last_call": None,
        "received": [Range(*each) for each in received],
        "voided": [],
        "last_seq": last_seq,
        "first_seen": NOW,
        "last_seen": NOW,
        "closed_at": NOW if last_seq is not None else None,
        "close_reason": "finished" if last_seq is not None else None,
        "problems": "{}",
    } | changes


def judged(*rows: dict[str, Any], behind: dict[str, int] | None = None) -> RunDelivery:
    return run_delivery(RUN, by_run(rows).get(RUN, []), behind or {})


def test_all_received_and_closed_is_complete() -> None:
    delivery = judged(row([(0, 10)], 9), row([(0, 3)], 2, projection="metrics"))
    assert delivery.verdict == "complete"
    assert delivery.complete
    assert delivery.calls == delivery.received == 13


def test_voided_ranges_are_said() -> None:
    delivery = judged(row([(0, 10)], 9, voided=[Range(2, 5)]))
    assert delivery.verdict == "complete with 3 voided"
    assert delivery.streams[0].voided == [(2, 4)]
    assert delivery.complete


def test_a_gap_is_missing_with_its_range() -> None:
    delivery = judged(row([(0, 4), (7, 10)], 9), row([(0, 3)], 2, projection="metrics"))
    assert delivery.streams[0].verdict == "missing [4, 6]"
    assert delivery.verdict == "missing 3"
    assert not delivery.complete


def test_what_a_closing_says_beyond_the_received_is_missing() -> None:
    assert stream_delivery(row([(0, 4)], 9)).missing == [(4, 9)]


def test_an_open_producer_keeps_the_run_open() -> None:
    assert judged(row([(0, 4)]), row([(0, 3)], 2, projection="metrics")).verdict == "open"


def test_nothing_is_complete_while_a_projection_is_behind() -> None:
    delivery = judged(row([(0, 10)], 9), behind={"metrics": 3})
    assert delivery.verdict == "open"
    assert not delivery.complete


def test_a_run_that_nobody_spoke_of_is_open() -> None:
    assert judged().verdict == "open"


def test_many_gaps_are_shortened_but_all_listed() -> None:
    stream = stream_delivery(row([(2 * i, 2 * i + 1) for i in range(10)], 18))
    assert stream.verdict.endswith("…")
    assert len(stream.missing) == 9


@given(st.sets(st.integers(0, 60)), st.integers(0, 60))
def test_missing_is_what_was_used_and_not_received(received: set[int], last: int) -> None:
    intervals = [(number, number + 1) for number in sorted(received)]
    merged: list[tuple[int, int]] = []
    for start, stop in intervals:
        if merged and merged[-1][1] == start:
            merged[-1] = (merged[-1][0], stop)
        else:
            merged.append((start, stop))
    stream = stream_delivery(row(merged, last))
    used = set(range(max([last, *received]) + 1))
    found = {number for first, end in stream.missing for number in range(first, end + 1)}
    assert found == used - received
