"""Reading stretches of several topics in one go, in bulk: a consumer of its own for each sweep."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from typing import NamedTuple

from speech_experiment_infra.connections import kafka_consumer

from .log_reader import LogRecord, log_record
from .positions import Place
from .problems import Problem
from .settings import ApiSettings

_POLL_MS = 200
_MOST_RECORDS = 2_000


class Stretch(NamedTuple):
    """Offsets start … stop - 1 of a partition."""

    start: int
    stop: int


class Moment(NamedTuple):
    """A stretch of broker time, in milliseconds, both ends included."""

    first: int
    last: int


async def sweep(
    settings: ApiSettings, stretches: Mapping[Place, Stretch], deadline: float
) -> AsyncIterator[list[LogRecord]]:
    """All records of the stretches in chunks, each partition in log order.

    deadline: on the monotonic clock; after it the sweep ends with a Problem (503).
    """
    from aiokafka import TopicPartition

    waiting = {
        TopicPartition(*place): stretch
        for place, stretch in stretches.items()
        if stretch.start < stretch.stop
    }
    if not waiting:
        return
    async with kafka_consumer(settings) as consumer:
        consumer.assign(list(waiting))
        for place, stretch in waiting.items():
            consumer.seek(place, stretch.start)
        while waiting:
            _check(deadline)
            fetched = await consumer.getmany(*waiting, timeout_ms=_POLL_MS, max_records=_MOST_RECORDS)
            for place, records in fetched.items():
                stop = waiting[place].stop
                yield [log_record(record) for record in records if record.offset < stop]
                if records and records[-1].offset + 1 >= stop:
                    del waiting[place]


def _check(deadline: float) -> None:
    if time.monotonic() > deadline:
        detail = "reading the log took longer than the timeout; ask for fewer runs at once, or give it longer"
        raise Problem(503, "timeout", detail, headers={"Retry-After": "1"})


async def offsets_at(
    settings: ApiSettings, moments: Mapping[Place, Moment]
) -> tuple[dict[Place, Stretch], dict[Place, int]]:
    """(offsets that were appended in a stretch of time, where the log ends), per place."""
    from aiokafka import TopicPartition

    places = {TopicPartition(*place): moment for place, moment in moments.items()}
    if not places:
        return {}, {}
    async with asyncio.timeout(10), kafka_consumer(settings) as consumer:
        ends = await consumer.end_offsets(list(places))
        firsts = await consumer.offsets_for_times({place: moment.first for place, moment in places.items()})
        afters = await consumer.offsets_for_times(
            {place: moment.last + 1 for place, moment in places.items()}
        )
    found = {
        (place.topic, place.partition): Stretch(
            *(ends[place] if each[place] is None else each[place].offset for each in (firsts, afters))
        )
        for place in places
    }
    return found, {(place.topic, place.partition): end for place, end in ends.items()}
