"""Distributed workers go on together: one run, one attempt, one step, whatever their launcher did."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from speech_experiment_tracker import TrackerError
from speech_experiment_tracker.launches import (
    Decision,
    announce,
    await_decision,
    claim,
    decided,
    given_id,
    lasting_id,
    run_id_of,
    shared_id,
)
from speech_experiment_tracker.remains import remains_of, trainers_of

RUN = UUID("01930000-0000-7000-8000-0000000000aa")
WORKER = """
    import json, os, pathlib, sys, time
    import speech_experiment_tracker as tracker
    rank, last = int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0"))), int(sys.argv[1])
    time.sleep(0.3 if rank == 0 else 0)  # the others are quicker
    run = tracker.Client().start_run("ranks", resume="auto", config={"lr": 0.1}, capture_output=False)
    path = run.newest_checkpoint()
    print(json.dumps([str(run.id), run.attempt, run.last_step, path and path.read_text()]), flush=True)
    for step in range((run.last_step or 0) + 1, last):
        run.log_metrics({"loss": float(rank)}, step=step)
        if step % 4 == 0:
            file = pathlib.Path(os.environ["FOLDER"], f"{rank}.pt")
            file.write_text(f"rank {rank} step {step}")
            run.log_artifact(file, type="checkpoint", step=step)
    if last < 12:
        os.kill(os.getpid(), 9)
    run.finish()
"""


def launched(folder: Path, ranks: int, last: int, **environment: str) -> list[list[Any]]:
    """What each rank says of the run, by rank; all are children of this process, as of a launcher."""
    spare = {name: value for name, value in os.environ.items() if not name.startswith(("SPEECH_", "SLURM_"))}
    common = {
        "SPEECH_TRACKER_MODE": "offline",
        "SPEECH_TRACKER_SPOOL_DIR": str(folder / "spool"),
        "SPEECH_TRACKER_CACHE_DIR": str(folder / "cache"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "FOLDER": str(folder),
    }
    script = folder / "train.py"
    script.write_text(textwrap.dedent(WORKER))
    workers = [
        subprocess.Popen(
            [sys.executable, str(script), str(last)],
            env=spare | common | {name: value.format(rank=rank) for name, value in environment.items()},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for rank in range(ranks)
    ]
    told = [worker.communicate(timeout=120) for worker in workers]
    assert all(output for output, _ in told), told
    return [json.loads(output) for output, _ in told]


def torchrun(ranks: int, restarts: int) -> dict[str, str]:
    return {
        "RANK": "{rank}",
        "LOCAL_RANK": "{rank}",
        "WORLD_SIZE": str(ranks),
        "LOCAL_WORLD_SIZE": str(ranks),
        "TORCHELASTIC_RUN_ID": "none",
        "TORCHELASTIC_RESTART_COUNT": str(restarts),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "29500",
    }


def slurm(ranks: int, restarts: int) -> dict[str, str]:
    return {
        "SLURM_JOB_ID": "4711",
        "SLURM_STEP_ID": "0",
        "SLURM_PROCID": "{rank}",
        "SLURM_STEP_NUM_TASKS": str(ranks),
        "SLURM_STEP_NUM_NODES": "1",
        "SLURM_RESTART_COUNT": str(restarts),
    }


@pytest.mark.parametrize(("launcher", "ranks"), [(torchrun, 2), (torchrun, 4), (slurm, 3)])
def test_ranks_that_are_killed_and_started_again_agree(tmp_path: Path, launcher: Any, ranks: int) -> None:
    first = launched(tmp_path, ranks, 7, **launcher(ranks, 0))
    assert len({run for run, *_ in first}) == 1
    assert [told[1:] for told in first] == [[1, None, None]] * ranks
    for restart, last in ((1, 11), (2, 13)):
        again = launched(tmp_path, ranks, last, **launcher(ranks, restart))
        step = 4 * restart
        shards = [[first[0][0], restart + 1, step, f"rank {rank} step {step}"] for rank in range(ranks)]
        assert again == shards
    remains = remains_of(tmp_path / "spool", UUID(first[0][0]))
    assert (remains.attempts, remains.ended) == (3, "finished")
    assert remains.cuts.resumes == [(2, 4), (3, 8)]
    trainers = [
        (each.meta.attempt, each.meta.rank) for each in trainers_of(tmp_path / "spool", UUID(first[0][0]))
    ]
    assert sorted(trainers) == [(attempt, rank) for attempt in (1, 2, 3) for rank in range(ranks)]


def test_the_environment_of_a_supervisor_decides_for_all(tmp_path: Path) -> None:
    given = {"SPEECH_TRACKER_RUN_ID": str(RUN), "SPEECH_TRACKER_ATTEMPT": "1"}
    assert launched(tmp_path, 2, 7, **torchrun(2, 0), **given) == [[str(RUN), 1, None, None]] * 2
    again = given | {"SPEECH_TRACKER_ATTEMPT": "5", "SPEECH_TRACKER_RESUME_STEP": "4"}
    assert [told[:3] for told in launched(tmp_path, 2, 13, **torchrun(2, 0), **again)] == [
        [str(RUN), 5, 4]
    ] * 2


def test_a_slurm_job_of_one_process_goes_on_with_its_run_after_a_requeue(tmp_path: Path) -> None:
    job = {"SLURM_JOB_ID": "815", "SLURM_PROCID": "0", "SLURM_NTASKS": "4"}
    [first] = launched(tmp_path, 1, 7, **job)
    [again] = launched(tmp_path, 1, 7, SLURM_RESTART_COUNT="1", **job)
    assert again[:3] == [first[0], 2, 4]
    [other] = launched(tmp_path, 1, 7, SLURM_ARRAY_TASK_ID="2", **(job | {"SLURM_JOB_ID": "816"}))
    assert other[:2] != again[:2]
    assert other[1] == 1


def test_a_decision_of_an_earlier_start_is_not_taken(tmp_path: Path) -> None:
    announce(tmp_path, "key", Decision(RUN, 2, 5, boot=decided(RUN, 2, 5).boot, pid=2**22 + 1, born="17"))
    with pytest.raises(TrackerError, match="nothing was heard of rank 0"):
        await_decision(tmp_path, "key", None, timeout=0.2)
    announce(tmp_path, "key", decided(RUN, 3, 7))
    assert await_decision(tmp_path, "key", None, timeout=0.2).attempt == 3


def test_a_decision_is_taken_though_rank_0_has_ended_since(tmp_path: Path) -> None:
    gone = msgspec.structs.replace(decided(RUN, 2, 5), pid=2**22 + 1, born="17")
    announce(tmp_path, "key", gone)
    assert await_decision(tmp_path, "key", None, timeout=0.2) == gone


def test_ranks_elsewhere_ask_the_server(tmp_path: Path) -> None:
    answers = iter([None, None, Decision(RUN, 4)])
    start = time.monotonic()
    assert await_decision(tmp_path, "key", lambda: next(answers), timeout=20).attempt == 4
    assert time.monotonic() - start < 10


def test_no_two_claims_take_the_same_attempt(tmp_path: Path) -> None:
    taken = []
    for known in (0, 1, 1, 7, 2):
        with claim(tmp_path, RUN) as take:
            taken.append(take(known))
    assert taken == [1, 2, 3, 8, 9]


def test_the_second_run_of_a_process_has_an_id_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEECH_TRACKER_RUN_ID", "job-with-two-runs")
    first, second = given_id(101), given_id(105)
    assert first == run_id_of("job-with-two-runs") != second
    assert (given_id(101), given_id(105)) == (first, second)


def test_ids_last_as_long_as_their_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in torchrun(2, 0).items():
        monkeypatch.setenv(name, value.format(rank=0))
    before = shared_id(1), lasting_id(1, "a")
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert shared_id(1) != before[0]
    assert lasting_id(1, "a") == before[1]
    for name, value in slurm(2, 0).items():
        monkeypatch.setenv(name, value.format(rank=0))
    job = lasting_id(1, "a")
    assert len({job, lasting_id(1, "b"), lasting_id(2, "a"), before[1]}) == 4
    monkeypatch.setenv("SLURM_RESTART_COUNT", "3")
    assert lasting_id(1, "a") == job
