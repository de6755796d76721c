"""Reading the log in bulk into one sink: large fetches of all partitions, written while the next come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from speech_experiment_infra.connections import kafka_consumer
from speech_experiment_infra.settings import Settings

from ..feed import Bundle, Feed
from ..sink import Incoming, Sink

Ends = Mapping[int, int]
"""partition → offset."""

_FETCH = {
    "max_partition_fetch_bytes": 16 << 20,
    "fetch_max_bytes": 48 << 20,
    "fetch_max_wait_ms": 200,
    "request_timeout_ms": 60_000,
}


async def log_ends(settings: Settings, topic: str) -> dict[int, int]:
    """Where the partitions end now."""
    places = [TopicPartition(topic, partition) for partition in range(settings.partitions)]
    async with kafka_consumer(settings) as consumer:
        ends: dict[TopicPartition, int] = await consumer.end_offsets(places)
    return {place.partition: end for place, end in ends.items()}


async def read_in_bulk(
    settings: Settings, sink: Sink, ends: Ends, wrote: Callable[[list[Incoming]], None]
) -> None:
    """Writes everything from the sink's position up to the ends, of these partitions; `wrote` is called with each batch.

    Returns when it is written; raises what the sink or the log fail with.
    """
    following = await sink.next_offsets(ends)
    wanted = {partition: (following[partition], end) for partition, end in ends.items()}
    wanted = {partition: span for partition, span in wanted.items() if span[0] < span[1]}
    if not wanted:
        return
    limits = sink.bulk
    feed = Feed(max_records=limits.records, max_bytes=limits.bytes, held_bytes=limits.waiting)
    work = {_fetch(settings, sink.topic, wanted, feed), sink.watch()}
    beside = [asyncio.create_task(each) for each in work]
    try:
        write = asyncio.create_task(_write(sink, feed, dict(ends), following, wrote))
        beside.append(write)
        await _until_done(write, beside)
        await sink.next_offsets(ends)  # what is under way is written
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)


async def _until_done(write: asyncio.Task[None], tasks: list[asyncio.Task[None]]) -> None:
    """Waits for the writer; raises what any task fails with."""
    waiting = set(tasks)
    while not write.done():
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    write.result()


async def _write(
    sink: Sink,
    feed: Feed,
    ends: dict[int, int],
    following: dict[int, int],
    wrote: Callable[[list[Incoming]], None],
) -> None:
    while any(following[partition] < end for partition, end in ends.items()):
        batch = await feed.take()
        await sink.write_ahead(batch)
        for record in batch:
            following[record.partition] = record.offset + 1
        wrote(batch)


async def _fetch(settings: Settings, topic: str, wanted: Mapping[int, tuple[int, int]], feed: Feed) -> None:
    """Puts exactly the wanted spans into the feed."""
    left = {TopicPartition(topic, partition): end for partition, (_, end) in wanted.items()}
    async with kafka_consumer(settings, **_FETCH) as consumer:
        consumer.assign(list(left))
        for place in left:
            consumer.seek(place, wanted[place.partition][0])
        while left:
            await feed.room(3600.0)
            for place, fetched in (await _fetched(consumer, list(left))).items():
                records = [_incoming(each) for each in fetched if each.offset < left[place]]
                if records:
                    feed.put(Bundle(records, sum(len(record.value) for record in records)))
                if fetched[-1].offset + 1 >= left[place]:
                    del left[place]


async def _fetched(
    consumer: AIOKafkaConsumer, places: list[TopicPartition]
) -> dict[TopicPartition, list[Any]]:
    found: dict[TopicPartition, list[Any]] = await consumer.getmany(*places, timeout_ms=1_000)
    return {place: records for place, records in found.items() if records}


def _incoming(record: Any) -> Incoming:
    return Incoming(
        record.topic,
        record.partition,
        record.offset,
        record.timestamp,
        record.key,
        record.value or b"",
        record.headers,
    )
