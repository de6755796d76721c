"""Live events on the real stack: within a second, and again from where a connection broke off."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import httpx
import msgspec
import psutil
import pytest

from speech_experiment_infra.state import stack_status
from speech_experiment_schemas.runs import RunOutput
from tests.conftest import RunningStack
from tests.integration.gateway_tools import Producer

pytestmark = pytest.mark.stack


class Event(NamedTuple):
    id: str
    name: str
    data: Any


async def events(response: httpx.Response) -> AsyncIterator[Event]:
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line.startswith(":"):
            continue
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            yield Event(fields.get("id", ""), fields["event"], msgspec.json.decode(fields["data"]))
            fields = {}


async def collect(stream: AsyncIterator[Event], count: int) -> list[Event]:
    return [await anext(stream) for _ in range(count)]


async def test_what_happens_is_told_within_a_second(admin: httpx.AsyncClient) -> None:
    producer, other = Producer(), Producer()
    async with admin.stream("GET", "/api/v1/live", params={"run": str(producer.run)}) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        stream = events(response)
        hello = await anext(stream)
        assert hello.name == "hello"
        started = time.monotonic()
        await other.open().start().send(admin)
        await producer.open("runs", "metrics").start("live").send(admin)
        first = await anext(stream)
        assert time.monotonic() - started < 1
        assert (first.name, first.data["status"]) == ("status", "running")
        assert first.data["run"] == str(producer.run)
        producer.log((1, 10, None, {"loss": 0.5, "acc": float("inf")}))
        producer.say(RunOutput(channel="stdout", first=0, lines=["epoch 1"]))
        await producer.send(admin)
        told = {event.name: event.data for event in await collect(stream, 2)}
        assert told["log"]["lines"] == ["epoch 1"]
        assert told["points"]["curves"]["loss"]["value"] == [0.5]
        assert told["points"]["curves"]["acc"]["value"] == ["Infinity"]


async def test_a_broken_connection_goes_on_where_it_was(admin: httpx.AsyncClient) -> None:
    producer = Producer().open("runs", "metrics").start()
    params = {"run": str(producer.run)}
    async with admin.stream("GET", "/api/v1/live", params=params) as response:
        stream = events(response)
        await anext(stream)
        await producer.send(admin)
        [seen] = await collect(stream, 1)
        assert seen.id
    for step in range(5):
        producer.log((step, 10, None, {"loss": float(step)}))
    await producer.finish().send(admin)
    async with admin.stream(
        "GET", "/api/v1/live", params=params, headers={"Last-Event-ID": seen.id}
    ) as response:
        stream = events(response)
        assert (await anext(stream)).name == "hello"
        missed = await collect(stream, 2)
    by_name = {event.name: event.data for event in missed}
    assert by_name["points"]["curves"]["loss"]["step"] == [0, 1, 2, 3, 4]
    assert by_name["status"]["status"] == "finished"


async def test_only_the_keys_asked_for_are_told(admin: httpx.AsyncClient) -> None:
    producer = Producer().open("runs", "metrics")
    async with admin.stream(
        "GET", "/api/v1/live", params={"run": str(producer.run), "key": "loss"}
    ) as response:
        stream = events(response)
        await anext(stream)
        await producer.log((1, 10, None, {"loss": 0.5, "acc": 0.1})).send(admin)
        event = await anext(stream)
    assert list(event.data["curves"]) == ["loss"]


async def test_viewers_that_went_leave_no_connections_behind(
    stack: RunningStack, admin: httpx.AsyncClient
) -> None:
    server = psutil.Process(stack_status(stack.data_dir)["children"]["api"]["pid"])
    before = len(server.net_connections())
    for _ in range(12):
        async with admin.stream("GET", "/api/v1/live") as response:
            await anext(events(response))
    deadline = time.monotonic() + 10
    while len(server.net_connections()) > before + 4 and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    assert len(server.net_connections()) <= before + 4


async def test_wrong_ids_are_refused(admin: httpx.AsyncClient) -> None:
    assert (await admin.get("/api/v1/live", params={"run": "x"})).status_code == 400
    answer = await admin.get("/api/v1/live", headers={"Last-Event-ID": "nonsense"})
    assert answer.status_code == 400
