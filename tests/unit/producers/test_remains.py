"""What a spool says of a run is what was logged, sealed or not, with a drain at work or none."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from speech_experiment_schemas.runs import RunConfigured, RunFinished, RunResumed, RunStarted
from speech_experiment_tracker import Client, TrackerError
from speech_experiment_tracker.remains import Remains, remains_of, trainers_of
from speech_experiment_tracker.spool.producers import Producer

from .spools import lane_of, make_producer

RUN = UUID("01930000-0000-7000-8000-0000000000aa")
EXPERIMENT = UUID("7ada8581-ad53-5e69-b64c-1e65e094a9be")


def trained(spool: Path) -> Producer:
    producer = make_producer(spool, RUN)
    producer.emit(RunStarted(experiment=EXPERIMENT, experiment_name="e", name="trained"))
    producer.emit(RunConfigured(config={"lr": 0.1, "model": {"layers": 12}}))
    for step in range(3_000):
        producer.metrics.log_checked(("loss", "lr"), [0.5, 0.1], step, None, 1)
        if step % 1_000 == 0:
            producer.metrics.log_checked(("val_wer",), [0.2], step // 1_000, None, 1)
    producer.metrics.log_checked(("test_wer",), [0.1], None, None, 1)
    return producer


def told(remains: Remains) -> tuple[object, ...]:
    return (
        remains.attempts,
        remains.name,
        remains.experiment,
        remains.config,
        remains.last_steps,
        remains.ended,
    )


EXPECTED = (
    1,
    "trained",
    EXPERIMENT,
    {"lr": 0.1, "model": {"layers": 12}},
    {"loss": 2_999, "lr": 2_999, "val_wer": 2},
    None,
)


def test_it_is_read_from_segments(tmp_path: Path) -> None:
    producer = trained(tmp_path)
    assert told(remains_of(tmp_path, RUN)) == EXPECTED
    assert [each.alive for each in trainers_of(tmp_path, RUN)] == [True]
    producer.emit(RunFinished())
    producer.close("finished")
    producer.release()
    assert remains_of(tmp_path, RUN).ended == "finished"
    assert [each.alive for each in trainers_of(tmp_path, RUN)] == [False]


def test_it_is_the_same_at_every_moment_of_a_drains_work(tmp_path: Path) -> None:
    producer = trained(tmp_path)
    producer.release()
    for stream in ("runs", "metrics"):
        lane = lane_of(producer, stream)
        while lane.advance(dead=True) and not lane.closed:
            lane.journal.book.sync()
            lane.remove_read()
            assert told(remains_of(tmp_path, RUN)) == EXPECTED
        lane.close()
        assert told(remains_of(tmp_path, RUN)) == EXPECTED
    assert not trainers_of(tmp_path, RUN)[0].closed


def test_a_torn_record_hides_nothing_before_it(tmp_path: Path) -> None:
    producer = trained(tmp_path)
    segment = producer.metrics.segment
    segment.memory[segment.at[0] : segment.at[0] + 12] = b"\x20\0\0\0torn bytes"[:12]
    producer.release()
    assert told(remains_of(tmp_path, RUN)) == EXPECTED


def test_an_unknown_run_has_no_attempts(tmp_path: Path) -> None:
    assert told(remains_of(tmp_path, RUN)) == (0, None, None, {}, {}, None)


def test_offline_a_run_goes_on_by_the_spool_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    client = Client()
    run = client.start_run("offline", config={"lr": 0.1}, capture_output=False)
    for step in range(10):
        run.log_metrics({"loss": 1.0}, step=step)
        if step == 6:
            (tmp_path / "last.pt").write_bytes(b"weights")
            run.log_artifact(tmp_path / "last.pt", type="checkpoint", step=step)
    run.fail("killed")
    again = Client().start_run("offline", resume="auto", capture_output=False)
    assert (again.id, again.attempt, again.last_step, again.config) == (run.id, 2, 6, {"lr": 0.1})
    path = again.newest_checkpoint()
    assert path is not None
    assert (path.name, path.read_bytes()) == ("last.pt", b"weights")
    assert "is offline" in capsys.readouterr().err
    again.log_metrics({"loss": 2.0}, step=8)  # it had a checkpoint of its own
    again.finish()
    remains = remains_of(client.config.spool, run.id)
    assert (remains.attempts, remains.ended) == (2, "finished")
    assert remains.cuts.resumes[-1] == (2, 7)
    with pytest.raises(TrackerError, match="is finished"):
        client.resume_run(run.id)
    third = Client().start_run("offline", resume="auto", capture_output=False)
    assert third.id != run.id
    third.finish()


def test_a_run_that_this_machine_does_not_know_cannot_go_on_offline() -> None:
    with pytest.raises(TrackerError, match="holds nothing of run"):
        Client().resume_run(RUN)


def test_resumes_are_told_in_every_stream(tmp_path: Path) -> None:
    producer = make_producer(tmp_path, RUN)
    producer.emit(RunResumed(attempt=3, from_step=5))
    producer.release()
    assert remains_of(tmp_path, RUN).attempts == 3
