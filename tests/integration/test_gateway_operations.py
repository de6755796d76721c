"""What operators use: dead letters, metrics, a way in without a key."""

from __future__ import annotations

import asyncio
import os
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from speech_experiment_api.rescue import rescue
from speech_experiment_infra.settings import SETTINGS_FILE_VARIABLE
from speech_experiment_schemas import Sealer, wire
from speech_experiment_schemas.envelope import encode_payload
from speech_experiment_schemas.ids import uuid7
from tests.conftest import RunningStack
from tests.integration.gateway_tools import Producer, make_client, post, queryable, reply_of

pytestmark = pytest.mark.stack


async def letters_about(client: httpx.AsyncClient, subject: str) -> list[dict[str, Any]]:
    found = (
        await client.get("/api/v1/dead-letters", params={"projection": "metadata", "limit": 1000})
    ).json()
    return [each for each in found["dead_letters"] if each["subject"] and each["subject"][1] == subject]


async def park(admin: httpx.AsyncClient) -> str:
    """Sends what no projection knows yet; the id of the run that it is about."""
    run = uuid7()
    payload = encode_payload({"what": "nobody knows yet"})
    record = Sealer(uuid7(), "runs").seal_raw("future.thing", 3, payload, ("run", run))
    await queryable(admin, reply_of(await post(admin, wire.encode_batch([record]))))
    return str(run)


async def test_an_event_of_a_newer_client_is_parked_listed_and_replayed(admin: httpx.AsyncClient) -> None:
    run = await park(admin)
    [letter] = await letters_about(admin, run)
    assert (letter["reason"], letter["type"], letter["workspace"]) == (
        "unknown_type",
        "future.thing",
        "default",
    )
    path = f"/api/v1/dead-letters/metadata/{letter['id']}/replay"
    again = (await admin.post(path)).json()
    assert again["offset"] > letter["offset"]
    assert again["applied"] is False
    assert len(await letters_about(admin, run)) == 2
    assert (await admin.post("/api/v1/dead-letters/metadata/999999999/replay")).status_code == 404
    async with await make_client(admin, "editor") as editor:
        assert (await editor.post(path)).status_code == 403
    async with await make_client(admin, "admin", f"team-{uuid4().hex[:8]}") as team:
        assert await letters_about(team, run) == []
        assert (await team.post(path)).status_code == 404


async def test_the_metrics_are_in_the_format_of_prometheus(admin: httpx.AsyncClient) -> None:
    await Producer().open().start().send(admin)
    text = (await admin.get("/metrics")).text
    families = {family.name: family for family in text_string_to_metric_families(text)}
    accepted = [
        each.value for each in families["speech_tracker_ingest_records"].samples if "total" in each.name
    ]
    assert sum(accepted) >= 2
    lag = {each.labels["projection"] for each in families["speech_tracker_projection_lag"].samples}
    assert lag == {"metadata", "metrics", "scores", "artifacts", "control"}
    assert "speech_tracker_ack_seconds" in families


async def test_an_operator_gets_in_without_a_key(
    stack: RunningStack, admin: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SETTINGS_FILE_VARIABLE, os.environ.get(SETTINGS_FILE_VARIABLE, ""))
    key = await asyncio.to_thread(rescue, stack.data_dir)
    async with httpx.AsyncClient(base_url=stack.url, headers={"Authorization": f"Bearer {key}"}) as operator:
        keys = (await operator.get("/api/v1/keys")).json()["keys"]
    [made] = [each for each in keys if each["label"] == "made by admin-key" and key.endswith(each["hint"])]
    assert (made["role"], made["created_by"]) == ("admin", "system")


async def test_a_live_viewer_does_not_hold_up_other_requests(admin: httpx.AsyncClient) -> None:
    async with admin.stream("GET", "/api/v1/live") as response:
        assert msgspec.json.decode(await anext(_data(response))) == {"runs": []}
        assert (await admin.get("/healthz")).status_code == 200


async def _data(response: httpx.Response) -> Any:
    async for line in response.aiter_lines():
        if line.startswith("data: "):
            yield line.removeprefix("data: ")
