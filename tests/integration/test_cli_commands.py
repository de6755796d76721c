"""The client's commands against the running stack, as scripts and people call them."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest

from speech_experiment_schemas import Sealer, wire
from speech_experiment_schemas.envelope import encode_payload
from speech_experiment_schemas.ids import uuid7
from tests.conftest import RunningStack
from tests.integration.gateway_tools import post, queryable, reply_of

pytestmark = pytest.mark.stack
Ended = subprocess.CompletedProcess[str]

TRAIN = """
import sys, time
import speech_experiment_tracker as tracker

name, layers, pause = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
experiment = tracker.Client().create_experiment("Command line", task="asr")
with experiment.start_run(name, tags={"language": "en"}) as run:
    run.log_config({"encoder_layers": layers, "optimizer": "adam"})
    for step in range(5):
        run.log_metrics({"train_loss": 2.0 / (step + 1)}, step=step)
        print("epoch", step, flush=True)
        time.sleep(pause)
    run.log_metric("test-clean_wer", 0.5 / layers)
    run.log_text("notes.txt", name)
    if "fails" in name:
        raise ValueError("diverged")
"""


class Tool(Protocol):
    def __call__(self, *arguments: str, **environment: str) -> Ended: ...


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cli")


@pytest.fixture(scope="module")
def environment(stack: RunningStack, home: Path) -> dict[str, str]:
    return {
        **os.environ,
        "SPEECH_TRACKER_URL": stack.url,
        "SPEECH_TRACKER_API_KEY": stack.key,
        "SPEECH_TRACKER_SPOOL_DIR": str(home / "spool"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "COLUMNS": "100",
    }


@pytest.fixture(scope="module")
def tool(environment: dict[str, str]) -> Tool:
    def call(*arguments: str, **more: str) -> Ended:
        command = [sys.executable, "-m", "speech_experiment_tracker.cli", *arguments]
        return subprocess.run(
            command, env=environment | more, capture_output=True, text=True, timeout=180, check=False
        )

    return call


def _start(
    environment: dict[str, str], name: str, layers: int, pause: float = 0.0, **more: str
) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", TRAIN, name, str(layers), str(pause)]
    return subprocess.Popen(command, env=environment | more, text=True, stdout=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def runs(environment: dict[str, str], tool: Tool) -> list[str]:
    """Names of two finished runs that searches show."""
    names = {"cli-small": 4, "cli-large": 12}
    for name, layers in names.items():
        assert _start(environment, name, layers).wait(120) == 0
    for name in names:
        assert _until_delivered(tool, name) == 0
    return list(names)


def _until_delivered(tool: Tool, run: str) -> int:
    deadline = time.monotonic() + 90
    while (code := tool("verify", run).returncode) and time.monotonic() < deadline:
        time.sleep(1)
    return code


def _json(ended: Ended) -> Any:
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_runs_searches_and_orders(tool: Tool, runs: list[str]) -> None:
    found = _json(tool("runs", "experiment = 'Command line' order by wer['test-clean']", "--json"))["runs"]
    assert [run["name"] for run in found] == ["cli-large", "cli-small"]
    shown = tool("runs", "params.encoder_layers = 12 and experiment = 'Command line'").stdout
    assert "cli-large" in shown
    assert "wer[test-clean]" in shown
    assert "cli-small" not in shown


def test_a_filter_that_is_wrong_is_explained_in_a_line(tool: Tool) -> None:
    ended = tool("runs", "task = = 'asr'")
    assert ended.returncode == 3
    assert "filter" in ended.stderr
    assert len(ended.stderr.splitlines()) <= 2


def test_show_has_all_there_is(tool: Tool, runs: list[str]) -> None:
    shown = tool("show", "cli-small").stdout
    for word in ("encoder_layers", "test-clean", "train_loss", "notes.txt", "epoch 4", "finished"):
        assert word in shown
    details = _json(tool("show", "cli-small", "--json"))
    assert details["id"] == _json(tool("show", details["id"][-8:], "--json"))["id"]


def test_compare_shows_what_differs(tool: Tool, runs: list[str]) -> None:
    found = _json(tool("compare", *runs, "--json"))
    assert found["config"] == {"encoder_layers": [4, 12]}
    assert found["results"]["wer[test-clean]"] == [0.125, 0.5 / 12]
    assert "encoder_layers" in tool("compare", *runs).stdout


def test_verify_has_exit_codes(tool: Tool, environment: dict[str, str], runs: list[str]) -> None:
    assert "complete" in tool("verify", "cli-small").stdout
    assert tool("verify", "no-such-run").returncode == 3
    process = _start(environment, "cli-open", 4, pause=2.5)
    deadline = time.monotonic() + 20
    while (code := tool("verify", "cli-open").returncode) == 3 and time.monotonic() < deadline:
        time.sleep(0.5)
    assert code == 2
    process.wait(120)
    assert _until_delivered(tool, "cli-open") == 0


def test_tail_follows_a_run_to_its_end(tool: Tool, environment: dict[str, str], runs: list[str]) -> None:
    process = _start(environment, "cli-fails", 4, pause=2.0)
    deadline = time.monotonic() + 20
    while tool("show", "cli-fails").returncode and time.monotonic() < deadline:
        time.sleep(0.2)
    ended = tool("tail", "cli-fails", "--json")
    process.wait(120)
    events = [json.loads(line) for line in ended.stdout.splitlines()]
    assert ended.returncode == 1, ended.stderr
    assert {"points", "log", "status"} <= {event["event"] for event in events}
    assert any(event.get("error") == "ValueError: diverged" for event in events)
    assert tool("tail", "cli-small").returncode == 0


def test_keys_are_made_listed_and_revoked(tool: Tool, stack: RunningStack) -> None:
    made = _json(tool("key", "create", "--role", "viewer", "--label", "someone", "--json"))
    viewer = {"SPEECH_TRACKER_API_KEY": made["key"]}
    assert tool("runs", **viewer).returncode == 0
    refused = tool("key", "list", **viewer)
    assert refused.returncode == 3
    assert "admin" in refused.stderr
    listed = _json(
        tool("key", "list", "--data-dir", str(stack.data_dir), "--json", SPEECH_TRACKER_API_KEY="x")
    )
    assert made["id"] in {key["id"] for key in listed["keys"]}
    assert made["key"] not in json.dumps(listed)
    assert tool("key", "revoke", made["id"][-8:]).returncode == 0
    assert tool("runs", **viewer).returncode == 3


def test_an_offline_spool_is_delivered_by_sync(
    tool: Tool, environment: dict[str, str], tmp_path: Path
) -> None:
    spool = str(tmp_path / "spool")
    offline = {"SPEECH_TRACKER_MODE": "offline", "SPEECH_TRACKER_SPOOL_DIR": spool}
    assert _start(environment, "cli-offline", 4, **offline).wait(120) == 0
    waiting = json.loads(tool("status", "--json", SPEECH_TRACKER_SPOOL_DIR=spool).stdout)
    assert waiting["spool"]["undelivered"] > 0
    assert any("sync" in concern for concern in waiting["concerns"])
    delivered = _json(tool("sync", spool, "--json"))
    assert len(delivered["runs"]) == 1
    assert _until_delivered(tool, "cli-offline") == 0


def test_status_tells_of_server_stack_and_spool(tool: Tool, stack: RunningStack) -> None:
    report = json.loads(tool("status", "--data-dir", str(stack.data_dir), "--json").stdout)
    assert report["server"]["ready"]
    assert {each["name"] for each in report["server"]["projections"]} >= {"metadata", "metrics", "artifacts"}
    assert {"kafka", "postgres", "store", "api"} <= report["stack"]["children"].keys()
    shown = tool("status", "--data-dir", str(stack.data_dir)).stdout
    assert "metadata" in shown
    assert "kafka" in shown


async def test_dead_letters_are_listed_and_replayed(tool: Tool, admin: httpx.AsyncClient) -> None:
    record = Sealer(uuid7(), "runs").seal_raw("future.thing", 1, encode_payload({}), ("run", uuid7()))
    await queryable(admin, reply_of(await post(admin, wire.encode_batch([record]))))
    listed = _json(
        await asyncio.to_thread(tool, "dead-letters", "list", "--projection", "metadata", "--json")
    )
    letter = next(each for each in listed["dead_letters"] if each["type"] == "future.thing")
    name = f"metadata/{letter['id']}"
    assert name in (await asyncio.to_thread(tool, "dead-letters", "list")).stdout
    replayed = await asyncio.to_thread(tool, "dead-letters", "replay", name)
    assert replayed.returncode == 1
    assert "parked again" in replayed.stdout


def test_dead_letters_that_are_not_there_are_named(tool: Tool) -> None:
    assert tool("dead-letters", "replay", "metadata/999999").returncode == 3
    assert tool("dead-letters", "replay").returncode == 2
