"""The same processes without the supervisor: every store named in the environment, as on a cluster."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from speech_experiment_infra.embedded.processes import free_ports, python, spawn
from speech_experiment_infra.layout import Layout, open_layout
from speech_experiment_infra.paths import cache_dir

pytestmark = pytest.mark.stack

CONSUMERS = ("metadata", "artifacts", "control", "metrics")


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Layout]:
    """Stores alone; in this test they play the part of servers elsewhere."""
    layout = open_layout(tmp_path_factory.mktemp("stores") / "data", port=0)
    assert layout.broker
    assert layout.postgres
    layout.broker.prepare(cache_dir(), print)
    layout.postgres.prepare(print)
    with ExitStack() as running:
        for child in layout.stores():
            process = spawn(
                child.command, layout.log(child.name), environment=child.environment, become=child.become
            )
            running.callback(process.wait)
            running.callback(process.send_signal, child.stop_signal)
        asyncio.run(layout.postgres.ensure_database())
        yield layout


@pytest.fixture(scope="module")
def environment(stores: Layout) -> dict[str, str]:
    """What a deployment sets: addresses and logins, and no data folder."""
    values = json.loads(stores.settings.to_json())
    named = {
        f"SPEECH_TRACKER_SERVER_{field.upper()}": str(value)
        for field, value in values.items()
        if field not in ("data_dir", "port")
    }
    return named | {"SPEECH_TRACKER_SERVER_PORT": str(free_ports(1)[0])}


def run(environment: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=90, check=False
    )


def status_of(url: str, key: str) -> int:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def test_stores_are_provisioned_once_and_again(environment: dict[str, str]) -> None:
    for _ in range(2):
        done = run(environment, *python("speech_experiment_infra.provision"))
        assert done.returncode == 0, done.stderr
    done = run(environment, *python("speech_experiment_infra.migrate"))
    assert (done.returncode, done.stdout) == (0, "nothing to apply\n")


def test_api_and_consumers_run_on_their_own(
    stores: Layout, environment: dict[str, str], tmp_path: Path
) -> None:
    url = f"http://127.0.0.1:{environment['SPEECH_TRACKER_SERVER_PORT']}"
    commands = [
        python("speech_experiment_api"),
        *(python("speech_experiment_consumers", one) for one in CONSUMERS),
    ]
    with ExitStack() as running:
        processes = [
            spawn(command, tmp_path / f"{number}.log", environment=environment)
            for number, command in enumerate(commands)
        ]
        for process in processes:
            running.callback(process.wait)
            running.callback(process.send_signal, signal.SIGTERM)
        deadline = time.monotonic() + 40
        while status_of(f"{url}/readyz", "") != 200 and time.monotonic() < deadline:
            time.sleep(0.1)
        made = run(environment, sys.executable, "-c", _MAKE_KEY)
        assert made.returncode == 0, made.stderr
        key = made.stdout.strip()
        assert status_of(f"{url}/api/v1/runs", "wrong") == 401
        assert status_of(f"{url}/api/v1/runs", key) == 200
        assert [process.poll() for process in processes] == [None] * len(processes)


_MAKE_KEY = "from speech_experiment_api.rescue import rescue; print(rescue(None))"


def test_the_doctor_refuses_a_log_that_one_broken_disk_would_end(environment: dict[str, str]) -> None:
    program = "from speech_experiment_infra.commands import app; app()"
    nowhere = {"SPEECH_TRACKER_DATA_DIR": "/nonexistent-stack"}
    done = run(environment | nowhere, sys.executable, "-c", program, "doctor", "--json")
    faults = [one["text"] for one in json.loads(done.stdout) if one["verdict"] == "fault"]
    assert done.returncode == 1
    assert "runs: replication factor 1, needs 3 or more" in faults
