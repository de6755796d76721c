"""The topics of the log: created once with settings under which no record is ever dropped.

Records are immutable and kept for ever, and the partition of a record follows from its key, so
neither retention nor the number of partitions may change later.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .connections import kafka_admin
from .settings import MAX_RECORD_BYTES, TOPICS, Settings

if TYPE_CHECKING:
    from aiokafka.admin import AIOKafkaAdminClient

_ANSWER_EVERY_S = 0.1


class TopicError(Exception):
    """A topic is not what the settings say, or could lose data."""


@dataclass(frozen=True, slots=True)
class TopicState:
    """What the brokers say about one topic; ``replicas`` is the smallest of its partitions."""

    name: str
    partitions: int
    replicas: int
    config: dict[str, str]


def topic_config(settings: Settings) -> dict[str, str]:
    """Configuration of every topic."""
    replicas = settings.replication_factor
    return {
        "cleanup.policy": "delete",
        "retention.ms": "-1",
        "retention.bytes": "-1",
        "message.timestamp.type": "LogAppendTime",
        "max.message.bytes": str(MAX_RECORD_BYTES),
        "min.insync.replicas": str(max(1, replicas - 1)),
        "unclean.leader.election.enable": "false",
    }


async def ensure_topics(settings: Settings, *, timeout_s: float = 30.0) -> list[str]:
    """Create the topics that are missing, waiting for the brokers to answer; returns their names.

    Raises:
        TopicError: a topic has another number of partitions, or no broker answers.
    """
    from aiokafka.admin import NewTopic
    from aiokafka.errors import KafkaError, TopicAlreadyExistsError

    deadline = time.monotonic() + timeout_s
    while True:
        try:
            async with kafka_admin(settings) as admin:
                present = {state.name: state for state in await topic_states(admin)}
                _check_partitions(settings, present)
                missing = [name for name in TOPICS if name not in present]
                wanted = [
                    NewTopic(
                        name,
                        settings.partitions,
                        settings.replication_factor,
                        topic_configs=topic_config(settings),
                    )
                    for name in missing
                ]
                if wanted:
                    await admin.create_topics(wanted)
                return missing
        except TopicAlreadyExistsError:
            continue
        except (KafkaError, OSError) as error:
            if time.monotonic() > deadline:
                raise TopicError(f"no answer from Kafka at {settings.kafka_bootstrap}: {error}") from error
            await asyncio.sleep(_ANSWER_EVERY_S)


async def topic_states(admin: AIOKafkaAdminClient, names: Sequence[str] = TOPICS) -> list[TopicState]:
    """State of those of ``names`` that exist."""
    from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

    described = [one for one in await admin.describe_topics(list(names)) if not one["error_code"]]
    resources = [ConfigResource(ConfigResourceType.TOPIC, one["topic"]) for one in described]
    answers = await admin.describe_configs(resources) if resources else []
    configs: dict[str, dict[str, str]] = {}
    for answer in answers:
        for _code, _message, _kind, name, entries in answer.resources:
            configs[name] = {entry[0]: entry[1] for entry in entries}
    return [
        TopicState(
            one["topic"],
            len(one["partitions"]),
            min((len(partition["replicas"]) for partition in one["partitions"]), default=0),
            configs.get(one["topic"], {}),
        )
        for one in described
    ]


def _check_partitions(settings: Settings, present: dict[str, TopicState]) -> None:
    for state in present.values():
        if state.partitions != settings.partitions:
            raise TopicError(
                f"topic {state.name} has {state.partitions} partitions, the settings say "
                f"{settings.partitions}: the partition of a record follows from its key, so the number is "
                f"fixed for the life of a log; set partitions={state.partitions} or use another cluster"
            )


def topic_faults(state: TopicState) -> list[str]:
    """Why a topic of an external cluster could lose or drop records; empty when it could not."""
    config = state.config
    in_sync = int(config.get("min.insync.replicas", "1"))
    checks = [
        (state.replicas < 3, f"replication factor {state.replicas}, needs 3 or more"),
        (in_sync < 2, f"min.insync.replicas={in_sync}, needs 2 or more"),
        (config.get("unclean.leader.election.enable") == "true", "unclean leader election is on"),
        (config.get("retention.ms") != "-1", f"retention.ms={config.get('retention.ms')}, needs -1"),
        (config.get("retention.bytes") != "-1", f"retention.bytes={config.get('retention.bytes')}, needs -1"),
        ("compact" in config.get("cleanup.policy", ""), "cleanup.policy compacts, needs delete"),
        (
            config.get("message.timestamp.type") != "LogAppendTime",
            f"message.timestamp.type={config.get('message.timestamp.type')}, needs LogAppendTime",
        ),
        (
            int(config.get("max.message.bytes", "0")) < MAX_RECORD_BYTES,
            f"max.message.bytes={config.get('max.message.bytes')}, needs {MAX_RECORD_BYTES} or more",
        ),
    ]
    return [f"{state.name}: {fault}" for failed, fault in checks if failed]
