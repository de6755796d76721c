"""Which Kafka cluster holds the log. Apart from the worker, so that a rebuild's processes start without Faust."""

from __future__ import annotations

from aiokafka.errors import KafkaError

from speech_experiment_infra.connections import kafka_admin
from speech_experiment_infra.settings import Settings

from .postgres_sink import patiently
from .sink import WrongLog


async def cluster_id(settings: Settings, topic: str) -> str:
    """The id of the Kafka cluster, once it answers; checks that the topic has the partitions it must.

    Raises WrongLog on another number of partitions: records would be looked for in wrong places.
    """
    async for attempt in patiently(KafkaError):
        with attempt:
            async with kafka_admin(settings) as admin:
                cluster = await admin.describe_cluster()
                (description,) = await admin.describe_topics([topic])
    found = len(description["partitions"])
    if found != settings.partitions:
        raise WrongLog(
            f"topic {topic} has {found} partitions, the settings say {settings.partitions}: "
            "partition counts are fixed for the life of a log; correct the setting `partitions`"
        )
    return str(cluster["cluster_id"])
