"""What the tests of the gateway share: producers that speak, and clients of several roles."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

import httpx
import msgspec

from speech_experiment_schemas import Sealer, wire
from speech_experiment_schemas.ids import uuid7
from speech_experiment_schemas.metrics import Call, pack_calls
from speech_experiment_schemas.producers import ProducerClosed, ProducerOpened
from speech_experiment_schemas.runs import RunFinished, RunStarted


class Producer:
    """One producer of one run, and its streams; `records` wait to be sent."""

    def __init__(self, run: UUID | None = None) -> None:
        self.run = run or uuid7()
        self.id = uuid7()
        self.records: list[bytes] = []
        self._sealers: dict[str, Sealer] = {}

    def say(self, payload: msgspec.Struct, stream: str = "runs", count: int = 1) -> bytes:
        sealer = self._sealers.setdefault(stream, Sealer(self.id, stream))
        self.records.append(sealer.seal(payload, ("run", self.run), count=count))
        return self.records[-1]

    def open(self, *streams: str) -> Producer:
        for stream in streams or ("runs",):
            self.say(ProducerOpened(), stream)
        return self

    def start(self, name: str = "a run", experiment: UUID | None = None) -> Producer:
        self.say(RunStarted(experiment=experiment or uuid7(), experiment_name="an experiment", name=name))
        return self

    def log(self, *calls: Call) -> Producer:
        self.say(pack_calls(calls), "metrics", len(calls))
        return self

    def finish(self) -> Producer:
        self.say(RunFinished())
        for stream in self._sealers:
            self.say(ProducerClosed(reason="finished"), stream)
        return self

    async def send(self, client: httpx.AsyncClient) -> wire.IngestReply:
        """Sends what waits and returns the reply."""
        body, self.records = wire.encode_batch(self.records), []
        return reply_of(await post(client, body))


async def post(
    client: httpx.AsyncClient, body: bytes, headers: Mapping[str, str] | None = None
) -> httpx.Response:
    return await client.post(
        "/api/v1/ingest", content=body, headers={"Content-Type": wire.CONTENT_TYPE, **(headers or {})}
    )


def reply_of(response: httpx.Response) -> wire.IngestReply:
    assert response.status_code in (200, 422), response.text
    return msgspec.msgpack.decode(response.content, type=wire.IngestReply)


async def queryable(client: httpx.AsyncClient, reply: wire.IngestReply) -> None:
    """Returns when all that a reply named is projected."""
    positions = ",".join(f"{topic}:{partition}:{offset}" for topic, partition, offset in reply.positions)
    answer = await client.get("/api/v1/wait", params={"positions": positions, "timeout": 30})
    assert answer.json() == {"queryable": True}


async def make_client(admin: httpx.AsyncClient, role: str, workspace: str | None = None) -> httpx.AsyncClient:
    """A client with a new key of a role."""
    answer = await admin.post("/api/v1/keys", json={"role": role, "workspace": workspace, "label": "test"})
    assert answer.status_code == 201, answer.text
    return httpx.AsyncClient(
        base_url=admin.base_url, timeout=60, headers={"Authorization": f"Bearer {answer.json()['key']}"}
    )
