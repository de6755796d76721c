"""One embedded stack for all tests that ask for it: real Kafka, Postgres, chDB and S3."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import psutil
import pytest

from speech_experiment_infra.settings import Settings, load_settings

START_TIMEOUT_S = 240

# A busy machine is no bug: examples are judged by what they find, not by how long they took.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")


@dataclass(frozen=True)
class RunningStack:
    """Where the stack of this test session is, and how to log in to it."""

    data_dir: Path
    settings: Settings
    url: str
    key: str
    """Admin key of the workspace ``default``."""


@pytest.fixture(scope="module", autouse=True)
def _drains_end(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Drains outlive their trainers and wait for a server to come back; those of a module's tests need not."""
    yield
    folder = str(tmp_path_factory.getbasetemp())
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if "speech_experiment_tracker.drain" in command and command[-1].startswith(folder):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


def command_line(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    """A server command of ``speech-tracker``, away from the configuration of whoever runs the tests."""
    program = "from speech_experiment_infra.commands import app; app()"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, "XDG_CONFIG_HOME": str(home / "config")},
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_S,
        check=False,
    )


@pytest.fixture(scope="session")
def stack() -> Iterator[RunningStack]:
    """The stack, started once, with projections running; stopped and removed at the end."""
    with tempfile.TemporaryDirectory(prefix="tracker-tests-") as folder:
        home = Path(folder)
        data_dir = home / "data"
        place = ("--data-dir", str(data_dir))
        started = command_line("up", *place, "--port", "0", "--detach", home=home)
        assert started.returncode == 0, started.stdout + started.stderr
        try:
            settings = load_settings(data_dir / "settings.json")
            key = (data_dir / "admin.key").read_text().strip()
            yield RunningStack(data_dir, settings, settings.url, key)
        finally:
            stopped = command_line("down", *place, home=home)
            assert stopped.returncode == 0, stopped.stderr
