"""Training that is killed with -9, and goes on: on the real stack, with real processes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from speech_experiment_infra.state import stack_status
from speech_experiment_tracker import Client, Run, TrackerError
from speech_experiment_tracker.fetch import CACHE_VARIABLE
from speech_experiment_tracker.remains import trainers_of
from tests.conftest import RunningStack

pytestmark = pytest.mark.stack

TRAINING = """
    import json, os, pathlib, sys, time
    import speech_experiment_tracker as tracker
    name, last, kill_at = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    run = tracker.Client().start_run(name, resume="auto", config={"lr": 0.1}, capture_output=False)
    found = run.newest_checkpoint()
    first = json.loads(found.read_text())["step"] + 1 if found else 0
    print(json.dumps([str(run.id), run.attempt, first, run.last_step, run.config]), flush=True)
    for step in range(first, last):
        run.log_metrics({"loss": 1 / (step + 1), "attempt": run.attempt}, step=step)
        if step % 10 == 9:
            path = pathlib.Path(os.environ["WORK"], "state.json")
            path.write_text(json.dumps({"step": step}))
            run.log_artifact(path, type="checkpoint", step=step)
        if step == kill_at:
            os.kill(os.getpid(), 9)
    run.finish(timeout=60)
"""


class Lab:
    """Scripts that train, with a spool and a cache of their own."""

    def __init__(self, stack: RunningStack, folder: Path) -> None:
        self.spool = folder / "spool"
        self.cache = folder / "cache"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SPEECH_TRACKER_")},
            "SPEECH_TRACKER_URL": stack.url,
            "SPEECH_TRACKER_API_KEY": stack.key,
            "SPEECH_TRACKER_SPOOL_DIR": str(self.spool),
            "SPEECH_TRACKER_DRAIN_LINGER": "5",
            "XDG_CONFIG_HOME": str(folder / "config"),
            CACHE_VARIABLE: str(self.cache),
            "WORK": str(folder),
        }
        self.client = Client(stack.url, stack.key, spool_dir=self.spool)
        self.api = httpx.Client(
            base_url=f"{stack.url}/api/v1", headers={"Authorization": f"Bearer {stack.key}"}, timeout=60
        )

    def start(self, *arguments: str, code: str = TRAINING, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), *arguments],
            env=self.environment | environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def train(self, name: str, last: int, kill_at: int = -1, **environment: str) -> list[Any]:
        """[run, attempt, first step, last step of the attempts before, config]"""
        process = self.start(name, str(last), str(kill_at), **environment)
        output, errors = process.communicate(timeout=120)
        assert process.returncode == (-signal.SIGKILL if kill_at >= 0 else 0), errors
        return list(json.loads(output.splitlines()[0]))

    def curve(self, run: str, key: str = "loss", **options: Any) -> dict[str, list[Any]]:
        asked = self.api.get(f"/runs/{run}/curves", params={"key": key, "points": 0, **options})
        found: dict[str, list[Any]] = asked.json()["curves"][key]
        return found


@pytest.fixture
def lab(stack: RunningStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return Lab(stack, tmp_path)


def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def shown(client: Client, run: Run) -> None:
    """Ends a run and waits until queries show it."""
    assert run.finish(timeout=60)
    assert run.flush("queryable", timeout=60)


def test_killed_twice_it_goes_on_from_its_checkpoint_each_time(lab: Lab) -> None:
    run, *first = lab.train("killed", 60, kill_at=25)
    assert first == [1, 0, None, {"lr": 0.1}]
    again, *second = lab.train("killed", 60, kill_at=42)
    assert (again, second) == (run, [2, 20, 19, {"lr": 0.1}])
    last, *third = lab.train("killed", 60)
    assert (last, third) == (run, [3, 40, 39, {"lr": 0.1}])
    until(lambda: lab.api.get(f"/runs/{run}/delivery", params={"timeout": 10}).json()["complete"])
    curve = lab.curve(run, "attempt")
    assert curve["step"] == list(range(60))
    assert curve["value"] == [1] * 20 + [2] * 20 + [3] * 20
    everything = lab.curve(run, abandoned=True)
    tails = [step for step, dead in zip(everything["step"], everything["abandoned"], strict=True) if dead]
    assert tails == [20, 21, 22, 23, 24, 25, 40, 41, 42]
    details = lab.api.get(f"/runs/{run}").json()
    assert (details["status"], details["attempts"]) == ("finished", 3)
    assert [(each["attempt"], each["from_step"]) for each in details["resumes"]] == [(2, 19), (3, 39)]


@contextlib.contextmanager
def trained_and_not_shown(lab: Lab, stack: RunningStack, name: str, seconds: float) -> Iterator[str]:
    """A killed run that is delivered, and whose artifacts do not show for some seconds yet."""
    projector = stack_status(stack.data_dir)["children"]["consumers-artifacts-control"]["pid"]
    os.kill(projector, signal.SIGSTOP)
    waking = threading.Timer(seconds, os.kill, (projector, signal.SIGCONT))
    try:
        run, *_ = lab.train(name, 30, kill_at=15)
        until(lambda: not trainers_of(lab.spool, UUID(run)))
        waking.start()
        yield run
    finally:
        waking.cancel()
        os.kill(projector, signal.SIGCONT)


def test_what_is_delivered_and_does_not_show_yet_is_waited_for(lab: Lab, stack: RunningStack) -> None:
    with trained_and_not_shown(lab, stack, "not shown", 12.0) as run:
        assert lab.train("not shown", 30) == [run, 2, 10, 9, {"lr": 0.1}]


def test_the_wait_may_be_longer_than_one_request_may_last(lab: Lab, stack: RunningStack) -> None:
    with trained_and_not_shown(lab, stack, "awaited", 3.0) as run:
        again = lab.client.resume_run(run, timeout=120.0)
        assert (again.attempt, again.last_step) == (2, 9)
        again.finish(timeout=60)


def test_a_script_that_begins_anew_leaves_no_doubled_points(lab: Lab) -> None:
    code = TRAINING.replace('first = json.loads(found.read_text())["step"] + 1 if found else 0', "first = 5")
    for kill_at in (17, -1):
        process = lab.start("anew", "30", str(kill_at), code=code)
        output, errors = process.communicate(timeout=120)
        assert output, errors
    run = json.loads(output)[0]
    until(lambda: lab.api.get(f"/runs/{run}/delivery", params={"timeout": 10}).json()["complete"])
    curve = lab.curve(run, "attempt")
    assert curve["step"] == list(range(5, 30))
    assert set(curve["value"]) == {2}


def test_what_is_finished_deleted_or_unknown_is_told_apart(lab: Lab) -> None:
    run = lab.client.start_run("ends", capture_output=False)
    run.log_metrics({"loss": 1.0}, step=3)
    shown(lab.client, run)
    with pytest.raises(TrackerError, match=r"is finished.*reopen=True"):
        lab.client.resume_run(run.id)
    again = lab.client.resume_run(run.id, reopen=True, capture_output=False)
    assert (again.attempt, again.last_step) == (2, 3)
    shown(lab.client, again)
    assert lab.api.delete(f"/runs/{run.id}").status_code == 200
    with pytest.raises(TrackerError, match="was deleted"):
        lab.client.resume_run(run.id)
    with pytest.raises(TrackerError, match=r"no run .* in the workspace"):
        lab.client.resume_run("01930000-0000-7000-8000-0000000000ff")


def test_a_checkpoint_is_fetched_once_and_checked(lab: Lab, stack: RunningStack, tmp_path: Path) -> None:
    content = os.urandom(3 << 20)
    (tmp_path / "last.pt").write_bytes(content)
    run = lab.client.start_run("fetched", capture_output=False)
    run.log_metrics({"loss": 1.0}, step=5)
    run.log_artifact(tmp_path / "last.pt", type="checkpoint", step=5)
    run.fail("out of memory", timeout=60)
    run.flush("queryable", timeout=60)
    again = lab.client.resume_run(run.id, capture_output=False)
    path = again.newest_checkpoint()
    assert path is not None
    assert (path.name, path.read_bytes()) == ("last.pt", content)
    path.chmod(0o600)
    path.write_bytes(content[:-1] + b"?")  # the cache rots
    assert again.newest_checkpoint() == path
    assert path.read_bytes() == content
    part = path.with_name(".part")
    path.unlink()
    part.write_bytes(content[: 1 << 20])  # a fetch that was cut off
    assert again.newest_checkpoint() == path
    assert path.read_bytes() == content
    digest = hashlib.sha256(content).hexdigest()
    _object_store(stack).remove_object(stack.settings.s3_bucket, f"blobs/sha256/{digest[:2]}/{digest}")
    path.unlink()
    with pytest.raises(TrackerError, match=r"last\.pt.*is missing on the server"):
        again.newest_checkpoint()
    shown(lab.client, again)


def _object_store(stack: RunningStack) -> Any:
    from speech_experiment_infra.connections import object_store_client

    return object_store_client(stack.settings)


def test_two_processes_that_resume_at_once_get_attempts_of_their_own(lab: Lab) -> None:
    run, *_ = lab.train("twice", 30, kill_at=15)
    code = """
        import sys, time
        import speech_experiment_tracker as tracker
        run = tracker.Client().resume_run(sys.argv[1], capture_output=False)
        print(run.attempt, flush=True)
        run.log_metrics({"loss": 1.0}, step=run.last_step + 1)
        time.sleep(2)
        run.finish(timeout=60)
    """
    both = [lab.start(run, code=code) for _ in range(2)]
    told = [process.communicate(timeout=120) for process in both]
    assert sorted(int(output) for output, _ in told) == [2, 3], told
    assert any("still writes run" in errors for _, errors in told)


def test_an_attempt_that_writes_on_is_flagged_and_its_points_do_not_count(lab: Lab) -> None:
    older = lab.client.start_run("beside", capture_output=False)
    for step in range(5):
        older.log_metrics({"loss": 1.0}, step=step)
    older.flush("queryable", timeout=60)
    code = """
        import sys, time
        import speech_experiment_tracker as tracker
        from speech_experiment_tracker import resume
        resume._LOOKS = (2.0, 2.0)
        run = tracker.Client().resume_run(sys.argv[1], from_step=4, capture_output=False)
        for step in range(5, 20):
            run.log_metrics({"loss": 2.0}, step=step)
            time.sleep(1)
        run.finish(timeout=60)
    """
    younger = lab.start(str(older.id), code=code)

    def attempts() -> int:
        return int(lab.api.get(f"/runs/{older.id}").json()["attempts"])

    until(lambda: attempts() == 2)
    time.sleep(0.5)
    older.log_metrics({"loss": 9.0}, step=7)
    older.log_config({"still": "here"})
    older.flush("queryable", timeout=60)
    _, errors = younger.communicate(timeout=120)
    assert "still writes run" in errors
    assert "beside this one, attempt 2" in errors
    details = lab.api.get(f"/runs/{older.id}").json()
    [flagged] = details["concurrent"]
    assert (flagged["attempt"], flagged["rank"], flagged["pid"]) == (1, 0, os.getpid())
    delivery = lab.api.get(f"/runs/{older.id}/delivery", params={"timeout": 10}).json()
    assert delivery["concurrent"]
    flagged_streams = {
        (each["stream"], each["attempt"]) for each in delivery["streams"] if each["concurrent"]
    }
    assert flagged_streams == {("runs", 1), ("metrics", 1)}
    curve = lab.curve(str(older.id))
    assert curve["value"] == [1.0] * 5 + [2.0] * 15
    shown(lab.client, older)


def test_ranks_of_two_machines_go_on_together(lab: Lab, tmp_path: Path) -> None:
    code = """
        import json, os, pathlib, time
        import speech_experiment_tracker as tracker
        rank = int(os.environ["SLURM_PROCID"])
        time.sleep(1.0 if rank == 0 else 0)
        run = tracker.Client().start_run("two machines", resume="auto", capture_output=False)
        print(json.dumps([str(run.id), run.attempt, run.last_step]), flush=True)
        for step in range((run.last_step or 0) + 1, 10):
            run.log_metrics({"loss": 1.0}, step=step)
            if step == 6 and rank == 0:
                state = pathlib.Path(os.environ["WORK"], "state.pt")
                state.write_text(str(step))
                run.log_artifact(state, type="checkpoint", step=step)
        if run.attempt == 1:
            run.flush("acknowledged")
            os.kill(os.getpid(), 9)
        run.finish(timeout=60)
    """
    told = []
    for restart in range(2):
        ranks = [
            lab.start(
                code=code,
                SLURM_JOB_ID=str(os.getpid()),
                SLURM_STEP_ID="0",
                SLURM_PROCID=str(rank),
                SLURM_STEP_NUM_TASKS="2",
                SLURM_STEP_NUM_NODES="2",
                SLURM_RESTART_COUNT=str(restart),
                SPEECH_TRACKER_SPOOL_DIR=str(tmp_path / f"spool-of-node-{rank}"),
            )
            for rank in range(2)
        ]
        outputs = [rank.communicate(timeout=120) for rank in ranks]
        assert all(output for output, _ in outputs), outputs
        told.append([json.loads(output) for output, _ in outputs])
    run = told[0][0][0]
    assert told == [[[run, 1, None]] * 2, [[run, 2, 6]] * 2]
