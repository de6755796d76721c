"""Ingest on the real stack: what is answered is in the log, and nothing else is."""

from __future__ import annotations

import asyncio
import gzip
import time
from typing import Any

import httpx
import pytest
import zstandard
from aiokafka import TopicPartition

from speech_experiment_infra.connections import kafka_consumer
from speech_experiment_infra.settings import Settings
from speech_experiment_schemas import Sealer, wire
from speech_experiment_schemas.control import KeyCreated
from speech_experiment_schemas.ids import partition_of, uuid7
from speech_experiment_schemas.stamps import read_stamps
from tests.integration.gateway_tools import Producer, make_client, post, queryable, reply_of

pytestmark = pytest.mark.stack


async def log_of(settings: Settings, topic: str, producer: Producer, until: int) -> list[Any]:
    """The producer's records in a topic, up to an offset."""
    place = TopicPartition(topic, partition_of(producer.run.bytes, settings.partitions))
    found = []
    async with kafka_consumer(settings) as consumer:
        consumer.assign([place])
        consumer.seek(place, 0)
        while await consumer.position(place) <= until:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found += [record for record in records if record.key == producer.run.bytes]
    return found


async def test_what_is_acknowledged_is_in_the_log_in_order_with_stamps(
    admin: httpx.AsyncClient, settings: Settings
) -> None:
    producer = Producer().open("runs", "metrics").start()
    for step in range(20):
        producer.log((step, 1_000, None, {"loss": 1.0 / (step + 1)}))
    sent = list(producer.records)
    before = time.time_ns() // 1000
    reply = await producer.send(admin)
    assert reply.accepted == len(sent)
    assert reply.refused == []
    ends = {topic: offset for topic, _, offset in reply.positions}
    logged = [
        record
        for topic in ("runs", "metrics")
        for record in await log_of(settings, topic, producer, ends[topic])
    ]
    assert sorted(record.value for record in logged) == sorted(sent)
    metrics = [record.value for record in logged if record.topic == "metrics"]
    assert metrics == [record for record in sent if record in set(metrics)]
    stamps = read_stamps(logged[0].headers)
    assert stamps.workspace == "default"
    assert stamps.actor.startswith("key:")
    assert stamps.received_at is not None
    assert before <= stamps.received_at <= time.time_ns() // 1000


async def test_bad_records_are_named_and_good_ones_kept(admin: httpx.AsyncClient, settings: Settings) -> None:
    producer = Producer().open().start()
    good = list(producer.records)
    control = Sealer(uuid7(), "control").seal(
        KeyCreated(workspace="default", role="admin", sha256="0" * 64, hint="x"), ("key", uuid7())
    )
    response = await post(admin, wire.encode_batch([good[0], b"junk", control, good[1]]))
    assert response.status_code == 422
    reply = reply_of(response)
    assert [(each.index, each.code, each.field) for each in reply.refused] == [
        (1, "malformed", "record"),
        (2, "forbidden", "stream"),
    ]
    [(topic, _, offset)] = reply.positions
    assert [record.value for record in await log_of(settings, topic, producer, offset)] == good


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
async def test_compressed_batches(admin: httpx.AsyncClient, encoding: str) -> None:
    compress = gzip.compress if encoding == "gzip" else zstandard.compress
    body = compress(wire.encode_batch(Producer().open().start().records))
    assert reply_of(await post(admin, body, {"Content-Encoding": encoding})).accepted == 2


async def test_what_is_no_batch_is_refused(admin: httpx.AsyncClient) -> None:
    assert (await post(admin, b"nonsense")).status_code == 400
    assert (await post(admin, b"x" * (wire.MAX_BATCH_BYTES + 1))).status_code == 413
    assert (
        await post(admin, zstandard.compress(b"\0" * 50_000_000), {"Content-Encoding": "zstd"})
    ).status_code == 413
    assert (await post(admin, b"x", {"Content-Encoding": "br"})).status_code == 415
    too_many = wire.encode_batch([b""] * (wire.MAX_BATCH_RECORDS + 1))
    assert (await post(admin, too_many)).status_code == 413
    empty = reply_of(await post(admin, wire.encode_batch([])))
    assert (empty.accepted, empty.positions) == (0, [])


async def test_ingest_needs_an_editor(admin: httpx.AsyncClient) -> None:
    body = wire.encode_batch(Producer().open().records)
    async with httpx.AsyncClient(base_url=admin.base_url) as nobody:
        answer = await post(nobody, body)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    async with await make_client(admin, "viewer") as viewer:
        assert (await post(viewer, body)).status_code == 403
    async with await make_client(admin, "editor") as editor:
        assert reply_of(await post(editor, body)).accepted == 1


async def test_what_was_written_can_be_waited_for(admin: httpx.AsyncClient) -> None:
    producer = Producer().open().start("waited for")
    await queryable(admin, await producer.send(admin))
    events = (await admin.get(f"/api/v1/runs/{producer.run}/events")).json()["events"]
    assert [event["type"] for event in events] == ["producer.opened", "run.started"]
    beyond = await admin.get("/api/v1/wait", params={"positions": "runs:0:999999999", "timeout": 0.1})
    assert beyond.status_code == 408
    assert beyond.json()["queryable"] is False


async def test_the_reference_and_the_probes_are_public(admin: httpx.AsyncClient) -> None:
    async with httpx.AsyncClient(base_url=admin.base_url) as nobody:
        assert (await nobody.get("/healthz")).json() == {"status": "ok"}
        assert (await nobody.get("/readyz")).json()["ready"] is True
        assert "speech_tracker_projection_lag" in (await nobody.get("/metrics")).text
        document = (await nobody.get("/api/v1/openapi.json")).json()
        page = await nobody.get("/docs")
    assert document["openapi"].startswith("3.")
    assert "sha256-" in page.headers["content-security-policy"]


async def test_the_status_names_every_projection_and_worker(admin: httpx.AsyncClient) -> None:
    names = {"metadata", "metrics", "scores", "artifacts", "control"}
    async with asyncio.timeout(15):
        while True:
            status = (await admin.get("/api/v1/status")).json()
            if names <= {worker["projection"] for worker in status["workers"]}:
                break
            await asyncio.sleep(0.2)  # they report every two seconds
    assert status["ready"] is True
    assert {projection["name"] for projection in status["projections"]} == names
