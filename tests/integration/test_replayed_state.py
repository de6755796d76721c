"""A run folded anew out of the log is the run that the tables tell of, at any vector; and what admins see of the past."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest

from speech_experiment_api.queries.replayed import ReplayedRun
from speech_experiment_schemas.ids import experiment_id, uuid7
from speech_experiment_schemas.metrics import Call
from speech_experiment_schemas.producers import ProducerClosed, ProducerOpened
from speech_experiment_schemas.runs import (
    RunConfigured,
    RunEnvironment,
    RunFailed,
    RunFinished,
    RunHeartbeat,
    RunLinked,
    RunNoted,
    RunOutput,
    RunRenamed,
    RunResumed,
    RunStarted,
    RunTagged,
)
from speech_experiment_tracker import Client
from tests.conftest import RunningStack
from tests.integration.gateway_tools import Producer, make_client, queryable
from tests.integration.test_cli_commands import Tool, environment, home, tool  # noqa: F401
from tests.integration.test_cli_history import answer, call, finished_run
from tests.integration.test_deletions import Team, team  # noqa: F401

pytestmark = pytest.mark.stack
TIME = 1_790_000_000_000_000
VALUES = [0.1, -0.0, 3.25, -7.5, 1e-5, 1e30, float("nan"), float("inf"), float("-inf")]
KEYS = ["train_loss", "test-clean_wer", "speaker_1272_wer", "wer_beam10_lm0.5", "val_wer"]


def _call(dice: random.Random) -> Call:
    values = {key: dice.choice([*VALUES, dice.gauss(0, 1)]) for key in KEYS if dice.random() < 0.6}
    return dice.choice([None, *range(8)]), TIME + dice.randrange(10**9), dice.choice([None, 0.5]), values


def _said(dice: random.Random) -> msgspec.Struct:
    return dice.choice(
        [
            RunConfigured(
                config={"model": {"dim": dice.randrange(9)}, "lr": dice.choice([0.1, float("nan"), "x\0y"])}
            ),
            RunTagged(tags={dice.choice("ab"): dice.choice(["x", "ü"])}, removed=dice.choice([[], ["a"]])),
            RunNoted(notes="notes " + str(dice.random())),
            RunRenamed(name=f"renamed {dice.randrange(9)}"),
            RunLinked(kind="child_of", target=UUID(int=dice.randrange(3)), removed=dice.random() < 0.3),
            RunEnvironment(
                host="h", git={"commit": "abc"}, hardware={"gpus": [{"name": "x"}] * dice.randrange(3)}
            ),
            RunHeartbeat(problems={"full": dice.randrange(5)}),
            RunOutput(channel="stdout", first=0, lines=["line"]),
            RunFinished(exit_code=dice.randrange(2)),
            RunFailed(error="ValueError: x", traceback="…"),
        ]
    )


class Attempts:
    """Random producers of one run: attempts, ranks, points, in any order, repeated now and then."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.first = Producer().open("runs", "metrics")
        experiment = experiment_id("default", "Replayed")
        self.first.say(RunStarted(experiment=experiment, experiment_name="Replayed", name=f"random {seed}"))
        self.producers = [self.first]

    def step(self) -> Producer:
        """Something happens in some process."""
        dice, producer = self.dice, self.dice.choice(self.producers)
        what = dice.random()
        if what < 0.15 and len(self.producers) < 5:
            return self._another()
        if what < 0.55:
            producer.log(*(_call(dice) for _ in range(dice.randrange(1, 5))))
        elif what < 0.95:
            producer.say(_said(dice))
        else:
            producer.say(ProducerClosed(reason=dice.choice(["finished", "lost", "failed"])))
        if dice.random() < 0.2:
            producer.records += producer.records[-1:]
        return producer

    def _another(self) -> Producer:
        producer, attempt, rank = Producer(self.first.run), self.dice.randrange(1, 4), self.dice.randrange(2)
        self.producers.append(producer)
        opened = ProducerOpened(rank=rank, attempt=attempt)
        for stream in ("runs", "metrics"):
            producer.say(opened, stream)
            if attempt > 1:
                resumed = RunResumed(attempt=attempt, from_step=self.dice.choice([None, 2, 5]))
                producer.say(resumed, stream)
        return producer


def _run_of(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in ("summaries", "replayed")}


@pytest.mark.parametrize("seed", range(6))
async def test_the_replayed_fold_equals_the_row_at_every_vector(admin: httpx.AsyncClient, seed: int) -> None:
    attempts = Attempts(seed)
    path = f"/api/v1/runs/{attempts.first.run}"
    vectors = []
    await queryable(admin, await attempts.first.send(admin))
    for step in range(24):
        producer = attempts.step()
        if attempts.dice.random() < 0.5 or step == 23:
            for each in attempts.producers:
                if each.records:
                    await queryable(admin, await each.send(admin))
            vectors.append((await admin.get(path)).json()["vector"])
        assert producer.run == attempts.first.run
    await _compare(admin, path)
    for vector in attempts.dice.sample(vectors, min(4, len(vectors))):
        await _compare(admin, path, as_of=vector)


async def _compare(admin: httpx.AsyncClient, path: str, **asked: str) -> None:
    told = (await admin.get(path, params=asked)).json()
    as_of = {"as_of": told["vector"]}
    answer = await admin.get(f"{path}/replay", params=as_of)
    assert answer.status_code == 200, answer.text
    msgspec.json.decode(answer.content, type=ReplayedRun)
    again = answer.json()
    assert _run_of(again) == told
    metrics = (await admin.get(f"{path}/metrics", params={**as_of, "ranks": "true"})).json()["metrics"]
    assert again["summaries"] == metrics
    assert again["replayed"]["refused"] == 0
    assert (await admin.get(f"{path}/replay", params=as_of)).content == answer.content


async def test_only_the_runs_own_stretch_of_the_log_is_read(admin: httpx.AsyncClient) -> None:
    for name in ("before", "the one", "after"):
        run = await finished_run(admin, name, train_loss=0.5)
        if name == "the one":
            chosen = run.run
    read = (await admin.get(f"/api/v1/runs/{chosen}/replay")).json()["replayed"]
    assert read["events"] == 7
    first = dict(each.rsplit(":", 1) for each in read["first"].split(","))
    stop = dict(each.rsplit(":", 1) for each in read["stop"].split(","))
    assert {place: int(stop[place]) - int(first[place]) for place in first} == {"runs:0": 4, "metrics:0": 3}


async def test_tables_that_were_changed_by_hand_are_found_out(
    tool: Tool,
    stack: RunningStack,
    admin: httpx.AsyncClient,
) -> None:
    import asyncpg

    run = str((await finished_run(admin, "checked", train_loss=0.5)).run)
    equal = await call(tool, "replay", run, "--check")
    assert (equal.returncode, "equal" in equal.stdout) == (0, True), equal.stderr
    connection = await asyncpg.connect(stack.settings.postgres_dsn)
    try:
        await connection.execute("update metadata_v1.runs set notes = 'forged' where id = $1", UUID(run))
        await connection.execute(
            "update metrics_v1.summaries set last_value = 0.1 where run_id = $1", UUID(run)
        )
    finally:
        await connection.close()
    forged = await call(tool, "replay", run, "--check", "--json")
    assert forged.returncode == 1, forged.stdout
    found = {
        each["field"]: (each["tables"], each["log"]) for each in json.loads(forged.stdout)["differences"]
    }
    assert found["notes"] == ("forged", None)
    assert found["metrics.train_loss"] == (0.1, 0.5)
    assert "notes" in (await call(tool, "replay", run, "--check")).stdout


async def test_the_past_is_shown_by_every_command(tool: Tool, admin: httpx.AsyncClient) -> None:
    tag = uuid7().hex[-8:]
    named = ("--filter", f"name like 'past-%{tag}'")
    first = await finished_run(admin, f"past-first-{tag}", **{f"past{tag}-clean_wer": 0.2})
    then = (await answer(tool, "leaderboard", *named))["vector"]
    shown = (await call(tool, "leaderboard", *named)).stdout
    assert "the same again: speech-tracker leaderboard --filter" in shown
    second = await finished_run(admin, f"past-second-{tag}", **{f"past{tag}-clean_wer": 0.1})
    renamed = Producer(first.run).open()
    renamed.say(RunRenamed(name=f"past-other-{tag}"))
    await queryable(admin, await renamed.send(admin))

    assert [row["run"] for row in (await answer(tool, "leaderboard", *named))["rows"]] == [
        f"past-second-{tag}",
        f"past-other-{tag}",
    ]
    assert [row["run"] for row in (await answer(tool, "leaderboard", *named, "--at", then))["rows"]] == [
        f"past-first-{tag}"
    ]
    listed = await answer(tool, "runs", f"name like 'past-%{tag}'", "--at", then)
    assert [run["name"] for run in listed["runs"]] == [f"past-first-{tag}"]
    assert (await answer(tool, "show", f"past-first-{tag}", "--at", then))["name"] == f"past-first-{tag}"
    assert (await call(tool, "show", str(second.run), "--at", then)).returncode == 3
    replayed = await answer(tool, "replay", str(first.run), "--at", then)
    assert (replayed["name"], replayed["vector"]) == (f"past-first-{tag}", then)
    assert (await call(tool, "replay", str(first.run), "--check", "--at", then)).returncode == 0
    assert f"past-first-{tag}" in (await call(tool, "replay", str(first.run), "--at", then)).stdout
    compared = await answer(tool, "compare", str(first.run), str(second.run), "--at", "now")
    assert {run["name"] for run in compared["runs"]} == {f"past-other-{tag}", f"past-second-{tag}"}
    assert (await answer(tool, "leaderboard", *named, "--at", "last tuesday"))["rows"] == []
    wrong = await call(tool, "leaderboard", "--at", "someday")
    assert (wrong.returncode, "last tuesday" in wrong.stderr) == (3, True)


async def test_a_record_of_the_sdk_keeps_its_moment(stack: RunningStack, admin: httpx.AsyncClient) -> None:
    producer = Producer().open("runs", "metrics").start("sdk-past").log((1, TIME, None, {"loss": 2.0}))
    await queryable(admin, await producer.send(admin))
    client = Client(stack.url, stack.key)
    then = (await asyncio.to_thread(client.get_run, producer.run)).vector
    await queryable(admin, await producer.log((2, TIME, None, {"loss": 1.0, "lr": 0.1})).finish().send(admin))

    def look() -> None:
        live, past = client.get_run(producer.run), client.get_run(producer.run, as_of=then)
        assert (live["status"], past["status"]) == ("finished", "running")
        assert (live.as_of, past.as_of, past.vector) == (None, then, then)
        assert live.curve("loss").column("value") == [2.0, 1.0]
        assert past.curve("loss").column("value") == [2.0]
        assert past.curve("loss").vector == then
        assert [row["key"] for row in past.metrics()] == ["loss"]
        assert past.artifacts().vector == then
        found = client.search_runs("name = 'sdk-past'", as_of=then)
        assert (found.vector, found[0].as_of, found[0]["status"]) == (then, then, "running")
        assert client.search_runs("name = 'sdk-past'", as_of="yesterday").rows == []
        assert client.leaderboard(as_of=then).vector == then

    await asyncio.to_thread(look)


async def test_admins_see_in_the_past_what_was_not_deleted_then(team: Team) -> None:
    experiment = await team.experiment("gone")
    run = await team.run("gone", "gone run")
    path = f"/api/v1/runs/{run}"
    before = (await team.viewer.get(path)).json()["vector"]
    await team.editor.delete(f"/api/v1/experiments/{experiment}", params={"reason": "wrong"})
    during = (await team.admin.get("/api/v1/runs")).json()["vector"]

    async def seen(client: httpx.AsyncClient, vector: str) -> list[int]:
        asked = {"as_of": vector}
        listed = (await client.get("/api/v1/runs", params={**asked, "filter": "experiment = 'gone'"})).json()
        files = await client.get(f"{path}/artifacts", params=asked)
        return [
            len(listed["runs"]),
            (await client.get(path, params=asked)).status_code,
            (await client.get(f"{path}/replay", params=asked)).status_code,
            len(files.json().get("artifacts", [])),
        ]

    hidden = [0, 404, 404, 0]
    for client in (team.viewer, team.editor):
        assert await seen(client, before) == hidden
    assert await seen(team.admin, before) == [1, 200, 200, 1]
    assert await seen(team.admin, during) == hidden
    shown = (await team.admin.get("/api/v1/runs", params={"as_of": during, "deleted": "true"})).json()["runs"]
    assert str(run) in {each["id"] for each in shown}

    await team.editor.post(f"/api/v1/experiments/{experiment}/restore")
    for client in (team.viewer, team.editor, team.admin):
        assert await seen(client, before) == [1, 200, 200, 1]
        assert await seen(client, during) == hidden


async def test_a_role_is_needed_for_a_replay_and_a_run_of_the_workspace(
    team: Team, admin: httpx.AsyncClient
) -> None:
    run = await team.run("roles", "mine")
    assert (await team.viewer.get(f"/api/v1/runs/{run}/replay")).status_code == 200
    assert (await admin.get(f"/api/v1/runs/{run}/replay")).status_code == 404
    async with await make_client(admin, "viewer") as stranger:
        assert (await stranger.get(f"/api/v1/runs/{run}/events")).status_code == 404
