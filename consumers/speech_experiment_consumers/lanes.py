"""Lanes: several processes read the same partitions of a rebuild, and each writes the runs that fall to it.

A lane has positions of its own: rows of the version's positions under the topic's name with a number. So what holds
for partitions holds for lanes, and a process that is killed loses and doubles nothing. When all lanes have come to the
same place, the version's own positions are set there, and the lanes are closed.

An event about an experiment goes on from what runs before it said. Such events are in lane 0, which waits
with them until the others have passed their place in the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from .sql import statement

_POLL_SECONDS = 0.02
_OF_TOPIC = "split_part(topic, '#', 1) = $1 and topic <> $1"

_OPEN = """
insert into {schema}.positions
    (topic, partition, next_offset, cluster_id, first_offset, first_hash, last_hash, last_time, generation)
select lane.topic, p.partition, p.next_offset, p.cluster_id, p.first_offset, p.first_hash, p.last_hash,
       p.last_time, p.generation
from {schema}.positions p cross join unnest($2::text[]) as lane (topic) where p.topic = $1
"""
_COUNT = f"select count(distinct topic) from {{schema}}.positions where {_OF_TOPIC}"  # noqa: S608
_SLOWEST = f"""
select partition, min(next_offset) as next_offset from {{schema}}.positions where {_OF_TOPIC} group by partition
"""  # noqa: S608
_OTHERS = f"""
select count(*) from {{schema}}.positions p join unnest($3::int[], $4::bigint[]) as n (partition, next_offset)
    using (partition)
where {_OF_TOPIC} and topic <> $2 and p.next_offset < n.next_offset
"""  # noqa: S608
_CLOSE = f"""
with lanes as (delete from {{schema}}.positions where {_OF_TOPIC} returning *)
update {{schema}}.positions p
set next_offset = l.next_offset, cluster_id = l.cluster_id, first_offset = l.first_offset, first_hash = l.first_hash,
    last_hash = l.last_hash, last_time = l.last_time, applied_at = l.applied_at
from lanes l where p.topic = $1 and p.partition = l.partition and l.topic = $2
"""  # noqa: S608
_ENDS = f"""
select partition from {{schema}}.positions where {_OF_TOPIC}
group by partition having count(distinct next_offset) > 1
"""  # noqa: S608


class _About(msgspec.Struct):
    """What of an envelope tells the run."""

    subject: tuple[str, UUID]
    run: UUID | None = None


_about = msgspec.msgpack.Decoder(_About)


class Lane(NamedTuple):
    """One of so many lanes; number: from 0."""

    number: int
    of: int

    def topic(self, topic: str) -> str:
        """The name under which its positions stand."""
        return f"{topic}#{self.number}/{self.of}"

    def has(self, value: bytes) -> bool:
        """Whether a record is this lane's; one that cannot be read is lane 0's, as is what is about no run."""
        try:
            about = _about.decode(value)
        except msgspec.DecodeError:
            return self.number == 0
        run = about.subject[1] if about.subject[0] == "run" else about.run
        return (0 if run is None else run.int % self.of) == self.number


def lanes(count: int) -> list[Lane]:
    return [Lane(number, count) for number in range(count)]


async def open_lanes(connection: Any, schema: str, topic: str, count: int) -> None:
    """Begins lanes where the version stands."""
    names = [lane.topic(topic) for lane in lanes(count)]
    await connection.execute(statement(_OPEN, schema), topic, names)


async def count_lanes(connection: Any, schema: str, topic: str) -> int:
    """How many are open; 0: none."""
    found: int = await connection.fetchval(statement(_COUNT, schema), topic)
    return found


async def slowest(connection: Any, schema: str, topic: str) -> dict[int, int]:
    """partition → next offset of the lane that is the furthest behind."""
    rows = await connection.fetch(statement(_SLOWEST, schema), topic)
    return {row["partition"]: row["next_offset"] for row in rows}


async def close_lanes(connection: Any, schema: str, topic: str, count: int) -> None:
    """Puts the version's positions where all lanes are, in one transaction.

    Raises:
        RuntimeError: they are at different places.
    """
    async with connection.transaction():
        apart = await connection.fetch(statement(_ENDS, schema), topic)
        if apart:
            raise RuntimeError(
                f"the lanes of {schema} are apart in partitions {[row['partition'] for row in apart]}"
            )
        await connection.execute(statement(_CLOSE, schema), topic, Lane(0, count).topic(topic))


async def wait_for_others(pool: Any, schema: str, topic: str, lane: Lane, ends: Mapping[int, int]) -> None:
    """Returns when the other lanes have written all before these offsets: partition → offset."""
    asked = (topic, lane.topic(topic), list(ends), list(ends.values()))
    while await pool.fetchval(statement(_OTHERS, schema), *asked):  # noqa: ASYNC110 - told by no event
        await asyncio.sleep(_POLL_SECONDS)
