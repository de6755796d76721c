"""Correcting a reference over HTTP: who may, what is refused, and that every system is scored again when it answers."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from speech_experiment_tracker import Client
from tests.integration.evaluation_tools import HYPOTHESES, a_name, register

pytestmark = pytest.mark.stack


async def correct(caller: httpx.AsyncClient, **wanted: Any) -> tuple[int, dict[str, Any]]:
    answer = await caller.post("/api/v1/corrections", json=wanted)
    return answer.status_code, answer.json()


async def test_a_correction_answers_when_every_system_is_scored_again(
    client: Client, admin: httpx.AsyncClient
) -> None:
    name = a_name()
    register(client, name)
    runs = [client.start_run("one"), client.start_run("other")]
    evaluations = [run.log_evaluation(name, HYPOTHESES).id for run in runs]
    for run in runs:
        assert run.flush("queryable", timeout=60)
    before = (await admin.get(f"/api/v1/evaluations/{evaluations[0]}")).json()
    wanted = {
        "test_set": name,
        "utterance": "a-1",
        "reference": "the cat sat on a mat",
        "reason": "heard again",
    }
    status, told = await correct(admin, **wanted, instead_of="the cat sat on the mat")
    assert (status, told["before"], told["revision"]) == (201, "the cat sat on the mat", 1)
    while not told["scored"]:  # a busy machine: it answers after ten seconds, and the scores follow
        told["scored"] = (await admin.get(f"/api/v1/test-sets/{name}")).json()["revisions"][0]["number"] == 2
        await asyncio.sleep(0.1)
    for evaluation in evaluations:
        found = (await admin.get(f"/api/v1/evaluations/{evaluation}")).json()["evaluation"]
        assert (found["revision"], found["score"]["errors"]) == (2, 5)
    then = await admin.get(f"/api/v1/evaluations/{evaluations[0]}", params={"as_of": before["vector"]})
    assert then.json()["evaluation"]["score"]["errors"] == 6
    revision = (await admin.get(f"/api/v1/test-sets/{name}")).json()["revisions"][0]
    assert (revision["number"], revision["base"], revision["corrected"]) == (2, 1, 1)
    assert (revision["reason"], revision["by"]) == (
        "heard again",
        (await admin.get("/api/v1/me")).json()["actor"],
    )
    status, told = await correct(admin, **wanted)
    assert (status, told["field"]) == (400, "reference")
    status, told = await correct(admin, **wanted | {"reference": "x"}, instead_of="the cat sat on the mat")
    assert (status, told["field"]) == (409, "instead_of")
    assert "the cat sat on a mat" in told["detail"]
    for run in runs:
        run.finish()


async def test_what_cannot_be_corrected_is_refused(client: Client, admin: httpx.AsyncClient) -> None:
    name = a_name()
    register(client, name)
    run = client.start_run("one")
    run.log_evaluation(name, HYPOTHESES)
    assert run.flush("queryable", timeout=60)
    for wanted, status, told in (
        ({"test_set": name, "utterance": "nobody", "reference": "x"}, 404, "the utterance 'nobody'"),
        ({"test_set": a_name(), "utterance": "a-1", "reference": "x"}, 404, "only registered sets"),
        ({"test_set": name, "utterance": "a-1"}, 400, "reference"),
        ({"test_set": name, "utterance": "a-1", "reference": "x" * 200_001}, 400, "length"),
        ({"test_set": name, "utterance": "", "reference": "x"}, 400, "length"),
    ):
        found, answer = await correct(admin, **wanted)
        assert found == status, (wanted, answer)
        assert told in answer["detail"]
    made = (await admin.post("/api/v1/keys", json={"role": "viewer"})).json()
    headers = {"Authorization": f"Bearer {made['key']}"}
    wanted = {"test_set": name, "utterance": "a-1", "reference": "x"}
    assert (await admin.post("/api/v1/corrections", json=wanted, headers=headers)).status_code == 403
    assert (await admin.get(f"/api/v1/test-sets/{name}")).json()["revisions"][0]["number"] == 1
    run.finish()
