"""Marking a reference as doubtful: who may, who sees it, and what settles it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from speech_experiment_tracker import Client
from tests.conftest import RunningStack
from tests.faults.stack import speech_tracker
from tests.integration.evaluation_tools import HYPOTHESES, a_name, register

pytestmark = pytest.mark.stack


async def test_a_mark_is_seen_until_it_is_dismissed_or_the_reference_is_corrected(
    client: Client, admin: httpx.AsyncClient, stack: RunningStack
) -> None:
    name = a_name()
    register(client, name)
    run = client.start_run("one")
    evaluation = run.log_evaluation(name, HYPOTHESES)
    assert run.flush("queryable", timeout=60)

    async def mark(utterance: str, note: str, *, doubtful: bool = True) -> None:
        wanted = {"test_set": name, "utterance": utterance, "note": note, "doubtful": doubtful}
        answer = await admin.post("/api/v1/marks", json=wanted)
        assert answer.status_code == 201, answer.text
        assert client.flush(60)

    async def seen(**query: Any) -> Any:
        answer = await admin.get(f"/api/v1/evaluations/{evaluation.id}/utterances", params=query)
        return answer.json()

    before = await seen()
    await mark("a-1", "the or a?")
    await mark("b-1", "cut off")
    assert (before["marked"], [each["mark"] for each in before["utterances"]]) == (0, [None] * 4)
    now = await seen(marked=True)
    assert (now["marked"], now["total"]) == (2, 2)
    notes = {each["utterance"]: each["mark"]["note"] for each in now["utterances"]}
    assert notes == {"a-1": "the or a?", "b-1": "cut off"}
    one = (
        await admin.get(f"/api/v1/evaluations/{evaluation.id}/recording", params={"utterance": "a-1"})
    ).json()
    assert one["mark"]["by"] == (await admin.get("/api/v1/me")).json()["actor"]
    assert (await admin.get(f"/api/v1/test-sets/{name}")).json()["revisions"][0]["number"] == 1
    marked = client.marks(name)
    assert [(each["utterance"], each["state"]) for each in marked] == [("b-1", "open"), ("a-1", "open")]
    newest = (await admin.get("/api/v1/marks", params={"test_set": name, "limit": 1})).json()
    assert ([each["utterance"] for each in newest["marks"]], newest["total"]) == (["b-1"], 2)
    await mark("b-1", "heard again", doubtful=False)
    client.correct_reference(name, "a-1", "the cat sat on a mat")
    assert client.flush(60)
    assert list(client.marks(name)) == []
    settled = {each["utterance"]: each["state"] for each in client.marks(name, state="all")}
    assert settled == {"a-1": "corrected", "b-1": "dismissed"}
    assert list(client.marks(name, as_of=marked.vector)) == list(marked)
    assert (await seen(as_of=before["vector"])) == before
    await mark("a-1", "still doubtful")
    told = speech_tracker(
        "marks", name, SPEECH_TRACKER_URL=stack.url, SPEECH_TRACKER_API_KEY=stack.key
    ).stdout
    assert "still doubtful" in told
    run.finish()


async def test_what_cannot_be_marked_is_refused(client: Client, admin: httpx.AsyncClient) -> None:
    name = a_name()
    register(client, name)
    run = client.start_run("one")
    run.log_evaluation(name, HYPOTHESES)
    assert run.flush("queryable", timeout=60)
    mine = {"test_set": name, "utterance": "a-1"}
    for wanted, status, told in (
        (mine | {"utterance": "nobody", "note": "x"}, 404, "the utterance 'nobody'"),
        (mine | {"test_set": a_name(), "note": "x"}, 404, "only registered sets"),
        (mine | {"note": " "}, 400, "say what is doubtful"),
        (mine | {"note": "x" * 100_000}, 400, "length"),
        (mine | {"doubtful": False}, 409, "no mark"),
    ):
        answer = await admin.post("/api/v1/marks", json=wanted)
        assert answer.status_code == status, (wanted, answer.text)
        assert told in answer.json()["detail"]
    assert (await admin.get("/api/v1/marks", params={"state": "?"})).json()["field"] == "state"
    made = (await admin.post("/api/v1/keys", json={"role": "viewer"})).json()
    headers = {"Authorization": f"Bearer {made['key']}"}
    refused = await admin.post("/api/v1/marks", json=mine | {"note": "x"}, headers=headers)
    assert refused.status_code == 403
    assert (await admin.get("/api/v1/marks", params={"test_set": name}, headers=headers)).json()["total"] == 0
    run.finish()
