"""The client on the real stack: what was logged is what queries show, whoever was killed meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from speech_experiment_tracker import Client, Run, TrackerError
from speech_experiment_tracker.queries import RunRecord
from speech_experiment_tracker.spool_status import spool_status
from speech_experiment_tracker.sync import sync
from tests.conftest import RunningStack
from tests.faults.oracle import Testimony, judge

pytestmark = pytest.mark.stack


@pytest.fixture
def client(stack: RunningStack, tmp_path: Path) -> Client:
    return Client(stack.url, stack.key, spool_dir=tmp_path / "spool")


def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def finished(client: Client, run: Run) -> RunRecord:
    """The run as the server shows it once all of it is queryable."""
    assert run.finish(timeout=60)
    assert run.flush("queryable", timeout=60)
    return client.get_run(run.id)


def test_what_was_logged_is_what_queries_show(client: Client) -> None:
    experiment = client.create_experiment("Conformer ASR", task="asr", description="…")
    run = experiment.start_run("conformer_12l", tags={"language": "en"}, config={"encoder_layers": 12})
    for step in range(200):
        run.log_metrics({"train_loss": 1 / (step + 1), "nan": float("nan")}, step=step)
    run.log_metric("test-clean_wer", 0.05)
    run.log_json("results/x.json", {"wer": 0.05})
    shown = finished(client, run)
    assert (shown["name"], shown["status"], shown["experiment"]) == (
        "conformer_12l",
        "finished",
        "Conformer ASR",
    )
    assert shown["config"] == {"encoder_layers": 12}
    assert shown["tags"] == {"language": "en"}
    assert shown["test_sets"]["test-clean"]["wer"] == 0.05
    curve = shown.curve("train_loss")
    assert curve.column("step") == list(range(200))
    assert curve.column("value") == [1 / (step + 1) for step in range(200)]
    assert curve.to_polars().shape == (200, 3)
    assert [row["path"] for row in shown.artifacts()] == ["results/x.json"]
    found = client.search_runs("task = 'asr' and params.encoder_layers >= 12", order_by="metrics.train_loss")
    assert run.id in [row.id for row in found]


def test_a_resumed_run_goes_on_from_its_checkpoint(client: Client, tmp_path: Path) -> None:
    (tmp_path / "last.pt").write_bytes(b"weights")
    run = client.start_run("resumed", config={"lr": 0.1})
    for step in range(10):
        run.log_metrics({"loss": 1.0}, step=step)
        if step == 5:
            run.log_artifact(tmp_path / "last.pt", type="checkpoint", step=5)
    finished(client, run)
    again = client.resume_run(run.id, reopen=True)
    assert (again.attempt, again.last_step, again.config) == (2, 5, {"lr": 0.1})
    for step in range(6, 12):
        again.log_metrics({"loss": 2.0}, step=step)
    shown = finished(client, again)
    assert shown["attempts"] == 2
    curve = shown.curve("loss")
    assert curve.column("step") == list(range(12))
    assert curve.column("value") == [1.0] * 6 + [2.0] * 6


def test_auto_resumes_what_was_killed_and_nothing_that_is_finished(client: Client) -> None:
    first = client.start_run("auto", resume="auto")
    assert first.attempt == 1
    finished(client, first)
    second = client.start_run("auto", resume="auto")
    assert second.id != first.id
    second.log_metrics({"loss": 1.0}, step=1)
    second.fail("out of memory", timeout=60)
    assert second.flush("queryable", timeout=60)
    third = client.start_run("auto", resume="auto")
    assert (third.id, third.attempt, third.last_step) == (second.id, 2, 1)
    finished(client, third)


async def test_nothing_is_lost_when_trainers_and_drains_are_killed(
    stack: RunningStack, tmp_path: Path
) -> None:
    spool = tmp_path / "spool"
    environment = {
        **os.environ,
        "SPEECH_TRACKER_URL": stack.url,
        "SPEECH_TRACKER_API_KEY": stack.key,
        "SPEECH_TRACKER_SPOOL_DIR": str(spool),
        "SPEECH_TRACKER_DRAIN_LINGER": "5",
    }
    witnesses = [_trained_and_killed(tmp_path, spool, number, environment) for number in range(4)]
    sync(spool, stack.url, stack.key)
    verdict = await judge(stack.settings, Testimony.read(*witnesses))
    assert verdict.calls > 200
    assert verdict.clean, str(verdict)


def _trained_and_killed(folder: Path, spool: Path, number: int, environment: dict[str, str]) -> Path:
    """The witness of a trainer that was killed, after its drain where the number is odd."""
    witness = folder / f"witness{number}"
    command = [
        sys.executable,
        "-m",
        "tests.faults.trainer",
        str(witness),
        f"t{number}",
        "3000",
        "--rate",
        "800",
    ]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as trainer:
        until(lambda: witness.exists() and witness.stat().st_size > 20_000)
        if number % 2:
            _kill_drain(spool)
            time.sleep(0.3)
        trainer.send_signal(signal.SIGKILL)
    return witness


def _kill_drain(spool: Path) -> None:
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if "speech_experiment_tracker.drain" in command and str(spool) in command:
            process.kill()


def test_offline_runs_of_another_workspace_are_synced_only_when_that_is_said(
    stack: RunningStack, tmp_path: Path
) -> None:
    client = Client(mode="offline", spool_dir=tmp_path / "spool", workspace="elsewhere")
    with client.start_run("offline") as run:
        run.log_metrics({"loss": 0.5}, step=1)
    with pytest.raises(TrackerError, match="elsewhere"):
        sync(tmp_path / "spool", stack.url, stack.key)
    sync(tmp_path / "spool", stack.url, stack.key, workspace="default")
    online = Client(stack.url, stack.key)
    until(lambda: _is_known(online, run))
    assert not [p for p in spool_status(tmp_path / "spool").producers if p.role == "trainer"]


def _is_known(client: Client, run: Run) -> bool:
    try:
        return bool(client.get_run(run.id)["status"] == "finished")
    except TrackerError:
        return False
