"""Where the log ends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

from .positions import Place
from .stores import Connection

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer

_TIMEOUT = 5.0


class LogEnds:
    """Asks the broker for end offsets."""

    def __init__(self, connection: Connection[AIOKafkaConsumer], partitions: int) -> None:
        self._connection = connection
        self._partitions = partitions

    async def of(self, *topics: str) -> dict[Place, int]:
        """{(topic, partition): offset that the next record will get}."""
        return await self.at((topic, each) for topic in topics for each in range(self._partitions))

    async def at(self, places: Iterable[Place]) -> dict[Place, int]:
        """As of, for given places; raises TimeoutError or a 503 when the broker is away."""
        from aiokafka import TopicPartition

        consumer = self._connection.get()
        wanted = [TopicPartition(*place) for place in places]
        async with asyncio.timeout(_TIMEOUT):
            ends = await consumer.end_offsets(wanted)
        return {(place.topic, place.partition): offset for place, offset in ends.items()}
