"""Where the log ends, and where it was at a moment."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from .positions import Place
from .stores import Connection

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer

_TIMEOUT = 5.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class LogEnds:
    """Asks the broker for offsets."""

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

    async def at_time(self, places: Iterable[Place], time: datetime) -> dict[Place, int]:
        """The offset of the first record that the broker took at that moment or later; the end if none was."""
        from aiokafka import TopicPartition

        consumer = self._connection.get()
        milliseconds = max(0, -((_EPOCH - time) // timedelta(milliseconds=1)))
        wanted = {TopicPartition(*place): milliseconds for place in places}
        if not wanted:
            return {}
        # The ends first: a record that comes in between is found by its time, or is later.
        ends = await self.at((place.topic, place.partition) for place in wanted)
        async with asyncio.timeout(_TIMEOUT):
            found = await consumer.offsets_for_times(wanted)
        places = {(place.topic, place.partition): record for place, record in found.items()}
        return {place: ends[place] if record is None else record.offset for place, record in places.items()}
