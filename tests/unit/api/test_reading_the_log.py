import math
from itertools import pairwise
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from speech_experiment_api.events_json import jsonable, logged_event
from speech_experiment_api.live_messages import messages
from speech_experiment_api.live_tail import Viewer
from speech_experiment_api.log_reader import LogRecord, Piece
from speech_experiment_api.run_log import Page, clipped, joined, merge
from speech_experiment_api.thinning import Point, thin
from speech_experiment_schemas import Sealer
from speech_experiment_schemas.ids import uuid7
from speech_experiment_schemas.metrics import pack_calls
from speech_experiment_schemas.runs import RunFailed, RunOutput, RunStarted
from speech_experiment_schemas.stamps import stamp

RUN = uuid7()


def record(topic: str, offset: int, time: int = 0, value: bytes = b"", run: UUID = RUN) -> LogRecord:
    return LogRecord(topic, 0, offset, time, run.bytes, value, tuple(stamp("key:x", "default", 5)))


times = st.lists(st.integers(0, 20), max_size=30).map(sorted)


@given(times, times, st.integers(1, 10), st.integers(1, 7), st.integers(0, 30))
def test_pages_give_every_record_once_in_the_order_of_time(
    runs: list[int], metrics: list[int], limit: int, scan: int, size: int
) -> None:
    log = {
        (topic, 0): [record(topic, offset, time, b"12345") for offset, time in enumerate(stamps)]
        for topic, stamps in (("runs", runs), ("metrics", metrics))
    }
    ends = {place: len(records) for place, records in log.items()}
    spans = {place: [(0, end)] for place, end in ends.items()}
    starts = dict.fromkeys(log, 0)
    seen: list[LogRecord] = []
    for _ in range(200):
        pieces = {
            place: Piece(records[starts[place] :][:scan], min(starts[place] + scan, len(records)))
            for place, records in log.items()
        }
        page = merge(pieces, ends, limit, size)
        seen += page.records
        starts = page.next_offsets
        assert 0 <= page.share(spans) <= 1
        if page.complete(spans):
            assert page.share(spans) == 1
            break
    assert sorted(seen) == sorted(record for records in log.values() for record in records)
    assert [each.time for each in seen] == sorted(each.time for each in seen)


spans = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 9)).map(lambda each: (each[0], sum(each))), min_size=1
)


@given(spans, st.integers(0, 40), st.integers(0, 40))
def test_spans_are_joined_and_clipped_without_losing_an_offset(
    given_spans: list[tuple[int, int]], first: int, stop: int
) -> None:
    place = ("runs", 0)
    offsets = {offset for span in given_spans for offset in range(*span)}
    disjoint = joined(given_spans)
    assert [offset for span in disjoint for offset in range(*span)] == sorted(offsets)
    assert all(a[1] < b[0] for a, b in pairwise(disjoint))
    kept = clipped({place: disjoint}, {place: first}, {place: stop}).get(place, [])
    assert {offset for span in kept for offset in range(*span)} == {o for o in offsets if first <= o < stop}


def test_a_page_that_is_empty_may_be_complete() -> None:
    assert Page([], {}).complete({})
    assert Page([], {}).share({}) == 1.0


def test_an_event_is_shown_with_its_place_and_its_actor() -> None:
    sealed = Sealer(uuid7(), "runs").seal(RunStarted(experiment=uuid7(), name="r"), ("run", RUN))
    event = logged_event(record("runs", 7, 1_000, sealed))
    assert event is not None
    assert (event.topic, event.offset, event.actor, event.workspace) == ("runs", 7, "key:x", "default")
    assert event.data["name"] == "r"
    assert event.time.timestamp() == 1.0


def test_bytes_that_are_no_event_are_left_out() -> None:
    assert logged_event(record("runs", 1, 0, b"junk")) is None


def test_metrics_are_summarised_unless_points_are_wanted() -> None:
    calls = pack_calls([(1, 10, None, {"loss": math.nan}), (None, 11, 0.5, {"loss": 2.0, "acc": -math.inf})])
    sealed = Sealer(uuid7(), "metrics").seal(calls, ("run", RUN), count=2)
    summary = logged_event(record("metrics", 0, 0, sealed))
    assert summary is not None
    assert summary.data == {"keys": ["loss", "acc"], "calls": 2, "points": 3, "steps": (1, 1)}
    full = logged_event(record("metrics", 0, 0, sealed), points=True)
    assert full is not None
    assert full.data["logged"] == [
        {"step": 1, "time": 10, "epoch": None, "values": {"loss": "NaN"}},
        {"step": None, "time": 11, "epoch": 0.5, "values": {"loss": 2.0, "acc": "-Infinity"}},
    ]


def test_json_has_no_numbers_that_json_lacks() -> None:
    value = {"a": [math.nan, 1, (math.inf,)], 2: b"\0"}
    assert jsonable(value) == {"a": ["NaN", 1, ["Infinity"]], "2": "AA=="}


def test_a_viewer_is_told_of_states_output_and_points() -> None:
    runs, metrics = Sealer(uuid7(), "runs"), Sealer(uuid7(), "metrics")
    logged = [
        runs.seal(RunStarted(experiment=uuid7(), name="r"), ("run", RUN)),
        runs.seal(RunOutput(channel="stdout", first=3, lines=["a", "b"]), ("run", RUN)),
        metrics.seal(pack_calls([(1, 10, None, {"loss": 1.0, "acc": 0.5})]), ("run", RUN)),
        metrics.seal(pack_calls([(2, 20, None, {"loss": math.inf})]), ("run", RUN)),
        runs.seal(RunFailed(error="boom"), ("run", RUN)),
    ]
    told = messages([record("runs", i, 0, value) for i, value in enumerate(logged)], ["loss"])
    assert [name for name, _ in told] == ["status", "log", "status", "points"]
    assert told[1][1]["lines"] == ["a", "b"]
    assert told[3][1]["curves"] == {"loss": {"step": [1, 2], "time": [10, 20], "value": [1.0, "Infinity"]}}


def test_a_viewer_sees_its_runs_and_its_workspace_alone() -> None:
    other = uuid7()
    viewer = Viewer("default", [RUN])
    assert viewer.wants(record("metrics", 0))
    assert not viewer.wants(record("metrics", 0, run=other))
    assert not Viewer("team", [RUN]).wants(record("runs", 0))
    everything = Viewer("default", [])
    assert everything.wants(record("runs", 0, run=other))
    assert not everything.wants(record("metrics", 0))


async def test_a_slow_viewer_loses_the_oldest_and_is_told() -> None:
    viewer = Viewer("default", [RUN])
    for offset in range(40):
        viewer.put(record("metrics", offset, value=b"x" * 1_000_000))
    taken = await viewer.take(0.01)
    assert viewer.dropped == 40 - len(taken) > 0
    assert taken[-1].offset == 39
    assert await viewer.take(0.01) == []


values = st.lists(st.floats(allow_nan=True), max_size=400)


@given(values, st.integers(4, 50))
def test_thinning_keeps_the_extremes_and_the_order(numbers: list[float], limit: int) -> None:
    points = [Point(i, i, value) for i, value in enumerate(numbers)]
    kept = thin(points, limit)
    finite = [value for value in numbers if value == value]
    shown = [point.value for point in kept if point.value == point.value]
    assert len(kept) <= max(limit * 3 // 2 + 3, 0) or len(points) <= limit
    assert [point.step for point in kept] == sorted({point.step for point in kept})  # type: ignore[type-var]
    assert min(finite, default=0) == min(shown, default=0)
    assert max(finite, default=0) == max(shown, default=0)
    assert any(v != v for v in numbers) == any(point.value != point.value for point in kept)
