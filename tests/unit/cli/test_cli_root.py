import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from speech_experiment_tracker import __version__
from speech_experiment_tracker.cli.root import root


def _speech_tracker(tmp_path: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SPEECH_TRACKER_")}
    own = {"XDG_CONFIG_HOME": str(tmp_path / "c"), "XDG_STATE_HOME": str(tmp_path / "s"), "COLUMNS": "100"}
    return subprocess.run(
        [sys.executable, "-m", "speech_experiment_tracker.cli", *arguments],
        env={**kept, **own, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


COMMANDS = [
    "status",
    "runs",
    "find",
    "show",
    "compare",
    "measurements",
    "measure",
    "tail",
    "verify",
    "sync",
    "key",
    "dead-letters",
    "demo",
    "up",
    "down",
    "doctor",
]


def test_help_lists_every_command() -> None:
    told = CliRunner().invoke(root, ["--help"], env={"COLUMNS": "100"})
    assert told.exit_code == 0
    assert all(f" {command} " in told.output for command in COMMANDS)


def test_the_version_is_told() -> None:
    told = CliRunner().invoke(root, ["--version"])
    assert (told.exit_code, told.output.strip()) == (0, __version__)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    told = CliRunner().invoke(root, [command, "--help"], env={"COLUMNS": "100"})
    assert told.exit_code == 0, told.output
    assert f"{command} [OPTIONS]" in told.output


@pytest.mark.parametrize(
    "arguments",
    [
        ["runs", "--limit", "0"],
        ["compare", "only-one"],
        ["no-such-command"],
        ["key", "create", "--role", "x"],
    ],
)
def test_wrong_usage_has_a_code_of_its_own(arguments: list[str]) -> None:
    assert CliRunner().invoke(root, arguments).exit_code == 2


def test_without_a_server_one_line_says_what_to_do(tmp_path: Path) -> None:
    told = _speech_tracker(tmp_path, "runs")
    assert told.returncode == 3
    assert "no server is known" in told.stderr
    assert "speech-tracker up" in told.stderr
    assert "Traceback" not in told.stderr


def test_a_server_that_is_gone_is_named(tmp_path: Path) -> None:
    told = _speech_tracker(tmp_path, "show", "x", SPEECH_TRACKER_URL="http://127.0.0.1:9")
    assert told.returncode == 3
    assert "http://127.0.0.1:9" in told.stderr


def test_status_of_a_machine_without_anything_is_well(tmp_path: Path) -> None:
    told = _speech_tracker(tmp_path, "status", "--json", "--data-dir", str(tmp_path / "none"))
    assert '"undelivered": 0' in told.stdout


def test_commands_start_without_server_packages(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from speech_experiment_tracker.cli import root, runs, show, verify\n"
        "loaded = {name.split('.')[0] for name in sys.modules}\n"
        "assert not loaded & {'speech_experiment_infra', 'faust', 'starlette', 'numpy', 'aiokafka'}, loaded\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
