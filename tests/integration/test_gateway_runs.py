"""A run through the gateway: its events, its proof of delivery, deletion, artifacts."""

from __future__ import annotations

import os
from hashlib import sha256
from typing import Any
from uuid import uuid4

import httpx
import pytest

from speech_experiment_schemas.artifacts import ArtifactLogged
from speech_experiment_schemas.ids import uuid7
from speech_experiment_schemas.producers import SeqVoided
from speech_experiment_schemas.runs import RunNoted
from tests.integration.gateway_tools import Producer, make_client, queryable

pytestmark = pytest.mark.stack


async def test_the_events_of_a_run_come_in_pages_with_all_that_is_known(admin: httpx.AsyncClient) -> None:
    producer = Producer().open("runs", "metrics").start("paged")
    for step in range(7):
        producer.log((step, 1_000, None, {"loss": float("nan")}))
    sent = len(producer.finish().records)
    noise = Producer().open().start("noise")
    await noise.send(admin)
    await queryable(admin, await producer.send(admin))
    found: list[Any] = []
    cursor: str | None = None
    while True:
        params = {"limit": "3", "points": "true"} | ({"cursor": cursor} if cursor else {})
        page = (await admin.get(f"/api/v1/runs/{producer.run}/events", params=params)).json()
        assert len(page["events"]) <= 3
        found += page["events"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(found) == sent
    assert len({event["id"] for event in found}) == sent
    assert [event["time"] for event in found] == sorted(event["time"] for event in found)
    assert {event["subject"][1] for event in found} == {str(producer.run)}
    [first, *_] = [event for event in found if event["type"] == "metrics.logged"]
    assert first["data"]["logged"][0]["values"] == {"loss": "NaN"}
    only = await admin.get(f"/api/v1/runs/{producer.run}/events", params={"stream": "metrics"})
    assert {event["topic"] for event in only.json()["events"]} == {"metrics"}


async def test_delivery_of_a_whole_run_is_complete(admin: httpx.AsyncClient) -> None:
    producer = Producer().open("runs", "metrics").start().log((1, 1, None, {"a": 1.0}))
    await producer.send(admin)
    assert (await delivery(admin, producer))["verdict"] == "open"
    await producer.finish().send(admin)
    proof = await delivery(admin, producer)
    assert proof["verdict"] == "complete"
    assert proof["complete"] is True
    assert {(each["stream"], each["verdict"]) for each in proof["streams"]} == {
        ("runs", "complete"),
        ("metrics", "complete"),
    }


async def test_a_gap_is_missing_until_it_is_filled(admin: httpx.AsyncClient) -> None:
    producer = Producer().open().start()
    producer.say(RunNoted(notes="held back"))
    held = producer.records.pop()
    await producer.finish().send(admin)
    proof = await delivery(admin, producer)
    assert proof["verdict"] == "missing 1"
    assert proof["streams"][0]["missing"] == [[2, 2]]
    producer.records = [held]
    await producer.send(admin)
    assert (await delivery(admin, producer))["verdict"] == "complete"


async def test_given_up_calls_are_said(admin: httpx.AsyncClient) -> None:
    producer = Producer().open("runs", "metrics").start()
    producer.say(SeqVoided(reason="dropped"), "metrics", 5)
    await producer.finish().send(admin)
    proof = await delivery(admin, producer)
    assert proof["verdict"] == "complete with 5 voided"
    assert proof["voided"] == 5


async def delivery(client: httpx.AsyncClient, producer: Producer) -> dict[str, Any]:
    answer = await client.get(f"/api/v1/runs/{producer.run}/delivery", params={"timeout": 30})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_deleted_run_comes_back(admin: httpx.AsyncClient) -> None:
    producer = Producer().open().start("deleted")
    await queryable(admin, await producer.send(admin))
    path = f"/api/v1/runs/{producer.run}"
    assert (await admin.get(path)).status_code == 200
    deleted = await admin.delete(path, params={"reason": "a mistake"})
    assert deleted.json() == {"kind": "run", "id": str(producer.run), "deleted": True}
    assert (await admin.get(path)).status_code == 404
    assert (await admin.post(f"{path}/restore")).json()["deleted"] is False
    assert (await admin.get(path)).status_code == 200
    assert (await admin.delete(f"/api/v1/runs/{uuid4()}")).status_code == 404
    async with await make_client(admin, "viewer") as viewer:
        assert (await viewer.delete(path)).status_code == 403


async def logged_artifact(
    admin: httpx.AsyncClient, content: bytes, path: str, kind: str
) -> tuple[Producer, str]:
    """A run with one artifact; returns its producer and the artifact's id."""
    digest = sha256(content).hexdigest()
    assert (await admin.put(f"/api/v1/blobs/{digest}", content=content)).status_code in (200, 201)
    producer = Producer().open("runs", "artifacts").start()
    artifact = uuid7()
    producer.say(
        ArtifactLogged(
            artifact=artifact, path=path, type="other", size=len(content), sha256=digest, content_type=kind
        ),
        "artifacts",
    )
    await queryable(admin, await producer.send(admin))
    return producer, str(artifact)


async def test_an_artifact_comes_back_whole_and_in_parts(admin: httpx.AsyncClient) -> None:
    content = os.urandom(3_000_000)
    producer, artifact = await logged_artifact(admin, content, "model/last.pt", "application/octet-stream")
    listed = (await admin.get(f"/api/v1/runs/{producer.run}/artifacts")).json()["artifacts"]
    assert [(each["id"], each["path"], each["size_bytes"]) for each in listed] == [
        (artifact, "model/last.pt", len(content))
    ]
    path = f"/api/v1/artifacts/{artifact}/content"
    whole = await admin.get(path)
    assert whole.content == content
    assert whole.headers["content-disposition"].startswith("attachment")
    part = await admin.get(path, headers={"Range": "bytes=1000-1999"})
    assert part.status_code == 206
    assert part.content == content[1000:2000]
    assert part.headers["content-range"] == f"bytes 1000-1999/{len(content)}"
    assert (await admin.get(path, headers={"Range": "bytes=99999999-"})).status_code == 416
    assert (await admin.get(path, headers={"If-None-Match": whole.headers["etag"]})).status_code == 304
    link = await admin.get(path, params={"redirect": "1"})
    assert link.status_code == 307
    async with httpx.AsyncClient() as anybody:
        assert (await anybody.get(link.headers["location"])).content == content
    await admin.delete(f"/api/v1/artifacts/{artifact}")
    assert (await admin.get(path)).status_code == 404


async def test_content_is_stored_only_under_its_own_hash(admin: httpx.AsyncClient) -> None:
    content, wrong = os.urandom(100_000), sha256(os.urandom(8)).hexdigest()
    assert (await admin.put(f"/api/v1/blobs/{wrong}", content=content)).status_code == 422
    assert (await admin.head(f"/api/v1/blobs/{wrong}")).status_code == 404
    right = sha256(content).hexdigest()
    assert (await admin.put(f"/api/v1/blobs/{right}", content=content)).status_code == 201
    assert (await admin.put(f"/api/v1/blobs/{right}", content=content)).status_code == 200
    assert (await admin.head(f"/api/v1/blobs/{right}")).status_code == 200
    assert (await admin.put("/api/v1/blobs/nonsense", content=content)).status_code == 400


async def test_a_large_content_is_stored_in_parts(admin: httpx.AsyncClient) -> None:
    content = os.urandom(1 << 20) * 40
    _, artifact = await logged_artifact(admin, content, "large.bin", "application/octet-stream")
    assert (await admin.get(f"/api/v1/artifacts/{artifact}/content")).content == content


async def test_content_of_another_workspace_cannot_be_read(admin: httpx.AsyncClient) -> None:
    content = os.urandom(1_000)
    _, artifact = await logged_artifact(admin, content, "a.txt", "text/plain")
    digest = sha256(content).hexdigest()
    async with await make_client(admin, "admin", f"team-{uuid4().hex[:8]}") as team:
        assert (await team.get(f"/api/v1/artifacts/{artifact}/content")).status_code == 404
        assert (await team.get(f"/api/v1/blobs/{digest}")).status_code == 404
    assert (await admin.get(f"/api/v1/blobs/{digest}")).content == content


async def test_referenced_content_is_named_not_served(admin: httpx.AsyncClient) -> None:
    producer, artifact = Producer().open("runs", "artifacts").start(), uuid7()
    storage = {"kind": "reference", "uri": "s3://corpus/a.flac"}
    producer.say(
        ArtifactLogged(
            artifact=artifact, path="a.flac", type="audio", size=5, sha256="0" * 64, storage=storage
        ),
        "artifacts",
    )
    await queryable(admin, await producer.send(admin))
    answer = await admin.get(f"/api/v1/artifacts/{artifact}/content")
    assert answer.status_code == 409
    assert answer.json()["uri"] == "s3://corpus/a.flac"
