"""The benchmark's own arithmetic: a load whose oracle is wrong would prove nothing."""

from __future__ import annotations

from math import fsum
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_experiment_schemas import decode_payload, validate
from speech_experiment_schemas.metrics import MetricsLogged, unpack
from tests.benchmarks.figures import FIGURES, Results
from tests.benchmarks.ours.catalogue import events_of
from tests.benchmarks.ours.generator import Board
from tests.benchmarks.ours.ingest import lag
from tests.benchmarks.ours.loading import Sample
from tests.benchmarks.ours.records import SyntheticRun, Template
from tests.benchmarks.stats import percentile

KEYS = [f"metric_{i}" for i in range(20)]


def metrics_in(record: bytes) -> MetricsLogged:
    payload = decode_payload(validate(record))
    assert isinstance(payload, MetricsLogged)
    return payload


def test_generated_records_are_what_the_gateway_accepts() -> None:
    run = SyntheticRun("load")
    records = [*run.opening(), run.record(Template(KEYS, 1_000)), *run.closing()]
    assert [validate(record).subject for record in records] == [run.subject] * 6


@given(st.lists(st.sampled_from([100, 1_000, 5_000]), min_size=1, max_size=20))
def test_counted_points_and_sums_are_exactly_those_in_the_records(sizes: list[int]) -> None:
    run = SyntheticRun("load")
    payloads = [metrics_in(run.record(Template(KEYS, size, seed=size))) for size in sizes]
    values = [value for payload in payloads for value in unpack("d", payload.values)]
    assert (len(values), fsum(values), sum(values)) == (run.points, run.sum, run.sum)


def test_records_of_a_run_continue_its_steps_and_its_chain() -> None:
    run, template = SyntheticRun("load"), Template(KEYS, 100)
    first, second = run.record(template), run.record(template)
    assert list(unpack("q", metrics_in(second).steps)) == [5, 6, 7, 8, 9]
    assert validate(second).seq == validate(first).last + 1
    assert validate(second).prev


def test_seeded_runs_are_events_that_the_gateway_accepts() -> None:
    kinds = [validate(record).type for record in events_of(7)]
    assert kinds[:4] == ["producer.opened", "run.started", "run.configured", "run.finished"]
    assert kinds.count("metrics.logged") == 1


def test_a_board_is_shared_by_all_who_open_it(tmp_path: Path) -> None:
    ours, theirs = Board(tmp_path / "board"), Board(tmp_path / "board")
    ours.sent, ours.queryable = 5_000_000_000, 7
    theirs.stop()
    assert (theirs.sent, theirs.queryable, ours.stopped) == (5_000_000_000, 7, True)


def test_lag_is_the_time_that_readers_are_behind() -> None:
    samples = [Sample(at, sent=1_000 * at + 500, queryable=1_000 * at) for at in range(11)]
    assert lag(samples, 0.0, 1.0, 10) == pytest.approx(0.5)


@given(st.lists(st.floats(0, 1e9), min_size=1), st.floats(0, 100))
def test_a_percentile_lies_between_the_extremes(values: list[float], percent: float) -> None:
    assert min(values) <= percentile(values, percent) <= max(values) * (1 + 1e-12)


def test_the_best_peer_is_the_lowest_time_or_the_highest_rate() -> None:
    results = Results()
    results.add("slow", {"log_tight": 9.0, "ingest": 10.0})
    results.add("fast", {"log_tight": 4.0, "ingest": 99.0})
    results.add("ours", {"log_tight": 1.0, "ingest": 1e6})
    assert results.best_peer(FIGURES["log_tight"]) == ("fast", 4.0)
    assert results.best_peer(FIGURES["ingest"]) == ("fast", 99.0)
    assert results.best_peer(FIGURES["idle"]) is None
