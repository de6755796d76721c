"""Records made by hand and sent to the gateway as no well-behaved client would."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from itertools import pairwise
from uuid import UUID

import msgspec

from speech_experiment_schemas import Sealer
from speech_experiment_schemas.envelope import Envelope, decode, encode, encode_payload
from speech_experiment_schemas.ids import experiment_id, uuid7
from speech_experiment_schemas.metrics import Call, pack_calls
from speech_experiment_schemas.producers import ProducerClosed, ProducerOpened
from speech_experiment_schemas.runs import RunStarted
from speech_experiment_schemas.wire import CONTENT_TYPE, IngestReply, encode_batch

from .oracle import Testimony, fingerprint
from .stack import Stack

_reply = msgspec.msgpack.Decoder(IngestReply)


def post(stack: Stack, records: list[bytes]) -> tuple[int, IngestReply]:
    """Sends one batch; (status, reply)."""
    status, body = stack.request(
        "/api/v1/ingest", method="POST", body=encode_batch(records), Content_Type=CONTENT_TYPE
    )
    return status, _reply.decode(body)


@dataclass
class HandmadeRun:
    """A run whose records we hold in our hands, with the testimony that the oracle needs."""

    dice: random.Random
    id: UUID = field(default_factory=uuid7)
    producer: UUID = field(default_factory=uuid7)
    testimony: Testimony = field(default_factory=Testimony)
    calls: list[Call] = field(default_factory=list)

    def frame(self) -> list[bytes]:
        """The records of the stream `runs`."""
        sealer, subject = Sealer(self.producer, "runs"), ("run", self.id)
        started = RunStarted(
            experiment=experiment_id("default", "faults"), experiment_name="faults", name="handmade"
        )
        return [
            sealer.seal(payload, subject)
            for payload in (ProducerOpened(), started, ProducerClosed(reason="finished"))
        ]

    def log(self, count: int) -> None:
        for _ in range(count):
            n = len(self.calls)
            points = {"hand/n": float(n), "hand/loss": self.dice.gauss(0, 1)}
            self.calls.append((n, 1_763_900_000_000_000 + n, None, points))
            identity, digest = (self.id, f"hand/n={n}"), fingerprint(n, points)
            self.testimony.begun[identity] = self.testimony.returned[identity] = digest

    def metrics(self, cuts: list[int]) -> list[bytes]:
        """All calls as records cut at the given places: opened is seq 0, call n is seq n + 1, then closed."""
        sealer, subject = Sealer(self.producer, "metrics"), ("run", self.id)
        records = [sealer.seal(ProducerOpened(), subject)]
        edges = [0, *sorted(set(cuts) - {0, len(self.calls)}), len(self.calls)]
        for start, end in pairwise(edges):
            records.append(sealer.seal(pack_calls(self.calls[start:end]), subject, count=end - start))
        return [*records, sealer.seal(ProducerClosed(reason="finished"), subject)]

    def random_cuts(self) -> list[int]:
        return [self.dice.randrange(1, len(self.calls)) for _ in range(self.dice.randrange(1, 20))]


def poison(dice: random.Random, like: bytes) -> bytes:
    """A record that passes the gate and that no projection can take: a type of the future, or data of one."""
    envelope = decode(like)
    return encode(
        msgspec.structs.replace(
            envelope,
            id=uuid7(),
            producer=uuid7(),
            seq=0,
            count=1,
            type=dice.choice(["run.teleported", "metrics.dreamt"]),
            v=dice.randrange(1, 9),
            data=encode_payload({"noise": dice.random()}),
        )
    )


def garbage(dice: random.Random) -> bytes:
    """Bytes that are no record at all; the gate refuses them, so they are written straight to Kafka."""
    return dice.choice([b"", b"\xc1", dice.randbytes(40), b'{"json": true}'])


def refused_record(run: UUID) -> bytes:
    """A record that the gate refuses for its payload, from a producer of its own."""
    envelope = Envelope(
        type="run.renamed",
        v=1,
        id=uuid7(),
        subject=("run", run),
        producer=uuid7(),
        stream="runs",
        seq=0,
        count=1,
        ts=1,
        salt=bytes(16),
        prev=b"",
        data=encode_payload({"name": ""}),
    )
    return encode(envelope)
