"""Logs for the metadata tests: built from a seed, delivered badly, and folded purely to compare with."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from speech_experiment_consumers.intake import Letter, take_in
from speech_experiment_consumers.sink import Incoming
from speech_experiment_infra.connections import kafka_consumer, kafka_producer
from speech_experiment_infra.settings import Settings
from speech_experiment_projections import experiments, ledger, runs
from speech_experiment_projections.contacts import Beat
from speech_experiment_projections.recorded import Recorded
from speech_experiment_projections.refusal import Refused
from speech_experiment_projections.texts import to_json
from speech_experiment_schemas import Sealer, decode
from speech_experiment_schemas.envelope import encode_payload
from speech_experiment_schemas.experiments import (
    ExperimentCreated,
    ExperimentEvent,
    ExperimentRenamed,
    ExperimentUpdated,
)
from speech_experiment_schemas.ids import partition_of, uuid7
from speech_experiment_schemas.producers import ProducerClosed, ProducerOpened, SeqVoided
from speech_experiment_schemas.runs import (
    RunConfigured,
    RunEnvironment,
    RunFinished,
    RunHeartbeat,
    RunLinked,
    RunOutput,
    RunResumed,
    RunStarted,
    RunTagged,
)
from speech_experiment_schemas.stamps import stamp

UNSTORABLE = 2**63 + 1
"""An exit code that the events allow, and no column takes."""

Message = tuple[bytes, bytes, str]
"""(record key, value, workspace)"""


def run_messages(
    rng: random.Random, experiment: UUID, name: str, workspace: str = "default"
) -> list[Message]:
    """The records of one run: a trainer, its drain, a late attempt, a voided range."""
    run = uuid7()
    subject = ("run", run)
    trainer, drain = Sealer(uuid7(), "runs"), Sealer(uuid7(), "runs")
    raws = [
        trainer.seal(ProducerOpened(host="node", pid=rng.randrange(9_999)), subject),
        trainer.seal(
            RunStarted(
                experiment=experiment,
                experiment_name=name,
                name=f"run {rng.random()}",
                tags={"language": "en"},
            ),
            subject,
        ),
        drain.seal(ProducerOpened(role="drain"), subject),
        drain.seal(RunEnvironment(host="node", git={"commit": "a" * 40}, packages={"torch": "2"}), subject),
        trainer.seal(
            RunConfigured(config={"encoder": {"layers": rng.randrange(99)}, "lr": float("nan")}), subject
        ),
        trainer.seal(SeqVoided(reason="dropped"), subject, count=5),
    ]
    for index in range(rng.randrange(6)):
        raws.append(
            trainer.seal(RunTagged(tags={"a\0": str(index), rng.choice("xyz"): "v"}, removed=["w"]), subject)
        )
        raws.append(drain.seal(RunHeartbeat(problems={"dropped": index}), subject))
        raws.append(trainer.seal(RunOutput(channel="stdout", first=index, lines=["a", "b\0"]), subject))
    if rng.random() < 0.3:
        raws.append(trainer.seal(ProducerClosed(reason="lost"), subject))
        raws.append(Sealer(uuid7(), "runs").seal(RunResumed(attempt=2, from_step=7), subject))
    elif rng.random() < 0.8:
        raws.append(trainer.seal(RunLinked(kind="child_of", target=UUID(int=7)), subject))
        raws.append(trainer.seal(RunFinished(exit_code=UNSTORABLE), subject, ts=2**61))
        raws.append(trainer.seal(ProducerClosed(reason="finished"), subject))
    return [(run.bytes, raw, workspace) for raw in raws]


def experiment_messages(experiment: UUID, name: str) -> list[Message]:
    sealer, subject = Sealer(uuid7(), "runs"), ("experiment", experiment)
    payloads = [
        ProducerOpened(role="service"),
        ExperimentCreated(name=name, task="asr"),
        ExperimentUpdated(description="d", tags={"t": "1"}),
        ExperimentRenamed(name=f"{name}, renamed"),
    ]
    return [(experiment.bytes, sealer.seal(payload, subject), "default") for payload in payloads]


def recut(message: Message) -> list[Message]:
    """A voided range of five calls, cut into two and three."""
    key, value, workspace = message
    try:
        envelope = decode(value)
    except msgspec.DecodeError:
        return [message]
    if envelope.count != 5:
        return [message]
    pieces = [(envelope.seq, 2), (envelope.seq + 2, 3)]
    return [
        (
            key,
            msgspec.msgpack.Encoder(uuid_format="bytes").encode(
                msgspec.structs.replace(envelope, id=uuid7(), seq=seq, count=count)
            ),
            workspace,
        )
        for seq, count in pieces
    ]


def poison(run: UUID) -> list[Message]:
    """What must be parked: no msgpack, an unknown type, a control event, a stranger's event."""
    subject = ("run", run)
    unknown = Sealer(uuid7(), "runs").seal_raw("run.teleported", 1, encode_payload({"to": 3}), subject)
    forbidden = Sealer(uuid7(), "control").seal_raw("key.revoked", 1, encode_payload({}), ("key", run))
    stranger = Sealer(uuid7(), "runs").seal(RunTagged(tags={"mine": "now"}), subject)
    return [
        (run.bytes, b"\xc1garbage", "default"),
        (run.bytes, b"", "default"),
        (run.bytes, unknown, "default"),
        (run.bytes, forbidden, "default"),
        (run.bytes, stranger, "elsewhere"),
    ]


def bad_delivery(rng: random.Random, messages: Sequence[Message]) -> list[Message]:
    """Every record three times, one of them cut anew, near its place but out of order."""
    delivered = [
        (index + rng.random() * 40, piece) for index, each in enumerate(messages) for piece in recut(each)
    ]
    for _ in range(2):
        delivered += [(index + rng.random() * 40, each) for index, each in enumerate(messages)]
    return [message for _, message in sorted(delivered, key=lambda pair: pair[0])]


async def append(
    settings: Settings, messages: Sequence[Message], *, chunk: int = 500, pause: float = 0.0
) -> None:
    """Appends messages to the topic runs, in order."""
    async with kafka_producer(settings) as producer:
        for start in range(0, len(messages), chunk):
            sent = [
                await producer.send(
                    "runs",
                    value,
                    key=key,
                    partition=partition_of(key, settings.partitions),
                    headers=stamp("key:test", workspace),
                )
                for key, value, workspace in messages[start : start + chunk]
            ]
            await asyncio.gather(*sent)
            await asyncio.sleep(pause)


async def read_log(settings: Settings, topic: str = "runs") -> list[Incoming]:
    """The whole topic, partition by partition."""
    from aiokafka import TopicPartition

    records: list[Incoming] = []
    async with kafka_consumer(settings) as consumer:
        places = [TopicPartition(topic, partition) for partition in range(settings.partitions)]
        ends = await consumer.end_offsets(places)
        for place in places:
            consumer.assign([place])
            await consumer.seek_to_beginning(place)
            while await consumer.position(place) < ends[place]:
                for fetched in (await consumer.getmany(place, timeout_ms=1_000)).values():
                    records += [
                        Incoming(
                            r.topic, r.partition, r.offset, r.timestamp, r.key, r.value or b"", r.headers
                        )
                        for r in fetched
                    ]
    return records


class Folded:
    """The pure fold of a log: what every table must hold."""

    def __init__(self, log: Sequence[Incoming], partitions: int) -> None:
        self.accounts = ledger.Accounts()
        self.runs: dict[UUID, runs.Run] = {}
        self._own: dict[UUID, experiments.Experiment] = {}
        self._met: dict[tuple[UUID, int], experiments.Experiment] = {}
        self.versions: dict[UUID, list[tuple[int, runs.Version]]] = {}
        self.beats: set[tuple[UUID, Beat, str]] = set()
        self.experiment_versions: set[tuple[UUID, int, bytes]] = set()
        self.output: set[tuple[UUID, int, int, tuple[str, ...]]] = set()
        self.parked: dict[tuple[int, int], str] = {}
        for incoming in log:
            self._take(incoming, partitions)

    def _take(self, incoming: Incoming, partitions: int) -> None:
        taken = take_in(incoming, partitions)
        place = (incoming.partition, incoming.offset)
        if isinstance(taken, Letter):
            self.parked[place] = taken.reason
            return
        try:
            event = taken.recorded._replace(accepted=self.accounts.admit(taken.recorded))
            if event.accepted:
                self._apply(event)
                self.accounts.record(event)
        except Refused as refusal:
            self.parked[place] = refusal.reason

    def _apply(self, event: Recorded) -> None:
        payload: Any = event.payload
        if event.envelope.subject[0] == "run":
            self._apply_to_run(event)
        elif isinstance(payload, ExperimentEvent):
            known = self._own.get(event.subject) or self._met.get((event.subject, event.partition))
            experiment = experiments.evolve(known, event)
            self._own[event.subject] = experiment
            if experiment.offset == event.offset:
                self.experiment_versions.add((event.subject, event.offset, experiments.dump(experiment)))

    def _apply_to_run(self, event: Recorded) -> None:
        known = self.runs.get(event.subject)
        run = self.runs[event.subject] = runs.evolve(known, event)
        if known is None or run.version_offset == event.offset:
            self.versions.setdefault(run.id, []).append((event.offset, runs.dump_version(run, known)))
        payload = event.payload
        if isinstance(payload, RunHeartbeat):
            self.beats.add((run.id, Beat(event.offset, event.time), to_json(run.problems)))
        if isinstance(payload, RunOutput):
            lines = tuple(line.replace("\0", "\u2400") for line in payload.lines)
            self.output.add((run.id, event.partition, event.offset, lines))
        if isinstance(payload, RunStarted):
            met = experiments.of_run(event, payload)
            self._met.setdefault((met.id, met.partition), met)

    @property
    def experiments(self) -> dict[UUID, experiments.Experiment]:
        """Of several runs that name an experiment which nobody has created, the earliest counts."""
        met: dict[UUID, list[experiments.Experiment]] = {each: [] for each in self._own}
        for (experiment, _), each in self._met.items():
            met.setdefault(experiment, []).append(each)
        found = {each: experiments.shown(self._own.get(each), met[each]) for each in met}
        return {each: state for each, state in found.items() if state is not None}
