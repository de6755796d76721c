"""A key of another workspace that knows everything about a run changes nothing of it, by any way in."""

from __future__ import annotations

import random
from typing import Any
from uuid import UUID

import httpx
import pytest

from speech_experiment_infra.connections import kafka_producer, postgres_pool
from speech_experiment_infra.settings import Settings
from speech_experiment_schemas import Sealer, decode
from speech_experiment_schemas.artifacts import ArtifactLogged
from speech_experiment_schemas.ids import experiment_id, run_hash, uuid7
from speech_experiment_schemas.metrics import pack_calls
from speech_experiment_schemas.producers import ProducerOpened
from speech_experiment_schemas.runs import RunNoted, RunResumed, RunStarted
from speech_experiment_schemas.stamps import stamp
from tests.integration import metrics_log
from tests.integration.gateway_tools import Producer, make_client, queryable
from tests.integration.metrics_log import Run, check, create_tables, open_sink, read_log, write_all

pytestmark = pytest.mark.stack

TOPICS = ("runs", "metrics", "artifacts")
PROJECTIONS = {"runs": "metadata_v1", "metrics": "metrics_v1", "artifacts": "artifacts_v1"}


def artifact(name: str) -> ArtifactLogged:
    return ArtifactLogged(artifact=uuid7(), path=name, type="text", size=1, sha256="0" * 64)


async def owners_run(admin: httpx.AsyncClient) -> Producer:
    """A run of the workspace `default`, known to all projections."""
    owner = Producer().open(*TOPICS).start("the owner's")
    owner.log((0, 1_000, None, {"loss": 1.0}), (1, 2_000, None, {"loss": 0.5}))
    owner.say(artifact("a.txt"), "artifacts")
    await queryable(admin, await owner.send(admin))
    return owner


def strange_words(run: UUID, producer: UUID) -> list[tuple[str, bytes]]:
    """(topic, record): all that a stranger may want to say about a run, under a producer id."""
    subject, words = ("run", run), []
    for topic in TOPICS:
        sealer = Sealer(producer, topic, seq=0 if producer.version == 7 else 100)
        payloads: list[Any] = [ProducerOpened(rank=3, attempt=9)]
        if topic == "runs":
            payloads += [RunNoted(notes="mine now"), RunResumed(attempt=9, from_step=0)]
        elif topic == "metrics":
            payloads += [RunResumed(attempt=9, from_step=0), pack_calls([(2, 1, None, {"loss": 66.0})])]
        else:
            payloads += [artifact("a.txt")]
        words += [(topic, sealer.seal(payload, subject)) for payload in payloads]
    return words


async def everything(admin: httpx.AsyncClient, run: UUID) -> list[Any]:
    """What the owner can ask about a run; without the vectors, which move with every record in the log."""
    paths = ("", "/curves?key=loss", "/artifacts", "/delivery", "/events?points=true")
    answers = []
    for path in paths:
        answer = await admin.get(f"/api/v1/runs/{run}{path}")
        assert answer.status_code == 200, answer.text
        answers.append({name: value for name, value in answer.json().items() if name != "vector"})
    return answers


async def test_the_gateway_refuses_records_about_another_workspaces_run(admin: httpx.AsyncClient) -> None:
    owner = await owners_run(admin)
    before = await everything(admin, owner.run)
    async with await make_client(admin, "editor", "strangers") as stranger:
        for producer in (uuid7(), owner.id):
            own = Producer().open().start("the stranger's")
            mixed = [*own.records, *(word for _, word in strange_words(owner.run, producer))]
            own.records = mixed
            reply = await own.send(stranger)
            assert reply.accepted == 2
            assert {refusal.code for refusal in reply.refused} == {"forbidden"}
            assert [refusal.index for refusal in reply.refused] == list(range(2, len(mixed)))
            await queryable(stranger, reply)
    assert await everything(admin, owner.run) == before


async def test_the_gateway_refuses_records_about_another_workspaces_experiment(
    admin: httpx.AsyncClient,
) -> None:
    name = f"E {uuid7()}"
    answer = Producer().open()
    answer.say(RunStarted(experiment=experiment_id("default", name), experiment_name=name, name="r"))
    await queryable(admin, await answer.send(admin))
    from speech_experiment_schemas.experiments import ExperimentRenamed

    thief = Sealer(uuid7(), "runs")
    records = [thief.seal(ExperimentRenamed(name="stolen"), ("experiment", experiment_id("default", name)))]
    async with await make_client(admin, "editor", "strangers") as stranger:
        own = Producer()
        own.records = records
        assert [refusal.code for refusal in (await own.send(stranger)).refused] == ["forbidden"]


async def test_records_that_pass_no_gateway_are_parked(admin: httpx.AsyncClient, settings: Settings) -> None:
    owner = await owners_run(admin)
    before = await everything(admin, owner.run)
    foreign = [*strange_words(owner.run, uuid7()), *strange_words(owner.run, owner.id)]
    places: dict[str, list[int]] = {topic: [] for topic in TOPICS}
    async with kafka_producer(settings) as producer:
        for topic, word in foreign:
            sent = await producer.send_and_wait(
                topic, word, key=owner.run.bytes, headers=stamp("key:x", "strangers")
            )
            places[topic].append(sent.offset)
    ends = ",".join(f"{topic}:0:{max(offsets)}" for topic, offsets in places.items())
    assert (await admin.get("/api/v1/wait", params={"positions": ends, "timeout": 30})).json()["queryable"]
    after = await everything(admin, owner.run)
    assert after[:-1] == before[:-1]
    async with postgres_pool(settings) as pool:
        for topic, schema in PROJECTIONS.items():
            rows = await pool.fetch(
                f'select reason from {schema}.dead_letters where topic = $1 and "offset" = any($2::bigint[])',
                topic,
                places[topic],
            )
            assert [row["reason"] for row in rows] == ["forbidden"] * len(places[topic])
    owner.log((2, 3_000, None, {"loss": 0.25}))
    await queryable(admin, await owner.finish().send(admin))
    [curve, _, delivery] = (await everything(admin, owner.run))[1:4]
    assert curve["curves"]["loss"]["value"] == [1.0, 0.5, 0.25]
    assert (delivery["complete"], delivery["missing"]) == (True, 0)


async def test_rebuilds_and_recovery_give_the_same(settings: Settings) -> None:
    """Whatever the batches, and when ClickHouse has lost its rows; strangers speak between the lines."""
    dice, version = random.Random(11), 1_700
    await create_tables(settings, version)
    runs = [Run(dice) for _ in range(3)]
    messages = [message for run in runs for message in run.messages(attempts=2, calls=30)]
    start = (await _end(settings)) if settings.partitions == 1 else 0
    await metrics_log.append(settings, messages[:1])
    for message in messages[1:]:
        await metrics_log.append(settings, [message])
        if dice.random() < 0.3:
            key, record = message
            other = Sealer(decode(record).producer, "metrics", seq=dice.randrange(80))
            word = other.seal(pack_calls([(0, 1, None, {"loss": 66.0})]), ("run", UUID(bytes=key)))
            own = Sealer(decode(record).producer, "metrics").seal(ProducerOpened(rank=7), ("run", uuid7()))
            await metrics_log.append(settings, [(key, word)], "strangers")
            await metrics_log.append(settings, [(decode(own).subject[1].bytes, own)], "strangers")
    await write_all(settings, version, dice)
    oracle = await check(settings, version)
    own_runs = {run_hash(run.id) for run in runs}
    own_points = [point for point in oracle.points if point.run in own_runs]
    assert own_points
    assert not any(point.value == repr(66.0) for point in own_points)
    async with open_sink(settings, version) as (sink, _):
        sink._table.delete_from(0, start + 10)
    await write_all(settings, version, dice)
    await check(settings, version)
    async with postgres_pool(settings) as pool:
        reasons = await pool.fetch(
            f'select distinct reason from metrics_v{version}.dead_letters where "offset" >= $1', start
        )
    assert [row["reason"] for row in reasons] == ["forbidden"]


async def _end(settings: Settings) -> int:
    return len(await read_log(settings))
