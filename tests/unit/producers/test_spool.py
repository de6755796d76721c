"""What a returned call leaves on the disk, whatever happens to the bytes behind it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from math import nan
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_experiment_schemas.metrics import pack_calls
from speech_experiment_schemas.runs import RunNoted
from speech_experiment_tracker.drain.columns import Columns, Layout
from speech_experiment_tracker.errors import SpoolFull, TrackerError
from speech_experiment_tracker.spool import producers, records
from speech_experiment_tracker.spool.keeper import keeper
from speech_experiment_tracker.spool.places import DRAIN, Place
from speech_experiment_tracker.spool.reader import SegmentReader
from speech_experiment_tracker.spool.records import (
    METRICS,
    METRICS_HEAD,
    NO_RUN,
    Header,
    SpoolFormatError,
    decode_header,
)

from .spools import calls_of, drained, has_no_holes, in_threads, make_producer, producer_in

KEYS = st.lists(st.text(min_size=1, max_size=8), min_size=0, max_size=6, unique=True).map(tuple)
NUMBERS = st.floats(allow_nan=True, allow_infinity=True)
STEPS = st.none() | st.integers(-(2**63) + 1, 2**63 - 1)
EPOCHS = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def calls(draw: st.DrawFn) -> list[tuple[int | None, int, float | None, dict[str, float]]]:
    layouts = draw(st.lists(KEYS, min_size=1, max_size=4))
    made = []
    for _ in range(draw(st.integers(1, 30))):
        points = {key: draw(NUMBERS) for key in draw(st.sampled_from(layouts))}
        made.append((draw(STEPS), draw(st.integers(0, 2**60)), draw(EPOCHS), points))
    return made


@given(calls())
def test_joining_slices_gives_the_same_record_as_packing_calls(made: list) -> None:  # type: ignore[type-arg]
    columns = Columns()
    layouts: dict[tuple[str, ...], Layout] = {}
    for step, at, epoch, points in made:
        keys = tuple(points)
        layout = layouts.setdefault(keys, Layout(list(keys)))
        head = METRICS_HEAD.pack(
            METRICS, 0, 0, -(2**63) if step is None else step, at, nan if epoch is None else epoch
        )
        values = pack_calls([(step, at, epoch, points)]).values
        assert columns.add(layout, memoryview(head + values))
    assert columns.payload() == pack_calls(made)


@settings(max_examples=40, deadline=None)
@given(calls())
def test_what_was_logged_is_what_is_sealed(tmp_path_factory: pytest.TempPathFactory, made: list) -> None:  # type: ignore[type-arg]
    with producer_in(tmp_path_factory.mktemp("spool")) as producer:
        for step, at, epoch, points in made:
            producer.metrics.log_checked(tuple(points), list(points.values()), step, epoch, at)
        producer.close("finished")
        envelopes = drained(producer.place, producer.run, producer.id, "metrics")
    assert repr(calls_of(envelopes)) == repr(made)
    assert has_no_holes(envelopes)
    assert envelopes[-1].type == "producer.closed"


def _filled(spool: Path) -> tuple[Place, UUID, UUID, list[int]]:
    """A producer's place with six calls, and the offsets at which they end in the segment."""
    producer = make_producer(spool)
    producer.stream("metrics")
    ends = []
    for number in range(6):
        producer.metrics.log_checked(("loss", "wer"), (number, 0.5), number, None, 1)
        ends.append(producer.metrics.segment.at[0])
    producer.release()
    return producer.place, producer.run, producer.id, ends


@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_bytes_torn_anywhere_in_the_last_records_lose_none_before_them(tmp_path: Path, damage: str) -> None:
    place, run, producer, ends = _filled(tmp_path)
    segment = place.segment("metrics", 1)
    whole = segment.read_bytes()
    for position in range(ends[2], ends[5]):
        torn = bytearray(whole)
        if damage == "cut":
            torn[position:] = bytes(len(whole) - position)
        else:
            torn[position] ^= 0x41
        segment.write_bytes(torn)
        shutil.rmtree(place.folder / DRAIN, ignore_errors=True)
        envelopes = drained(place, run, producer, "metrics")
        steps = [step for step, *_ in calls_of(envelopes)]
        intact = sum(end <= position for end in ends)
        assert steps[:intact] == list(range(intact)), position
        assert envelopes[-1].type == "producer.closed"
        assert has_no_holes(envelopes)


def test_a_damaged_record_in_the_middle_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    place, run, producer, ends = _filled(tmp_path)
    segment = place.segment("metrics", 1)
    torn = bytearray(segment.read_bytes())
    torn[ends[3] - 3] ^= 0xFF
    segment.write_bytes(torn)
    envelopes = drained(place, run, producer, "metrics")
    assert [step for step, *_ in calls_of(envelopes)] == [0, 1, 2, 4, 5]
    assert [(e.seq, e.count) for e in envelopes if e.type == "seq.voided"] == [(4, 1)]
    assert has_no_holes(envelopes)


def test_threads_share_a_stream_without_losing_or_mixing_calls(tmp_path: Path) -> None:
    with producer_in(tmp_path) as producer:
        layouts = [("a",), ("a", "b"), ("c", "d", "e")]
        for keys in layouts:
            producer.metrics.log_checked(keys, [0.0] * len(keys), -1, None, 1)

        def work(thread: int) -> None:
            for number in range(5_000):
                keys = layouts[(number + thread) % 3]
                points = {key: float(thread) for key in keys}
                try:
                    producer.metrics.log(points, number)
                except KeyError:  # the segment was rolled: the layout has to be written again
                    producer.metrics.log_checked(keys, list(points.values()), number, None, 1)

        in_threads(4, work)
        producer.close("finished")
        envelopes = drained(producer.place, producer.run, producer.id, "metrics")
    found = [(points[next(iter(points))], step) for step, _, _, points in calls_of(envelopes) if step != -1]
    for thread in range(4):
        assert [step for value, step in found if value == thread] == list(range(5_000))
    assert has_no_holes(envelopes)


def test_a_long_run_rolls_segments_and_reads_them_in_order(tmp_path: Path) -> None:
    with producer_in(tmp_path) as producer:
        keys = tuple(f"metric/{n}" for n in range(200))
        for number in range(2_000):
            producer.metrics.log_checked(keys, [number] * 200, number, None, 1)
        producer.close("finished")
        assert len(list(producer.place.folder.glob("*.metrics-*.seg"))) > 2
        envelopes = drained(producer.place, producer.run, producer.id, "metrics")
    assert [step for step, *_ in calls_of(envelopes)] == list(range(2_000))
    assert max(len(envelope.data) for envelope in envelopes) < 900_000


def test_over_quota_metrics_are_dropped_and_named_and_the_end_still_fits(tmp_path: Path) -> None:
    with producer_in(tmp_path, quota=1) as producer:
        kept = [producer.metrics.log_checked(("x",), (1.0,), n, None, 1) for n in range(20_000)]
        producer.emit(RunNoted(notes="still said"))
        producer.close("failed")
        envelopes = drained(producer.place, producer.run, producer.id, "metrics")
        said = drained(producer.place, producer.run, producer.id, "runs")
        assert producer.page.problems()["dropped"] == kept.count(False) > 0
    voids = [envelope for envelope in envelopes if envelope.type == "seq.voided"]
    assert sum(void.count for void in voids) == kept.count(False)
    assert len(calls_of(envelopes)) == kept.count(True)
    assert has_no_holes(envelopes)
    assert [envelope.type for envelope in said] == ["producer.opened", "run.noted", "producer.closed"]


def test_dropped_calls_of_a_killed_process_are_named_too(tmp_path: Path) -> None:
    with producer_in(tmp_path, quota=1) as producer:
        kept = [producer.metrics.log_checked(("x",), (1.0,), n, None, 1) for n in range(10_000)]
        envelopes = drained(producer.place, producer.run, producer.id, "metrics", dead=True)
    assert [e.type for e in envelopes[-2:]] == ["seq.voided", "producer.closed"]
    assert envelopes[-2].count == kept.count(False)
    assert has_no_holes(envelopes)


def test_a_full_spool_raises_where_that_was_asked_for(tmp_path: Path) -> None:
    def fill() -> None:
        for number in range(20_000):
            producer.metrics.log_checked(("x",), (1.0,), number, None, 1)

    with producer_in(tmp_path, quota=1, on_full="raise") as producer, pytest.raises(SpoolFull, match="quota"):
        fill()


FULL_DISK = """
import resource, sys
from pathlib import Path
sys.path[:0] = [{root!r}]
from tests.unit.producers.spools import make_producer
from speech_experiment_schemas.runs import RunNoted, RunFinished
from speech_experiment_tracker.spool import producers
producers.YOUNG = 0
producer = make_producer(Path({spool!r}))
producer.stream("metrics"), producer.stream("runs")
producer.sync()
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
kept = sum(producer.metrics.log_checked(("x",), (1.0,), n, None, 1) for n in range(20_000))
noted = sum(producer.emit(RunNoted(notes="n" * 1000)) for n in range(300))
producer.emit(RunFinished())
producer.close("finished")
print(kept, noted, producer.run, producer.id, producer.place.folder)
"""


def test_a_full_disk_takes_metrics_first_and_lifecycle_events_use_the_reserve(tmp_path: Path) -> None:
    code = FULL_DISK.format(root=str(Path(__file__).parents[3]), spool=str(tmp_path))
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    kept, noted, run, producer, folder = answer.stdout.split()
    metrics = drained(Place(Path(folder), producer), UUID(run), UUID(producer), "metrics")
    runs = drained(Place(Path(folder), producer), UUID(run), UUID(producer), "runs")
    assert 0 < int(kept) < 20_000
    assert len(calls_of(metrics)) == int(kept)
    assert int(noted) == 300  # more than the first segment holds
    assert [envelope.type for envelope in runs[-2:]] == ["run.finished", "producer.closed"]
    assert has_no_holes(metrics)
    assert has_no_holes(runs)


def test_the_reserve_is_put_aside_again_once_it_was_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(producers, "YOUNG", 0.0)
    with producer_in(tmp_path) as producer:
        producer.sync()
        aside = producer.place.reserve.stat().st_ino
        stream = producer.stream("runs")
        used = producer.take_reserve(Header(producer.run, producer.id, "runs", 2, stream.seq), 100)
        assert used is not None
        assert os.fstat(used.fd).st_ino == aside
        used.close()
        producer.sync()  # the keeper's own thread may have been faster
        assert producer.place.reserve.stat().st_ino != aside


KILLED = """
import os, sys, time
from pathlib import Path
sys.path[:0] = [{root!r}]
from tests.unit.producers.spools import make_producer
producer = make_producer(Path({spool!r}))
out = os.open({witness!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
metrics = producer.metrics
metrics.log_checked(("n", "half"), (0.0, 0.0), 0, None, 1)
print(producer.run, producer.id, producer.place.folder, flush=True)
n = 0
while True:
    n += 1
    try:
        metrics.log({{"n": float(n), "half": n / 2}}, n)
    except KeyError:
        metrics.log_checked(("n", "half"), (float(n), n / 2), n, None, 1)
    os.write(out, n.to_bytes(8, "little"))
"""


@pytest.mark.parametrize("delay", [0.01, 0.05, 0.2, 0.4])
def test_every_call_that_returned_survives_kill_9(tmp_path: Path, delay: float) -> None:
    witness = tmp_path / "witness"
    code = KILLED.format(
        root=str(Path(__file__).parents[3]), spool=str(tmp_path / "spool"), witness=str(witness)
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        run, producer, folder = process.stdout.readline().split()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(delay)
        os.kill(process.pid, signal.SIGKILL)
    returned = len(witness.read_bytes()) // 8
    envelopes = drained(Place(Path(folder), producer), UUID(run), UUID(producer), "metrics")
    steps = [step for step, *_ in calls_of(envelopes)]
    assert returned <= len(steps) - 1 <= returned + 1  # the first one has no witness
    assert steps == list(range(len(steps)))
    assert has_no_holes(envelopes)
    assert envelopes[-1].type == "producer.closed"


@pytest.mark.parametrize("whole", [True, False])
def test_an_interrupted_write_is_settled_by_the_next(tmp_path: Path, whole: bool) -> None:
    with producer_in(tmp_path) as producer:
        metrics = producer.metrics
        metrics.log_checked(("x",), (0.0,), 0, None, 1)
        before = metrics.segment.at
        metrics.log({"x": 1.0}, 1)
        if not whole:
            metrics.segment.memory[before[0] + 12 : before[0] + 16] = b"torn"
        metrics.segment.at = before  # as an exception from a signal handler leaves it
        metrics.log({"x": 2.0}, 2)
        producer.close("finished")
        envelopes = drained(producer.place, producer.run, producer.id, "metrics")
    assert [step for step, *_ in calls_of(envelopes)] == ([0, 1, 2] if whole else [0, 2])
    assert has_no_holes(envelopes)


def test_a_signal_handler_may_log_while_a_call_is_under_way(tmp_path: Path) -> None:
    with producer_in(tmp_path) as producer:
        metrics = producer.metrics
        metrics.log_checked(("x",), (0.0,), -1, None, 1)
        handled: list[bool] = []

        def handler(number: int, frame: object) -> None:
            handled.append(metrics.log_checked(("x",), (0.0,), -2, None, 1))

        previous = signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        try:
            for number in range(100_000):
                metrics.log_checked(("x",), (1.0,), number, None, 1)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, previous)
        producer.close("finished")
        envelopes = drained(producer.place, producer.run, producer.id, "metrics")
    steps = [step for step, *_ in calls_of(envelopes)]
    assert [step for step in steps if step is not None and step >= 0] == list(range(100_000))
    assert steps.count(-2) == handled.count(True) > 10
    assert sum(e.count for e in envelopes if e.type == "seq.voided") == handled.count(False)
    assert has_no_holes(envelopes)


def test_headers_of_other_files_and_releases_are_refused_with_a_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    header = Header(NO_RUN, NO_RUN, "runs", 1, 0).encode()
    assert decode_header(header) == Header(NO_RUN, NO_RUN, "runs", 1, 0)
    with pytest.raises(SpoolFormatError, match="damaged header"):
        decode_header(b"PK" + header[2:])
    with pytest.raises(SpoolFormatError, match="damaged"):
        decode_header(header[:30] + b"?" + header[31:])
    monkeypatch.setattr(records, "VERSION", 2)
    newer = Header(NO_RUN, NO_RUN, "runs", 1, 0).encode()
    monkeypatch.undo()
    with pytest.raises(SpoolFormatError, match="format 2"):
        decode_header(newer)


def test_a_live_writer_is_read_as_it_goes(tmp_path: Path) -> None:
    with producer_in(tmp_path) as producer:
        metrics = producer.metrics
        reader = SegmentReader(metrics.segment.path)
        list(reader.records())
        assert not reader.pending()
        metrics.log_checked(("x",), (0.0,), 0, None, 1)
        assert reader.pending()
        assert len(list(reader.records())) == 2  # the layout, and the call
        assert reader.stop == "waiting"
        reader.close()


def test_an_event_that_the_server_would_refuse_is_refused_when_it_is_logged(tmp_path: Path) -> None:
    with producer_in(tmp_path) as producer:
        with pytest.raises(TrackerError, match=r"run\.noted"):
            producer.emit(RunNoted(notes="x" * 300_000))
        assert producer.stream("runs").seq == 1


def test_dropping_costs_no_more_than_logging(tmp_path: Path) -> None:
    with producer_in(tmp_path, quota=1) as producer:
        start = time.perf_counter()
        for number in range(50_000):
            producer.metrics.log_checked(("x",), (1.0,), number, None, 1)
        assert producer.page.problems()["dropped"] > 40_000
        assert time.perf_counter() - start < 10  # a try to get space for each would take minutes
        producer.close("finished")


def test_a_released_producer_holds_no_files_even_while_it_is_referenced(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    producers = [make_producer(tmp_path) for _ in range(5)]
    for producer in producers:
        producer.metrics.log_checked(("loss",), (1.0,), 1, None, 0)
        producer.emit(RunNoted(notes="a note"))
        producer.close("finished")
        producer.release()
    keeper.flush()
    assert len(os.listdir("/proc/self/fd")) == before
    producers[0].page.count("after_finish")
    with pytest.raises(TrackerError, match="finished"):
        producers[0].metrics.log_checked(("loss",), (1.0,), 2, None, 0)
