"""The commands that tell and undo what was: delete, restore, audit, leaderboard, replay, --at."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from typing import Any

import httpx
import pytest

from speech_experiment_schemas.ids import uuid7
from speech_experiment_tracker import Client
from tests.conftest import RunningStack
from tests.integration.gateway_tools import Producer, make_client, queryable
from tests.integration.test_cli_commands import Ended, Tool, environment, home, tool  # noqa: F401

pytestmark = pytest.mark.stack


async def call(tool: Tool, *arguments: str, **more: str) -> Ended:
    return await asyncio.to_thread(tool, *arguments, **more)


async def answer(tool: Tool, *arguments: str, **more: str) -> Any:
    ended = await call(tool, *arguments, "--json", **more)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


async def finished_run(client: httpx.AsyncClient, name: str, **metrics: float) -> Producer:
    producer = Producer().open("runs", "metrics").start(name)
    producer.log((None, 1_790_000_000_000_000, None, metrics)).finish()
    await queryable(client, await producer.send(client))
    return producer


async def test_a_run_is_deleted_and_restored_and_the_audit_tells_why(
    tool: Tool, admin: httpx.AsyncClient
) -> None:
    name = f"cli-deleted-{uuid7().hex[-8:]}"
    run = str((await finished_run(admin, name)).run)
    done = await call(tool, "delete", "run", name, "--reason", "a mistake")
    assert done.returncode == 0, done.stderr
    assert f"restore run {run}" in done.stdout
    assert (await call(tool, "show", name)).returncode == 3
    assert (await call(tool, "delete", "run", name)).returncode == 3

    assert (await answer(tool, "restore", "run", name, "--reason", "no mistake"))["deleted"] is False
    assert (await call(tool, "show", name)).returncode == 0
    restored, deleted = (await answer(tool, "audit", "--subject", run))["acts"]
    assert (restored["reason"], deleted["reason"]) == ("no mistake", "a mistake")
    told = (await call(tool, "audit", "--subject", run, COLUMNS="160")).stdout
    for word in ("deleted", "restored", name, "a mistake", deleted["position"]):
        assert word in told
    assert (await answer(tool, "audit", "--subject", run, "--until", "yesterday"))["acts"] == []
    assert len((await answer(tool, "audit", "--since", "yesterday", "--limit", "1"))["acts"]) == 1


async def test_roles_decide_who_deletes_and_who_reads_the_audit(tool: Tool, admin: httpx.AsyncClient) -> None:
    run = str((await finished_run(admin, "cli-roles")).run)
    for role, code in (("viewer", 3), ("editor", 0)):
        key = {"SPEECH_TRACKER_API_KEY": (await answer(tool, "key", "create", "--role", role))["key"]}
        assert (await call(tool, "delete", "run", run, **key)).returncode == code
        assert (await call(tool, "restore", "run", run, **key)).returncode == code
        refused = await call(tool, "audit", **key)
        assert refused.returncode == 3
        assert "admin" in refused.stderr


async def test_the_sdk_deletes_restores_and_reads_the_audit(
    stack: RunningStack, admin: httpx.AsyncClient
) -> None:
    run = (await finished_run(admin, "sdk-deleted")).run
    client = Client(stack.url, stack.key)

    def story() -> list[tuple[str, str]]:
        client.delete("run", run, reason="out")
        assert run not in {each.id for each in client.search_runs("name = 'sdk-deleted'")}
        client.restore("run", run)
        assert client.get_run(run)["deleted_at"] is None
        return [(act["type"], act["reason"]) for act in client.audit(subject=run, since="yesterday")]

    assert await asyncio.to_thread(story) == [("subject.restored", ""), ("subject.deleted", "out")]


async def test_a_leaderboard_has_systems_by_test_sets(
    tool: Tool, stack: RunningStack, admin: httpx.AsyncClient
) -> None:
    tag = uuid7().hex[-8:]
    for name, wer in (("worse", 0.2), ("better", 0.1)):
        await finished_run(admin, f"board-{name}-{tag}", **{f"board{tag}-clean_wer": wer})
    named = ("--filter", f"name like 'board-%{tag}'")
    board = await answer(tool, "leaderboard", *named)
    assert [row["run"] for row in board["rows"]] == [f"board-better-{tag}", f"board-worse-{tag}"]
    shown = (await call(tool, "leaderboard", *named)).stdout
    assert f"board-better-{tag}" in shown
    assert "lower is better" in shown
    assert (await call(tool, "leaderboard", "--metric", "no-such", *named)).returncode == 0
    rows = await asyncio.to_thread(
        lambda: Client(stack.url, stack.key).leaderboard(filter=named[1]).to_pandas().to_dict("list")
    )
    assert rows[f"wer.board{tag}-clean"] == [0.1, 0.2]


async def test_replay_prints_a_runs_events_in_order(tool: Tool, admin: httpx.AsyncClient) -> None:
    name = f"cli-replay-{uuid7().hex[-8:]}"
    run = str((await finished_run(admin, name, train_loss=0.5)).run)
    await finished_run(admin, "another", train_loss=0.7)
    ended = await call(tool, "replay", name, "--json")
    assert ended.returncode == 0, ended.stderr
    events = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [each["type"] for each in events if each["topic"] == "runs"] == [
        "producer.opened",
        "run.started",
        "run.finished",
        "producer.closed",
    ]
    assert {each["subject"][1] for each in events} == {run}
    assert [each["time"] for each in events] == sorted(each["time"] for each in events)
    shown = (await call(tool, "replay", name, "--points", COLUMNS="200")).stdout
    for word in ("started", "runs:0:", "r0 a1", "train_loss 0.5", "finished"):
        assert word in shown
    only = (await call(tool, "replay", name, "--stream", "metrics", "--json")).stdout.splitlines()
    assert [json.loads(line)["type"] for line in only] == [
        "producer.opened",
        "metrics.logged",
        "producer.closed",
    ]
    assert (await call(tool, "replay", name, "--until", "yesterday")).stdout == ""
    assert len(
        (await call(tool, "replay", name, "--since", "yesterday", "--json")).stdout.splitlines()
    ) == len(events)
    wrong = await call(tool, "replay", name, "--since", "someday")
    assert (wrong.returncode, "last tuesday" in wrong.stderr) == (3, True)


async def test_replay_follows_until_it_is_interrupted(
    environment: dict[str, str],
    admin: httpx.AsyncClient,
) -> None:
    producer = Producer().open().start("cli-followed")
    await queryable(admin, await producer.send(admin))
    command = [
        sys.executable,
        "-m",
        "speech_experiment_tracker.cli",
        "replay",
        str(producer.run),
        "-f",
        "--json",
    ]
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        # As in a terminal, also where the tests run in the background of a shell, which has its jobs ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(90):
            for expected in ("producer.opened", "run.started"):
                assert json.loads(await process.stdout.readline())["type"] == expected
            await producer.finish().send(admin)
            for expected in ("run.finished", "producer.closed"):
                assert json.loads(await process.stdout.readline())["type"] == expected
            process.send_signal(signal.SIGINT)
            _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert (process.returncode, said) == (0, b"")


async def test_events_of_a_deleted_run_are_for_admins(admin: httpx.AsyncClient) -> None:
    run = (await finished_run(admin, "deleted-events")).run
    path = f"/api/v1/runs/{run}/events"
    async with await make_client(admin, "viewer") as viewer:
        assert (await viewer.get(path)).status_code == 200
        await admin.delete(f"/api/v1/runs/{run}")
        assert (await viewer.get(path)).status_code == 404
        assert len((await admin.get(path)).json()["events"]) > 3
