"""`speech-tracker run` with real processes, offline: what it starts, passes on, records and leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from speech_experiment_tracker.drain.producers import producers_in
from speech_experiment_tracker.remains import Remains, remains_of

COMMAND = [sys.executable, "-m", "speech_experiment_tracker.cli", "run"]


class Bench:
    """A folder with scripts, a spool, and supervisors that are started in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spool = folder / "spool"
        self.environment = {
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("SPEECH_", "SLURM_"))
            },
            "SPEECH_TRACKER_MODE": "offline",
            "SPEECH_TRACKER_SPOOL_DIR": str(self.spool),
            "SPEECH_TRACKER_CACHE_DIR": str(folder / "cache"),
            "SPEECH_TRACKER_DRAIN_LINGER": "0.5",
            "XDG_CONFIG_HOME": str(folder / "config"),
            "FOLDER": str(folder),
        }

    def start(self, code: str, *options: str, **environment: str) -> subprocess.Popen[bytes]:
        script = self.folder / "train.py"
        script.write_text(textwrap.dedent(code))
        return subprocess.Popen(
            [*COMMAND, *options, "--", sys.executable, str(script)],
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def ends(self, code: str, *options: str, **environment: str) -> tuple[int, bytes, bytes]:
        """(exit code, stdout, stderr)"""
        process = self.start(code, *options, **environment)
        output, errors = process.communicate(timeout=120)
        return process.returncode, output, errors

    @property
    def run(self) -> UUID:
        [found] = {each.run for each in producers_in(self.spool) if each.run}
        return found

    @property
    def remains(self) -> Remains:
        return remains_of(self.spool, self.run)

    def words(self) -> str:
        """All that was recorded, as bytes of the spool."""
        return b"".join(path.read_bytes() for path in self.spool.rglob("processes/*/*.*")).decode("latin-1")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_output_and_exit_code_pass_through_unchanged(bench: Bench) -> None:
    code = """
        import os, sys
        os.write(1, bytes(range(256)) * 1000)
        os.write(2, b"\\x1b[31mred\\r\\n")
        sys.exit(127)
    """
    ended, output, errors = bench.ends(code)
    assert (ended, output) == (127, bytes(range(256)) * 1000)
    assert b"\x1b[31mred\r\n" in errors


def test_a_script_without_the_sdk_is_recorded_for_it(bench: Bench) -> None:
    code = """
        import os, sys
        print("attempt", os.environ["SPEECH_TRACKER_ATTEMPT"], flush=True)
        if os.environ["SPEECH_TRACKER_ATTEMPT"] == "1":
            os.kill(os.getpid(), 9)
    """
    ended, output, errors = bench.ends(code, "--name", "plain", "-t", "language=en")
    assert (ended, output) == (0, b"attempt 1\nattempt 2\n"), errors
    assert b"killed by SIGKILL; starts again in" in errors
    for word in ("run.started", "plain", "run.resumed", "run.output", "attempt 2", "run.finished"):
        assert word in bench.words(), word


def test_a_script_with_the_sdk_goes_on_from_its_checkpoint(bench: Bench) -> None:
    code = """
        import json, os, pathlib
        import speech_experiment_tracker as tracker
        run = tracker.Client().start_run("mine", resume="auto", config={"lr": 0.1}, capture_output=False)
        path = run.newest_checkpoint()
        told = [run.attempt, run.last_step, run.config, path and path.read_text()]
        told += [os.environ.get("SPEECH_TRACKER_RESUME_STEP"), os.environ.get("SPEECH_TRACKER_CHECKPOINT")]
        print(json.dumps(told), flush=True)
        for step in range((run.last_step or 0) + 1, 9):
            run.log_metrics({"loss": 1.0}, step=step)
            if step in (3, 6):
                file = pathlib.Path(os.environ["FOLDER"], "last.pt")
                file.write_text(f"weights {step}")
                run.log_artifact(file, type="checkpoint", step=step)
            if step == {1: 5, 2: 8}.get(run.attempt):
                os.kill(os.getpid(), 9)
        run.finish()
    """
    ended, output, errors = bench.ends(code)
    assert ended == 0, errors
    first, second, third = map(json.loads, output.splitlines())
    assert first == [1, None, {"lr": 0.1}, None, None, None]
    assert second[:5] == [2, 3, {"lr": 0.1}, "weights 3", "3"]
    assert third[:5] == [3, 6, {"lr": 0.1}, "weights 6", "6"]
    assert Path(third[5]).read_text() == "weights 6"
    remains = bench.remains
    assert (remains.name, remains.attempts, remains.ended) == ("mine", 3, "finished")
    assert remains.cuts.resumes == [(2, 3), (3, 6)]


def test_the_same_failure_twice_is_given_up_with_the_reason(bench: Bench) -> None:
    ended, _, errors = bench.ends("raise ValueError(f'diverged at {id(object())}')")
    assert ended == 1
    assert errors.count(b"Traceback") == 2
    assert b"gives up: the same failure twice in a row: exit code 1: ValueError: diverged" in errors
    assert "run.failed" in bench.words()


def test_sigterm_reaches_the_whole_group_and_nothing_is_left_behind(bench: Bench) -> None:
    code = """
        import os, pathlib, subprocess, sys, time
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        pathlib.Path(os.environ["FOLDER"], "pids").write_text(f"{os.getpid()} {child.pid}")
        time.sleep(600)
    """
    process = bench.start(code)
    pids = bench.folder / "pids"
    until(lambda: pids.exists() and pids.read_text().count(" "))
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM, errors
    assert b"starts again" not in errors
    until(lambda: not any(_lives(int(pid)) for pid in pids.read_text().split()))
    assert "cancelled" in bench.words()


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_command_that_ignores_sigterm_is_killed_after_the_grace(bench: Bench) -> None:
    code = """
        import os, pathlib, signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        pathlib.Path(os.environ["FOLDER"], "ready").touch()
        while True: time.sleep(1)
    """
    process = bench.start(code, "--grace", "0.5")
    until((bench.folder / "ready").exists)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGKILL
    assert b"it is killed" in errors


def test_slurm_gets_its_job_back_after_the_warning_signal(bench: Bench) -> None:
    tools = bench.folder / "bin"
    tools.mkdir()
    (tools / "scontrol").write_text(f'#!/bin/sh\necho "$@" > {bench.folder}/asked\n')
    (tools / "scontrol").chmod(0o755)
    code = """
        import os, pathlib, signal, sys, time
        def save(number, frame):
            print("saved", flush=True)
            sys.exit(85)
        signal.signal(signal.SIGUSR1, save)
        pathlib.Path(os.environ["FOLDER"], "ready").touch()
        while True: time.sleep(1)
    """
    slurm = {"SLURM_JOB_ID": "4711", "PATH": f"{tools}:{os.environ['PATH']}"}
    process = bench.start(code, "--requeue", **slurm)
    until((bench.folder / "ready").exists)
    process.send_signal(signal.SIGUSR1)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (85, b"saved\n"), errors
    assert (bench.folder / "asked").read_text() == "requeue 4711\n"
    first = bench.run
    code = "import os; print(os.environ['SPEECH_TRACKER_RUN_ID'], os.environ['SPEECH_TRACKER_ATTEMPT'])"
    _, output, _ = bench.ends(code, "--requeue", SLURM_RESTART_COUNT="1", **slurm)
    assert output.decode().split() == [str(first), "2"]


def test_what_cannot_be_started_says_so(bench: Bench) -> None:
    process = subprocess.run(
        [*COMMAND, "--", "no-such-program"],
        env=bench.environment,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert process.returncode == 127
    assert b"'no-such-program' cannot be started" in process.stderr


def test_a_finished_run_is_not_taken_up_again(bench: Bench) -> None:
    code = """
        import speech_experiment_tracker as tracker
        tracker.Client().start_run("done", resume="auto", capture_output=False).finish()
    """
    assert bench.ends(code)[0] == 0
    ended, _, errors = bench.ends(code, "--resume", str(bench.run))
    assert ended == 3
    assert b"is finished" in errors
