"""Rebuilds on a stack of their own: under load, killed midway, flipped there and back, retired, refused."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from speech_experiment_infra.connections import clickhouse, postgres_pool
from tests.faults import rebuilding, scenarios
from tests.faults.fixtures import dice  # noqa: F401 - fixtures are found by name
from tests.faults.stack import Stack, running_stack, speech_tracker

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Three partitions, which two processes read, though there is too little in them to be worth it."""
    folder = tmp_path_factory.mktemp("rebuild")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPEECH_TRACKER_SERVER_REBUILD_PROCESSES", "2")
        with running_stack(folder, partitions=3) as running:
            for index in range(3):
                running.trainer(folder / f"{index}.witness", f"first{index}", 200, "--artifacts", "50").wait(
                    120
                )
            yield running


async def test_rebuilds_under_load_lose_nothing_and_readers_notice_nothing(
    stack: Stack, tmp_path: Path, dice: random.Random
) -> None:
    verdict, problems = await scenarios.rebuild_under_load(stack, tmp_path, dice, 2)
    assert problems == []
    assert verdict.clean, verdict


def answers(stack: Stack, vector: str) -> dict[str, bytes]:
    """The bytes that questions about a vector are answered with."""
    runs = [run["id"] for run in stack.get(f"/api/v1/runs?limit=100&as_of={vector}")["runs"]]
    paths = ["runs?limit=100", "experiments?limit=100", *(f"runs/{run}?" for run in runs)]
    found = {path: stack.request(f"/api/v1/{path}&as_of={vector}") for path in paths}
    assert {status for status, _ in found.values()} == {200}
    return {path: body for path, (_, body) in found.items()}


@pytest.mark.parametrize("name", ["metadata", "metrics", "scores", "artifacts", "control"])
def test_the_command_rebuilds_and_the_answers_stay_the_same(stack: Stack, name: str) -> None:
    stack.wait_quiet()
    vector = stack.get("/api/v1/runs?limit=1")["vector"]
    before = answers(stack, vector)
    lines = speech_tracker("rebuild", name, "--json", **stack.environment).stdout.splitlines()
    last = json.loads(lines[-1])
    assert (last["phase"], last["findings"]["equal"]) == ("done", True)
    assert last["progress"]["percent"] == 100.0
    assert rebuilding.versions(stack, name)[last["version"]] == "live"
    time.sleep(1.2)  # every reader has read the pointer anew
    assert answers(stack, vector) == before


async def test_a_difference_is_found_and_refuses_the_flip_until_it_is_forced_with_a_reason(
    stack: Stack,
) -> None:
    stack.wait_quiet()
    async with postgres_pool(stack.settings) as pool:
        live = await pool.fetchval("select version from projection.live where name = 'metadata'")
        changed = await pool.fetchval(
            f"update metadata_v{live}.runs set notes = 'not from the log' "
            f"where id = (select id from metadata_v{live}.runs limit 1) returning id"
        )
        job = rebuilding.finish(stack, rebuilding.start(stack, "metadata"))
        assert job["phase"] == "differs"
        assert job["findings"]["tables"]["runs"] == {
            "different": 1,
            "examples": [{"key": str(changed), "old_rows": 1, "new_rows": 1}],
        }
        place = f"/metadata/{job['version']}/flip"
        status, answer = rebuilding.ask(stack, place, {})
        assert status == 409
        assert "was not found equal" in answer["detail"]
        status, answer = rebuilding.ask(stack, place, {"force": True})
        assert status == 409
        assert "reason" in answer["detail"]
        page = stack.get("/api/v1/runs?limit=1")
        status, answer = rebuilding.ask(stack, place, {"force": True, "reason": "the row was wrong"})
        assert (status, answer["previous"]) == (200, live)
        assert (
            await pool.fetchval("select reason from projection.flips order by id desc limit 1")
            == "the row was wrong"
        )
    time.sleep(1.2)
    assert stack.get(f"/api/v1/runs/{changed}")["notes"] != "not from the log"
    status, body = stack.request(f"/api/v1/runs?limit=1&cursor={page['next_cursor']}")
    assert status == 410
    assert "start again from the first page" in json.loads(body)["detail"]


async def test_missing_points_are_found(stack: Stack) -> None:
    stack.wait_quiet()
    async with postgres_pool(stack.settings) as pool, clickhouse(stack.settings) as client:
        live = await pool.fetchval("select version from projection.live where name = 'metrics'")
        row = await pool.fetchrow(f"select run_id, hash from metrics_v{live}.metric_runs limit 1")
        client.command(
            f"alter table metric_points_v{live} delete where run = {row['hash'] % 2**64} and step % 7 = 0 "
            "settings mutations_sync = 2"
        )
        job = rebuilding.finish(stack, rebuilding.start(stack, "metrics"))
    assert job["phase"] == "differs"
    found = job["findings"]["tables"]
    assert list(found) == ["points"]
    assert [each["key"] for each in found["points"]["examples"]] == [str(row["run_id"])]
    status, _ = rebuilding.ask(
        stack, f"/metrics/{job['version']}/flip", {"force": True, "reason": "points are back"}
    )
    assert status == 200


async def test_a_retired_version_leaves_nothing_behind_and_its_number_is_never_used_again(
    stack: Stack,
) -> None:
    job = rebuilding.finish(stack, rebuilding.start(stack, "metrics", flip=False))
    assert rebuilding.versions(stack, "metrics")[job["version"]] == "kept"
    assert rebuilding.ask(stack, f"/metrics/{job['version']}/retire")[0] == 200
    async with postgres_pool(stack.settings) as pool, clickhouse(stack.settings) as client:
        await pool.execute(
            "update projection.versions set changed_at = now() - interval '1 minute' where name = 'metrics' and version = $1",
            job["version"],
        )
        deadline = time.monotonic() + 30
        gone = (
            "select dropped_at is not null from projection.versions where name = 'metrics' and version = $1"
        )
        while not await pool.fetchval(gone, job["version"]):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        schemas = await pool.fetchval(
            "select count(*) from pg_namespace where nspname = $1", f"metrics_v{job['version']}"
        )
        tables = client.query("show tables").result_rows
    assert schemas == 0
    assert (f"metric_points_v{job['version']}",) not in tables
    assert rebuilding.start(stack, "metrics")["version"] == job["version"] + 1
    assert rebuilding.ask(stack, "/metrics/abort")[0] == 200
    assert rebuilding.ask(stack, "/metrics/abort")[0] == 409


def test_what_is_live_cannot_be_retired_and_versions_are_few(stack: Stack) -> None:
    live = next(number for number, state in rebuilding.versions(stack, "control").items() if state == "live")
    status, answer = rebuilding.ask(stack, f"/control/{live}/retire")
    assert status == 409
    assert "is live" in answer["detail"]
    assert rebuilding.ask(stack, "", {"projection": "teapots"})[0] == 404
    assert rebuilding.ask(stack, "/control/99/flip", {})[0] == 409


@pytest.mark.parametrize("victim", ["postgres", "store", "consumers-metrics"])
def test_a_rebuild_goes_on_when_a_store_or_its_worker_is_killed(stack: Stack, victim: str) -> None:
    stack.wait_quiet()
    retire_kept(stack, "metrics")
    job = rebuilding.start(stack, "metrics")
    time.sleep(1.0)
    os.kill(stack.children()[victim], signal.SIGKILL)
    job = rebuilding.finish(stack, job)
    assert (job["phase"], job["findings"]["equal"]) == ("done", True), job


def retire_kept(stack: Stack, name: str) -> None:
    for version, state in rebuilding.versions(stack, name).items():
        if state == "kept":
            assert rebuilding.ask(stack, f"/{name}/{version}/retire")[0] == 200
