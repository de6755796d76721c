"""Children: identified beyond doubt, gone with their parent, logs kept small."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from speech_experiment_infra.embedded.processes import Identity, free_ports, rotate, spawn, tail

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def wait_until(reached: object, timeout_s: float = 10.0) -> bool:
    assert callable(reached)
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if reached():
            return True
        time.sleep(0.01)
    return False


def test_an_identity_is_one_process_only(tmp_path: Path) -> None:
    child = spawn(SLEEP, tmp_path / "child.log")
    identity = Identity.of(child.pid)
    assert identity is not None
    assert identity.alive
    assert not Identity(child.pid, identity.started_ticks + 1).alive
    assert not Identity(child.pid, identity.started_ticks + 1).send(signal.SIGKILL)
    assert identity.send(signal.SIGKILL)
    assert wait_until(lambda: not identity.alive)
    child.wait()
    assert not identity.send(signal.SIGKILL)


def test_a_child_dies_with_its_parent(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path\n"
        "from speech_experiment_infra.embedded.processes import spawn\n"
        f"child = spawn({SLEEP!r}, Path({str(tmp_path / 'child.log')!r}))\n"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert parent.stdout
    child = Identity.of(int(parent.stdout.readline()))
    assert child is not None
    parent.kill()
    parent.wait()
    assert wait_until(lambda: not child.alive)


def test_output_goes_to_the_log_and_large_logs_are_rotated(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "child.log"
    spawn([sys.executable, "-c", "print('said'); raise SystemExit('why')"], log).wait()
    assert tail(log) == "said\nwhy" or set(tail(log).splitlines()) == {"said", "why"}
    rotate(log, limit_bytes=3)
    assert not log.exists()
    assert log.with_suffix(".log.1").exists()
    assert tail(log) == ""


def test_ports_are_distinct_and_kept_where_free() -> None:
    ports = free_ports(4)
    assert len(set(ports)) == 4
    assert free_ports(4, ports) == ports


def test_environment_is_added_to_ours(tmp_path: Path) -> None:
    program = "import os; print(os.environ['ADDED'], os.environ['PATH'])"
    spawn([sys.executable, "-c", program], tmp_path / "log", environment={"ADDED": "x"}).wait()
    assert tail(tmp_path / "log") == f"x {os.environ['PATH']}"
