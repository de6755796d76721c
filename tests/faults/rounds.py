"""Small loads for all four projections at once, written straight to the log, and what they must leave behind."""

from __future__ import annotations

import asyncio
import random
from hashlib import sha256
from uuid import UUID

from speech_experiment_infra.connections import kafka_producer
from speech_experiment_infra.settings import Settings
from speech_experiment_schemas import Sealer
from speech_experiment_schemas.artifacts import ArtifactLogged
from speech_experiment_schemas.control import (
    KeyCreated,
    KeyRevoked,
    MemberAdded,
    ShareCreated,
    ShareRevoked,
    SubjectDeleted,
    SubjectRestored,
)
from speech_experiment_schemas.ids import partition_of, uuid7
from speech_experiment_schemas.producers import ProducerClosed, ProducerOpened
from speech_experiment_schemas.runs import RunConfigured, RunTagged
from speech_experiment_schemas.stamps import stamp

from .deliveries import HandmadeRun, poison
from .oracle import Testimony

Message = tuple[str, bytes, bytes]
"""(topic, record key, record)"""


class Rounds:
    """Makes one run with its artifacts and some control events at a time, and remembers what it said of them."""

    def __init__(self, dice: random.Random, *, poisonous: bool = False) -> None:
        self.dice = dice
        self._poisonous = poisonous
        self._clerk = Sealer(uuid7(), "control")
        self.testimony = Testimony()

    def make(self, calls: int = 60) -> list[Message]:
        run = HandmadeRun(self.dice)
        run.log(calls)
        records = {"runs": self._metadata(run), "metrics": run.metrics(run.random_cuts())}
        messages = [(topic, run.id.bytes, each) for topic, made in records.items() for each in made]
        messages += [*self._artifacts(uuid7()), *self._control(run.id)]
        if self._poisonous:
            messages += self._poison()
        self.testimony.begun |= run.testimony.begun
        self.testimony.returned |= run.testimony.returned
        return messages

    def _metadata(self, run: HandmadeRun) -> list[bytes]:
        sealer, value = Sealer(uuid7(), "runs"), str(self.dice.random())
        config = RunConfigured(config={"oracle_0": value, "layers": self.dice.randrange(99)})
        run.testimony.begun[run.id, "oracle_0"] = run.testimony.returned[run.id, "oracle_0"] = value
        payloads = [ProducerOpened(), config, RunTagged(tags={"language": self.dice.choice(["en", "de"])})]
        return run.frame() + [sealer.seal(payload, ("run", run.id)) for payload in payloads]

    def _artifacts(self, run: UUID) -> list[Message]:
        """Of a run of their own: the oracle asks for contents, and these have none."""
        sealer, subject = Sealer(uuid7(), "artifacts"), ("run", run)
        records = [sealer.seal(ProducerOpened(), subject)]
        for _ in range(self.dice.randrange(1, 6)):
            content = self.dice.randbytes(8)
            logged = ArtifactLogged(
                artifact=uuid7(),
                path=self.dice.choice(["model.pt", "results.json"]),
                type="checkpoint",
                size=len(content),
                sha256=sha256(content).hexdigest(),
            )
            records.append(sealer.seal(logged, subject))
        records.append(sealer.seal(ProducerClosed(reason="finished"), subject))
        return [("artifacts", run.bytes, record) for record in records]

    def _poison(self) -> list[Message]:
        run = uuid7()
        topics = ("runs", "metrics", "artifacts")
        likes = [Sealer(uuid7(), topic).seal(ProducerOpened(), ("run", run)) for topic in topics]
        return [
            (topic, run.bytes, poison(self.dice, like)) for topic, like in zip(topics, likes, strict=True)
        ]

    def _control(self, run: UUID) -> list[Message]:
        """Control events have one producer for subjects of all partitions, as the gateway's have."""
        key, person, link = uuid7(), uuid7(), uuid7()
        digest = sha256(key.bytes).hexdigest()
        events = [
            (KeyCreated(workspace="default", role="viewer", sha256=digest, hint="abcd"), ("key", key)),
            (MemberAdded(workspace="default", name="Ana", role="editor"), ("person", person)),
            (SubjectDeleted(reason="a test"), ("run", run)),
            (
                ShareCreated(
                    workspace="default",
                    path=f"/runs/{run}",
                    expires=2**50,
                    sha256=sha256(link.bytes).hexdigest(),
                    hint="abcd",
                ),
                ("share", link),
            ),
            (ShareRevoked(reason="a test"), ("share", link)),
            (KeyRevoked(reason="a test"), ("key", key)),
            (SubjectRestored(), ("run", run)),
        ]
        kept = [each for each in events if self.dice.random() < 0.8 or each is events[0]]
        return [
            ("control", subject[1].bytes, self._clerk.seal(payload, subject)) for payload, subject in kept
        ]

    async def send(self, settings: Settings, count: int = 1, calls: int = 60) -> int:
        """Appends so many rounds; returns how many records that were."""
        messages = [message for _ in range(count) for message in self.make(calls)]
        async with kafka_producer(settings) as producer:
            sent = [
                await producer.send(
                    topic,
                    record,
                    key=key,
                    partition=partition_of(key, settings.partitions),
                    headers=stamp("key:test", "default"),
                )
                for topic, key, record in messages
            ]
            await asyncio.gather(*sent)
        return len(messages)
