"""GET /search on the real stack: what is found by words of names, by whom, and as of when."""

from __future__ import annotations

import asyncio
import getpass
from typing import Any
from uuid import uuid4

import httpx
import pytest

from speech_experiment_schemas.ids import experiment_id
from speech_experiment_schemas.runs import RunStarted
from speech_experiment_tracker import Client
from tests.conftest import RunningStack
from tests.integration.gateway_tools import Producer, make_client, queryable

pytestmark = pytest.mark.stack


async def start(admin: httpx.AsyncClient, name: str, *, experiment: str, user: str) -> Producer:
    producer = Producer().open()
    identity = experiment_id("default", experiment)
    producer.say(RunStarted(experiment=identity, experiment_name=experiment, name=name, user=user))
    await queryable(admin, await producer.send(admin))
    return producer


async def found(client: httpx.AsyncClient, words: str, **more: Any) -> dict[str, Any]:
    answer = await client.get("/api/v1/search", params={"q": words, **more})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def names(told: dict[str, Any], kind: str) -> list[str]:
    return [each.get("name") or each.get("user") or each["run"] for each in told[kind]]


async def test_all_words_are_looked_for_in_names_of_every_kind(admin: httpx.AsyncClient) -> None:
    mark = uuid4().hex[:10]
    run = await start(admin, f"Conformer {mark} noisy", experiment=f"ASR {mark}", user=f"ada-{mark}")
    await start(admin, f"conformer {mark} clean", experiment=f"ASR {mark}", user=f"ada-{mark}")
    told = await found(admin, f" {mark.upper()}  CONF ")
    assert names(told, "runs") == [f"conformer {mark} clean", f"Conformer {mark} noisy"]
    assert names(told, "experiments") == []
    assert names(await found(admin, f"noisy {mark}"), "runs") == [f"Conformer {mark} noisy"]
    told = await found(admin, mark, limit=1)
    assert (len(told["runs"]), names(told, "experiments")) == (1, [f"ASR {mark}"])
    assert told["people"] == [{"user": f"ada-{mark}", "runs": 2}]
    assert names(await found(admin, str(run.run)), "runs") == [f"Conformer {mark} noisy"]
    assert names(await found(admin, f"{mark}%"), "runs") == []


async def test_it_finds_test_sets_and_evaluations(
    stack: RunningStack, admin: httpx.AsyncClient, tmp_path_factory: pytest.TempPathFactory
) -> None:
    client = Client(stack.url, stack.key, spool_dir=tmp_path_factory.mktemp("spool"), on_error="raise")
    mark = uuid4().hex[:10]
    before = (await found(admin, "x"))["vector"]
    client.register_test_set(f"set-{mark}", [{"id": "a", "reference": "a b"}], language="en")
    run = client.start_run(f"run-{mark}", capture_output=False)
    with run.log_evaluation(f"set-{mark}") as evaluation:
        evaluation.log("a", "a c")
    run.log_metric(f"plain-{mark}_wer", 0.1)
    run.finish()
    assert run.flush("queryable", timeout=60)
    assert client.flush(60)
    async with asyncio.timeout(60):
        while f"set-{mark}" not in names(told := await found(admin, mark), "test_sets"):  # noqa: ASYNC110
            await asyncio.sleep(0.1)  # the set's own producer is not the run's
    assert set(names(told, "test_sets")) == {f"set-{mark}", f"plain-{mark}"}
    assert [(each["id"], each["test_set"]) for each in told["evaluations"]] == [
        (str(evaluation.id), f"set-{mark}")
    ]
    assert names(told, "runs") == [f"run-{mark}"]
    assert any(
        each["user"] == getpass.getuser() for each in (await found(admin, getpass.getuser()))["people"]
    )
    then = await found(admin, mark, as_of=before)
    assert [kind for kind, places in then.items() if places] == ["vector"]
    assert (await found(admin, mark, as_of=told["vector"])) == told


async def test_other_workspaces_and_what_is_deleted_are_not_found(admin: httpx.AsyncClient) -> None:
    mark = uuid4().hex[:10]
    run = await start(admin, f"run {mark}", experiment=f"E {mark}", user=f"u{mark}")
    async with await make_client(admin, "viewer", f"team-{mark}") as stranger:
        for words in (mark, str(run.run)):
            told = await found(stranger, words)
            assert [kind for kind, places in told.items() if places] == ["vector"]
    await admin.delete(f"/api/v1/runs/{run.run}")
    told = await found(admin, mark)
    assert (told["runs"], told["people"]) == ([], [])


@pytest.mark.parametrize("words", ["", "   ", "x" * 201, "a b c d e f g h i"])
async def test_words_have_bounds(admin: httpx.AsyncClient, words: str) -> None:
    answer = await admin.get("/api/v1/search", params={"q": words})
    assert (answer.status_code, answer.json()["field"]) == (400, "q")


async def test_it_needs_a_key(stack: RunningStack) -> None:
    async with httpx.AsyncClient(base_url=stack.url) as nobody:
        assert (await nobody.get("/api/v1/search", params={"q": "a"})).status_code == 401
