"""Bytes of every event version ever written, through the real projections, beside new ones."""

from __future__ import annotations

import random

import msgspec

from speech_experiment_infra.connections import kafka_producer, postgres_pool
from speech_experiment_schemas import decode, encode, event_types, record_key
from speech_experiment_schemas.ids import partition_of, uuid7
from speech_experiment_schemas.stamps import stamp
from tests.unit.schemas.examples import golden_path

from .cluster import Cluster
from .oracle import Verdict
from .rounds import Rounds
from .servers import judged

REFUSED = frozenset({"test_set.reference_corrected", "test_set.reference_marked", "workspace.created"})
"""Types whose frozen events are refused, and rightly: the frozen list of the test set is not complete, so that there
is no reference to speak of, and the workspace has the name of the cluster's own under another id."""


async def upcast(cluster: Cluster, dice: random.Random, times: int) -> Verdict:
    """The corpus in any order, again and again, with new events between: nothing is parked, all is projected."""
    rounds = Rounds(dice)
    frozen = [decode(golden_path(each.name, each.version).read_bytes()) for each in event_types()]
    # Those about evaluations were frozen without a run, and are refused too. All were frozen as the first of one
    # producer: as they are, only one of a stream would count.
    corpus = [
        msgspec.structs.replace(each, id=uuid7(), producer=uuid7())
        for each in frozen
        if each.type not in REFUSED and each.subject[0] != "evaluation"
    ]
    cluster.start_all()
    before = cluster.parked()
    async with kafka_producer(cluster.settings) as producer:
        for _ in range(times):
            dice.shuffle(corpus)
            for envelope in corpus:
                key = record_key(envelope)
                place = partition_of(key, cluster.partitions)
                headers = stamp("key:test", "default")
                await producer.send_and_wait(
                    envelope.stream, encode(envelope), key=key, partition=place, headers=headers
                )
            await rounds.send(cluster.settings)
    verdict = await judged(cluster, rounds, versions=len(corpus))
    if parked := cluster.parked() - before:
        verdict.blame("lost", f"{parked} records of the corpus were parked: {await _errors(cluster)}")
    return verdict


async def _errors(cluster: Cluster) -> list[str]:
    """Why, for each dead letter that there is."""
    async with postgres_pool(cluster.settings) as pool:
        tables = await pool.fetch(
            "select table_schema from information_schema.tables where table_name = 'dead_letters'"
        )
        union = " union all ".join(
            f"select topic, error from {each['table_schema']}.dead_letters" for each in tables
        )
        return [f"{row['topic']}: {row['error']}" for row in await pool.fetch(union)]
