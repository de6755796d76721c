from __future__ import annotations

import json
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_experiment_projections import runs
from speech_experiment_projections.refusal import Refused
from speech_experiment_projections.run_rows import derived_columns, run_row
from speech_experiment_schemas.producers import ProducerClosed, ProducerOpened
from speech_experiment_schemas.runs import (
    RunConfigured,
    RunEnvironment,
    RunFailed,
    RunFinished,
    RunHeartbeat,
    RunResumed,
    RunStarted,
    RunTagged,
)
from tests.unit.projections.logs import EXPERIMENT, RUN, admitted, fold_run, record, run_logs, seal

Log = list[tuple[int, msgspec.Struct]]


def folded(*log: tuple[int, msgspec.Struct]) -> runs.Run:
    run = fold_run(admitted(seal(("run", RUN), log)))
    assert run is not None
    return run


@given(run_logs, st.integers(0, 14))
def test_folding_a_prefix_and_then_the_rest_equals_folding_all(log: Log, cut: int) -> None:
    events = admitted(seal(("run", RUN), log))
    half = fold_run(events[:cut])
    stored = None if half is None else runs.load(runs.dump(half))
    assert runs.dump(fold_run(events[cut:], stored) or _missing()) == runs.dump(
        fold_run(events) or _missing()
    )


@given(run_logs, st.integers(0, 13))
def test_a_redelivered_tail_changes_nothing(log: Log, cut: int) -> None:
    records = seal(("run", RUN), log)
    entries: dict[UUID, object] = {}
    once = fold_run(admitted(records, entries=entries))
    assert admitted(records[cut:], first_offset=len(records), entries=entries) == []
    assert once == fold_run(admitted(records + records[cut:])) or "nan" in repr(once)


@given(run_logs)
def test_every_state_makes_a_row_that_postgres_can_hold(log: Log) -> None:
    for end in range(1, len(log) + 1):
        run = folded(*log[:end])
        row = run_row(run)
        assert "\0" not in "".join(value for value in row if isinstance(value, str))
        for document in (row.tags, row.config, row.environment, row.problems):
            json.loads(document, parse_constant=_refuse)
        derived_columns(run)


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def _missing() -> runs.Run:
    raise AssertionError("no run")


START = (0, RunStarted(experiment=EXPERIMENT, name="a", tags={"language": "en"}))
OPEN = (0, ProducerOpened())
LOST = (0, ProducerClosed(reason="lost"))


def test_a_run_ends_as_it_says() -> None:
    assert folded(OPEN, START).status == "running"
    assert folded(OPEN, START, (0, RunFinished())).status == "finished"
    failed = folded(OPEN, START, (0, RunFailed(error="CUDA out of memory", exit_code=1)))
    assert (failed.status, failed.error, failed.exit_code) == ("failed", "CUDA out of memory", 1)
    assert folded(OPEN, START, (0, RunFailed(error="x", status="cancelled"))).status == "cancelled"


def test_a_trainer_closed_for_dead_is_lost_and_comes_back_by_resuming() -> None:
    lost = (OPEN, START, LOST)
    assert folded(*lost).status == "lost"
    resumed = folded(*lost, (1, RunResumed(attempt=2, from_step=10)))
    assert (resumed.status, resumed.attempts, resumed.finished_at) == ("running", 2, None)


def test_losing_one_of_two_ranks_is_not_the_end() -> None:
    both = (OPEN, (1, ProducerOpened(rank=1)), START)
    assert folded(*both, (1, ProducerClosed(reason="lost"))).status == "running"
    assert folded(*both, (1, ProducerClosed(reason="lost")), LOST).status == "lost"


def test_a_finished_run_is_not_lost_when_its_process_dies_afterwards() -> None:
    assert folded(OPEN, START, (0, RunFinished()), LOST).status == "finished"


def test_what_an_older_attempt_still_says_does_not_end_the_new_one() -> None:
    log = (OPEN, START, (1, ProducerOpened(attempt=2)), (1, RunResumed(attempt=2)))
    assert folded(*log, (0, RunFinished())).status == "running"
    assert folded(*log, LOST).status == "running"
    assert folded(*log, (1, RunFinished())).status == "finished"


def test_a_trainer_that_opens_again_revives_a_lost_run() -> None:
    assert folded(OPEN, START, LOST, (1, ProducerOpened())).status == "running"


def test_a_drain_is_no_trainer() -> None:
    assert folded(OPEN, START, (1, ProducerOpened(role="drain")), LOST).status == "lost"


def test_the_same_attempt_opened_twice_counts_once() -> None:
    twice = folded(OPEN, START, (1, RunResumed(attempt=2)), (2, RunResumed(attempt=2)))
    assert twice.attempts == 2


def test_configs_merge_key_by_key_and_tags_one_by_one() -> None:
    run = folded(
        START,
        (0, RunConfigured(config={"encoder": {"layers": 6, "dim": 256}, "lr": 0.1})),
        (0, RunConfigured(config={"encoder": {"layers": 12}, "lr": {"peak": 0.2}})),
        (0, RunTagged(tags={"stage": "draft", "x": "y"}, removed=["language"])),
    )
    assert run.config == {"encoder": {"layers": 12, "dim": 256}, "lr": {"peak": 0.2}}
    assert run.tags == {"stage": "draft", "x": "y"}


def test_a_config_before_the_start_makes_a_placeholder_that_the_start_fills() -> None:
    run = folded((0, RunConfigured(config={"a": 1})))
    assert (run.name, run_row(run).name) == (None, str(RUN))
    run = folded((0, RunConfigured(config={"a": 1})), START)
    assert (run.name, run.config, run.experiment) == ("a", {"a": 1}, EXPERIMENT)


def test_a_second_start_fills_what_is_open_and_changes_nothing_else() -> None:
    again = (1, RunStarted(experiment=UUID(int=9), name="b", tags={"language": "de", "new": "1"}, notes="n"))
    run = folded(START, again)
    assert (run.name, run.experiment, run.notes) == ("a", EXPERIMENT, "n")
    assert run.tags == {"language": "en", "new": "1"}


def test_heartbeats_leave_no_version_and_problems_keep_their_worst() -> None:
    run = folded(
        START, (1, RunHeartbeat(problems={"dropped": 5})), (1, RunHeartbeat(problems={"dropped": 3}))
    )
    assert run.version_offset == 0
    assert run.last_offset == 2
    assert run.problems == {"dropped": 5}
    assert run.heartbeat_at == 1_000_020


def test_an_event_from_another_workspace_is_refused() -> None:
    (raw,) = seal(("run", RUN), [(3, RunTagged(tags={"x": "y"}))])
    with pytest.raises(Refused, match="another workspace"):
        runs.evolve(folded(START), record(raw, 9, workspace="elsewhere"))


def test_columns_come_from_config_tags_and_environment() -> None:
    run = folded(
        START,
        (0, RunConfigured(config={"encoder": {"num_layers": 12}, "optim_conf": {"lr": "1e-3"}, "fs": "16k"})),
        (0, RunEnvironment(host="n", git={"commit": "abc"}, hardware={"gpus": [{"name": "H200"}] * 2})),
    )
    derived = derived_columns(run)
    assert (derived.encoder_layers, derived.learning_rate, derived.sample_rate) == (12, 0.001, 16_000)
    assert (derived.git_commit, derived.num_gpus, derived.languages) == ("abc", 2, ["en"])
