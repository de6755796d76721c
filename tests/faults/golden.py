"""Bytes of every event version ever written, through the real projections, beside new ones."""

from __future__ import annotations

import random

from speech_experiment_infra.connections import kafka_producer, postgres_pool
from speech_experiment_schemas import decode, event_types, record_key
from speech_experiment_schemas.ids import partition_of
from speech_experiment_schemas.stamps import stamp
from tests.unit.schemas.examples import golden_path

from .cluster import Cluster
from .oracle import Verdict
from .rounds import Rounds
from .servers import judged


async def upcast(cluster: Cluster, dice: random.Random, times: int) -> Verdict:
    """The corpus in any order, again and again, with new events between: nothing is parked, all is projected."""
    rounds = Rounds(dice)
    frozen = [golden_path(each.name, each.version).read_bytes() for each in event_types()]
    # All are of one producer and number, so that of each stream the first one counts. Those about evaluations were
    # frozen without a run, which makes them no events of any run's: they would be refused, and rightly. So would the
    # workspace be, where it comes first: it has the name of the cluster's own under another id.
    refused = ("evaluation", "workspace")
    corpus = [record for record in frozen if decode(record).subject[0] not in refused]
    cluster.start_all()
    before = cluster.parked()
    async with kafka_producer(cluster.settings) as producer:
        for _ in range(times):
            dice.shuffle(corpus)
            for record in corpus:
                envelope = decode(record)
                key = record_key(envelope)
                place = partition_of(key, cluster.partitions)
                headers = stamp("key:test", "default")
                await producer.send_and_wait(
                    envelope.stream, record, key=key, partition=place, headers=headers
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
