"""Scripts that log, with a drain of their own and a gateway that keeps what arrives."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
import pytest

from speech_experiment_schemas.artifacts import ArtifactLogged
from speech_experiment_schemas.catalogue import decode_payload
from speech_experiment_schemas.producers import ProducerOpened
from speech_experiment_schemas.runs import (
    RunConfigured,
    RunEnvironment,
    RunFailed,
    RunOutput,
    RunStarted,
    RunTagged,
)
from speech_experiment_tracker import Client, Run, TrackerError
from speech_experiment_tracker.drain.environments import LINGERING, REMEMBERED, Environments
from speech_experiment_tracker.drain.meta import Meta
from speech_experiment_tracker.spool_status import spool_status
from speech_experiment_tracker.sync import sync

from .gateway import Gateway
from .spools import calls_of, has_no_holes


def payloads(gateway: Gateway, kind: type) -> list[Any]:
    return [found for record in gateway.records if isinstance(found := decode_payload(record), kind)]


def types(gateway: Gateway, stream: str = "runs") -> list[str]:
    """Types of what trainers wrote to a stream."""
    drains = {
        record.producer
        for record in gateway.records
        if isinstance(opened := decode_payload(record), ProducerOpened) and opened.role == "drain"
    }
    return [
        r.type
        for r in gateway.records
        if r.stream == stream and r.subject[0] == "run" and r.producer not in drains
    ]


def until(condition: Callable[[], object], seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def script(gateway: Gateway, code: str, **options: Any) -> subprocess.Popen[str]:
    """A script in a process of its own, with `run` started and `tracker` imported."""
    head = f"""
        import os, sys, time, signal
        import speech_experiment_tracker as tracker
        client = tracker.Client({gateway.url!r})
        run = client.start_run("script")
    """
    whole = textwrap.dedent(head) + textwrap.dedent(code)
    return subprocess.Popen(
        [sys.executable, "-c", whole], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
    )


def test_the_documented_script_arrives_as_it_was_written(gateway: Gateway, tmp_path: Path) -> None:
    checkpoint = tmp_path / "epoch10.pt"
    checkpoint.write_bytes(b"weights" * 1000)
    client = Client(api_url=gateway.url, api_key="stk_x")
    experiment = client.create_experiment(name="Conformer ASR", task="asr", description="…")
    run = experiment.start_run(name="conformer_12l", tags={"language": "en", "domain": "read_speech"})
    run.log_config({"encoder": {"layers": 12}})
    run.log_metrics({"train_loss": 1.2, "val_wer": 0.1}, step=1)
    run.log_metric("test-clean_wer", 0.05)
    run.log_artifact(str(checkpoint), type="checkpoint", epoch=10)
    checkpoint.unlink()
    run.log_json("results/x.json", {"wer": np.float32(0.5)})
    run.log_figure("att.png", np.zeros((4, 5)))
    assert run.finish(timeout=20)
    assert types(gateway) == [
        "producer.opened",
        "run.started",
        "run.configured",
        "run.finished",
        "producer.closed",
    ]
    started = payloads(gateway, RunStarted)[0]
    assert (started.experiment, started.experiment_name) == (experiment.id, "Conformer ASR")
    assert [
        (step, points)
        for step, _, _, points in calls_of(r for r in gateway.records if "system" not in str(r.data))
    ][:2] == [
        (1, {"train_loss": 1.2, "val_wer": 0.1}),
        (None, {"test-clean_wer": 0.05}),
    ]
    artifacts = payloads(gateway, ArtifactLogged)
    assert [(a.path, a.type, a.epoch) for a in artifacts] == [
        ("epoch10.pt", "checkpoint", 10.0),
        ("results/x.json", "json", None),
        ("att.png", "figure", None),
    ]
    assert gateway.blobs[artifacts[0].sha256] == b"weights" * 1000
    assert gateway.blobs[artifacts[2].sha256].startswith(b"\x89PNG")
    until(
        lambda: (
            not spool_status(client.config.spool).producers
            or all(p.role != "trainer" or p.run is None for p in spool_status(client.config.spool).producers)
        )
    )


def test_the_context_manager_reports_failure_and_lets_the_error_through(gateway: Gateway) -> None:
    def train() -> None:
        with Client(gateway.url).start_run("fails"):
            raise ValueError("diverged")

    with pytest.raises(ValueError, match="diverged"):
        train()
    failed = payloads(gateway, RunFailed)[0]
    assert failed.error == "ValueError: diverged"
    assert "in train" in failed.traceback
    assert failed.status == "failed"


@dataclass
class Optimizer:
    name: str = "adam"
    betas: tuple[float, float] = (0.9, 0.98)


def test_configs_of_every_kind_are_merged_with_their_types(gateway: Gateway) -> None:
    run = Client(gateway.url).start_run("configs", config={"model": {"layers": 12, "dropout": 0.1}})
    run.log_config(Namespace(lr=1e-3, path=Path("/data"), flag=True))
    run.log_config({"model": {"layers": 16}, "optimizer": Optimizer(), 3: np.int64(7), "langs": {"de"}})
    run.log_config(np=np.array([1, 2]), odd=object)
    assert run.config["model"] == {"layers": 16, "dropout": 0.1}
    run.finish()
    configs = [each.config for each in payloads(gateway, RunConfigured)]
    assert configs[1] == {"lr": 1e-3, "path": "/data", "flag": True}
    assert configs[2]["optimizer"] == {"name": "adam", "betas": [0.9, 0.98]}
    assert configs[2]["3"] == 7
    assert configs[2]["langs"] == ["de"]
    assert configs[3]["np"] == [1, 2]


def test_what_is_no_number_is_counted_and_the_rest_is_kept(
    gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Client(gateway.url).start_run("values", capture_output=False)
    run.log_metrics({"loss": np.float32(0.5), "bad": "high", "nan": float("nan")}, step=np.int64(3))
    run.log_metrics({"loss": 1}, step=2.0, epoch=0.5, timestamp=12.5)
    run.log_metrics({"loss": 1}, step=2.5)
    run.log_metrics([1, 2])  # type: ignore[arg-type]
    run.log_metrics({"huge": 10**400})
    run.finish()
    run.log_metrics({"late": 1})
    calls = calls_of(gateway.records)
    assert repr(calls[0][3]) == "{'loss': 0.5, 'nan': nan}"
    assert calls[0][0] == 3
    assert calls[1][:3] == (2, 12_500_000, 0.5)
    assert calls[2][3] == {"huge": float("inf")}
    assert run._problems.counts == {"invalid_value": 1, "invalid_call": 2, "after_finish": 1}
    said = capsys.readouterr().err
    assert "metric 'bad' is str 'high', not a number" in said
    assert said.count("invalid_call") == 2


def test_a_problem_is_said_once_and_few_of_a_kind(
    gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    with Client(gateway.url).start_run("values", capture_output=False) as run:
        for step in range(50):
            run.log_metrics({"loss": "high"}, step=step)
            run.log_metrics({f"loss-{step}": 1, "bad": f"high-{step}"}, step=step)
    assert run._problems.counts == {"invalid_value": 100}
    said = [line for line in capsys.readouterr().err.splitlines() if "invalid_value" in line]
    assert len(said) == 10
    assert "further ones are only counted" in said[-1]
    assert sum("'loss'" in line for line in said) == 1


def test_errors_are_raised_where_that_was_asked_for(gateway: Gateway) -> None:
    run = Client(gateway.url, on_error="raise").start_run("strict")
    with pytest.raises(TrackerError, match="metric 'x' is"):
        run.log_metrics({"x": "high"})
    with pytest.raises(TrackerError, match="cannot be read"):
        run.log_artifact("/nowhere/at/all.pt")
    run.finish()


def test_without_finish_the_exit_ends_the_run(gateway: Gateway) -> None:
    process = script(gateway, "run.log_metrics({'x': 1})")
    assert process.wait(20) == 0
    until(lambda: "producer.closed" in types(gateway, "metrics"))
    until(lambda: types(gateway)[-2:] == ["run.finished", "producer.closed"])


def test_an_uncaught_exception_fails_the_run(gateway: Gateway) -> None:
    process = script(gateway, "raise RuntimeError('out of memory')")
    assert process.wait(20) == 1
    assert "out of memory" in process.communicate()[1]
    until(lambda: payloads(gateway, RunFailed))
    assert payloads(gateway, RunFailed)[0].error == "RuntimeError: out of memory"


def test_sigterm_cancels_the_run_and_still_kills_the_process(gateway: Gateway) -> None:
    process = script(gateway, "print('ready', flush=True)\nwhile True: run.log_metrics({'x': 1})")
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.2)
    process.terminate()
    assert process.wait(20) == -signal.SIGTERM
    until(lambda: payloads(gateway, RunFailed))
    assert payloads(gateway, RunFailed)[0].status == "cancelled"
    until(lambda: types(gateway, "metrics")[-1:] == ["producer.closed"])


def test_no_call_returns_unkept_while_sigterm_ends_the_run(gateway: Gateway, tmp_path: Path) -> None:
    returned = tmp_path / "returned"
    process = script(
        gateway,
        f"""
        file = os.open({str(returned)!r}, os.O_CREAT | os.O_WRONLY)
        close = run._producer.close
        run._producer.close = lambda how: (close(how), time.sleep(0.5))  # the process dies this much later
        print("ready", flush=True)
        for step in range(1 << 40):
            run.log_metrics({{"x": 1}}, step=step)
            os.pwrite(file, b"%d" % step, 0)
            time.sleep(0.001)
        """,
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.2)
    process.terminate()
    assert process.wait(20) == -signal.SIGTERM
    until(lambda: types(gateway, "metrics")[-1:] == ["producer.closed"])
    assert max(call[0] for call in calls_of(gateway.records)) >= int(returned.read_text())


def test_a_killed_script_is_closed_by_its_drain(gateway: Gateway) -> None:
    process = script(gateway, "run.log_metrics({'x': 1}, step=1)\nos.kill(os.getpid(), signal.SIGKILL)")
    process.wait(20)
    until(lambda: types(gateway, "metrics")[-1:] == ["producer.closed"])
    assert calls_of(r for r in gateway.records if r.count == 1 and r.type == "metrics.logged")[0][0] == 1


def test_forked_children_log_to_the_same_run_as_producers_of_their_own(gateway: Gateway) -> None:
    code = """
        run.log_metrics({"parent": 0}, step=0)
        for child in range(3):
            if os.fork() == 0:
                for n in range(100):
                    run.log_metrics({f"child{child}": n}, step=n)
                os._exit(0)
        quiet = os.fork()
        if quiet == 0:
            os._exit(0)  # one that does not log
        for _ in range(4): os.wait()
        run.log_metrics({"parent": 1}, step=1)
        print(run.finish(timeout=20))
    """
    process = script(gateway, code)
    out, _ = process.communicate(timeout=30)
    assert out.strip() == "True"

    def services() -> list[UUID]:
        return [
            r.producer
            for r in gateway.records
            if isinstance(o := decode_payload(r), ProducerOpened)
            and o.role == "service"
            and r.subject[0] == "run"
        ]

    until(
        lambda: (
            len([r for r in gateway.records if r.type == "producer.closed" and r.producer in services()]) == 3
        )
    )
    for child in range(3):
        steps = [s for s, _, _, points in calls_of(gateway.records) if f"child{child}" in points]
        assert steps == list(range(100))
    assert types(gateway).count("run.finished") == 1
    for producer in set(services()):
        assert has_no_holes([r for r in gateway.records if r.producer == producer and r.stream == "metrics"])


def test_output_is_captured_and_progress_bars_keep_their_last_state(gateway: Gateway) -> None:
    code = """
        print("hello"); print("wörld")
        for n in range(100): sys.stderr.write(f"\\r{n}%"); sys.stderr.flush()
        sys.stderr.write("\\n")
        sys.stdout.write("no newline at the end")
    """
    process = script(gateway, code)
    out, err = process.communicate(timeout=20)
    assert out == "hello\nwörld\nno newline at the end"
    assert "50%" in err
    until(lambda: "producer.closed" in types(gateway))
    outputs = payloads(gateway, RunOutput)
    lines = {
        channel: [line for o in outputs if o.channel == channel for line in o.lines]
        for channel in ("stdout", "stderr")
    }
    assert lines == {"stdout": ["hello", "wörld", "no newline at the end"], "stderr": ["99%"]}


def test_ranks_share_a_run_and_only_rank_0_starts_it(gateway: Gateway) -> None:
    shared = "01911111-2222-7333-8444-555555555555"
    environment = {**os.environ, "SPEECH_TRACKER_RUN_ID": shared, "WORLD_SIZE": "2"}
    processes = [
        script(
            gateway,
            "run.log_metrics({'loss': 1}, step=1)\nrun.finish()",
            env={**environment, "RANK": str(rank)},
        )
        for rank in range(2)
    ]
    assert [process.wait(30) for process in processes] == [0, 0]
    trainers = {o.rank for o in payloads(gateway, ProducerOpened) if o.role == "trainer"}
    assert trainers == {0, 1}
    assert {record.subject[1] for record in gateway.records} == {UUID(shared)}
    assert types(gateway).count("run.started") == types(gateway).count("run.finished") == 1


def test_offline_runs_are_synced_later(
    gateway: Gateway, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    client = Client(mode="offline")
    with client.start_run("offline") as run:
        run.log_metrics({"loss": 0.5}, step=1)
        run.log_text("notes.txt", "text")
        assert run.flush("disk")
    assert not gateway.records
    assert spool_status(client.config.spool).undelivered >= 1
    seen = []
    sync(client.config.spool, gateway.url, progress=lambda state: seen.append(state.records))
    assert types(gateway)[-2:] == ["run.finished", "producer.closed"]
    assert list(gateway.blobs.values()) == [b"text"]
    assert seen[-1] > 0


def test_disabled_does_nothing_at_all(tmp_path: Path) -> None:
    run = Client(mode="disabled").start_run("nothing", config={"a": 1})
    run.log_metrics({"x": 1}, step=1)
    run.log_artifact("/nowhere")
    run.set_tags(a=1)
    assert run.finish()
    assert not (tmp_path / "spool").exists()


def test_a_server_that_is_away_does_not_hold_the_script(tmp_path: Path) -> None:
    start = time.monotonic()
    run = Client("http://127.0.0.1:9", "stk_x").start_run("alone")
    run.log_metrics({"x": 1})
    assert run.finish(timeout=0.5) is False
    assert time.monotonic() - start < 2


def test_tags_are_text_and_none_removes_one(gateway: Gateway) -> None:
    run = Client(gateway.url).start_run("tags")
    run.set_tags({"stage": "draft", "size": 3}, language=None)
    run.finish()
    tagged = payloads(gateway, RunTagged)[0]
    assert (tagged.tags, tagged.removed) == ({"stage": "draft", "size": "3"}, ["language"])


def test_every_method_survives_a_spool_that_cannot_be_written(tmp_path: Path, gateway: Gateway) -> None:
    (tmp_path / "spool").write_text("a file where the folder should be")
    run: Run = Client(gateway.url).start_run("nowhere")
    run.log_metrics({"x": 1}, step=1)
    run.log_config({"a": 1})
    run.log_text("a.txt", "b")
    run.flush(timeout=0.1)
    run.finish(timeout=0.1)
    assert run._problems.counts


def test_a_drain_that_was_killed_is_started_again(gateway: Gateway) -> None:
    client = Client(gateway.url)
    run = client.start_run("persistent", capture_output=False)
    run.log_metrics({"x": 1}, step=1)
    assert run.flush(timeout=20)
    state = spool_status(client.config.spool).drain
    until(lambda: spool_status(client.config.spool).drain is not None)
    state = spool_status(client.config.spool).drain
    assert state is not None
    os.kill(state["pid"], signal.SIGKILL)
    run.log_metrics({"x": 2}, step=2)
    until(lambda: len(calls_of(r for r in gateway.records if r.type == "metrics.logged" and r.seq == 2)) == 1)
    assert run.finish(timeout=20)


def test_what_was_finished_without_waiting_can_be_waited_for_later(gateway: Gateway) -> None:
    run = Client(gateway.url).start_run("hurried", capture_output=False)
    run.log_metrics({"x": 1}, step=1)
    assert run.finish(timeout=0) is False
    assert run.flush("acknowledged", timeout=20)
    assert types(gateway)[-1] == "producer.closed"


def test_any_text_may_name_a_shared_run(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEECH_TRACKER_RUN_ID", "slurm-4711")
    client = Client(gateway.url, mode="offline")
    first, second = client.start_run("a"), client.start_run("b", id="slurm-4711")
    assert first.id == second.id
    first.finish()
    second.finish()


def test_a_large_file_on_another_disk_is_copied_in_the_background(gateway: Gateway, tmp_path: Path) -> None:
    shm = Path("/dev/shm")  # noqa: S108 - another file system, where there is one
    if not shm.exists() or shm.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system here")
    with tempfile.NamedTemporaryFile(dir=shm) as file:
        file.truncate(17 << 20)
        run = Client(gateway.url).start_run("large", capture_output=False)
        run.log_artifact(file.name, type="checkpoint", name="large.pt")
        assert run.finish(timeout=30)
    assert [len(blob) for blob in gateway.blobs.values()] == [17 << 20]
    assert [a.path for a in payloads(gateway, ArtifactLogged)] == ["large.pt"]


def test_a_lock_that_the_script_inherited_is_free_when_the_script_has_ended(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPEECH_TRACKER_DRAIN_LINGER", "20")
    lock = os.open(tmp_path / "gpu.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    process = script(gateway, "print(run.flush(timeout=20)); run.finish()", pass_fds=(lock,))
    os.close(lock)
    assert "True" in process.communicate(timeout=40)[0]
    with (tmp_path / "gpu.lock").open() as again:
        fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)


def remembered(pids: list[int], monkeypatch: pytest.MonkeyPatch) -> Environments:
    """After a run of each of these processes."""

    def capture(captured: Any, meta: Meta) -> None:
        captured.told = msgspec.msgpack.encode(RunEnvironment(host=f"node {meta.pid}"))

    monkeypatch.setattr(f"{Environments.__module__}._Captured.capture", capture)
    environments = Environments()
    for pid in pids:
        assert environment_of(environments, pid) == RunEnvironment(host=f"node {pid}")
    return environments


def environment_of(environments: Environments, pid: int) -> RunEnvironment | None:
    while not (answer := environments.get(Meta("01", pid=pid)))[0]:
        time.sleep(0.001)
    return answer[1]


def test_the_drain_forgets_the_environments_of_processes_that_have_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    beyond = 1 + int(Path("/proc/sys/kernel/pid_max").read_text())
    known = remembered([os.getpid(), *range(beyond, beyond + 100)], monkeypatch)._known
    assert os.getpid() in known
    assert len(known) <= 2 + LINGERING  # whose run may not have been told yet


def test_the_drain_keeps_some_environments_of_processes_that_live(monkeypatch: pytest.MonkeyPatch) -> None:
    living = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]
    assert len(remembered(living, monkeypatch)._known) <= REMEMBERED


def test_a_process_with_the_number_of_one_that_has_ended_gets_an_environment_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environments = remembered([os.getpid()], monkeypatch)
    kept = environments._known[os.getpid()]
    kept.born = "earlier"
    assert environment_of(environments, os.getpid()) is not None
    assert environments._known[os.getpid()] is not kept
