"""Bytes of every event version ever written, through the real projections, beside new ones."""

from __future__ import annotations

import random

from speech_experiment_infra.connections import kafka_producer
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
    corpus = [golden_path(each.name, each.version).read_bytes() for each in event_types()]
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
        verdict.blame("lost", f"{parked} records of the corpus were parked")
    return verdict
