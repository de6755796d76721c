"""How far the projections are: for waiting until what was written can be read, and for lag."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from .problems import bad_request
from .versions import PROJECTION_OF, TOPIC_OF, schema_name

if TYPE_CHECKING:
    from .stores import Stores

Place = tuple[str, int]
"""(topic, partition)"""
NO_LOG = bytes(8)
"""The name of a log that nothing was read from yet."""
_POLL_SECONDS = 0.01
_FRESH_SECONDS = 0.004


class Offsets(NamedTuple):
    """Next offsets of each place: in the live version, and the least of those that readers may read now.

    versions  the live ones that they belong to
    """

    versions: dict[str, int]
    live: dict[Place, int]
    least: dict[Place, int]


class Positions:
    """Reads all projections' positions in one query, shared by all who wait at the same time."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._lock = asyncio.Lock()
        self._read_at = 0.0
        self._offsets = Offsets({}, {}, {})
        self._log_name = NO_LOG

    async def offsets(self) -> Offsets:
        async with self._lock:
            if time.monotonic() - self._read_at > _FRESH_SECONDS:
                self._offsets = await self._read()
                self._read_at = time.monotonic()
        return self._offsets

    async def next_offsets(self) -> dict[Place, int]:
        """{(topic, partition): first offset that is not yet projected} of the live versions."""
        return (await self.offsets()).live

    async def _read(self) -> Offsets:
        pointers = await self._stores.versions.pointers()
        columns = "as version, topic, partition, next_offset from"
        tables = [
            f"select {version} {columns} {schema_name(name, version)}.reached"
            for name, pointer in pointers.items()
            if name in TOPIC_OF
            for version in pointer.concerned
        ]
        offsets = Offsets({name: pointer.version for name, pointer in pointers.items()}, {}, {})
        rows = await self._stores.pool.fetch(" union all ".join(tables)) if tables else []
        for row in rows:
            place, following = (row["topic"], row["partition"]), row["next_offset"]
            if row["version"] == offsets.versions[PROJECTION_OF[row["topic"]]]:
                offsets.live[place] = following
            offsets.least[place] = min(following, offsets.least.get(place, following))
        return offsets

    async def log_name(self) -> bytes:
        """What vectors call the log that the projections read."""
        if self._log_name == NO_LOG:
            schemas = await self._stores.versions.schemas()
            column = "select cluster_id from"
            tables = (f"{column} {schema}.positions" for schema in schemas.values())
            rows = await self._stores.pool.fetch(" union ".join(tables)) if schemas else []
            self._log_name = log_name(row["cluster_id"] for row in rows)
        return self._log_name

    async def reached(self, wanted: Mapping[Place, int], seconds: float) -> bool:
        """Waits until the offset of every place is projected; False when `seconds` pass before.

        Around a flip it is waited for in both versions: another reader may still, or already, read the other.
        """
        deadline = time.monotonic() + seconds
        while True:
            projected = (await self.offsets()).least
            if all(projected.get(place, 0) > offset for place, offset in wanted.items()):
                return True
            if time.monotonic() >= deadline:
                return False
            await asyncio.sleep(_POLL_SECONDS)


def log_name(cluster_ids: Iterable[str | None]) -> bytes:
    """What vectors call a log: 8 bytes, made of the id of its cluster."""
    known = {each for each in cluster_ids if each}
    return blake2b(max(known).encode(), digest_size=len(NO_LOG)).digest() if known else NO_LOG


def parse_positions(text: str) -> dict[Place, int]:
    """`runs:0:17,metrics:3:99` → {("runs", 0): 17, ("metrics", 3): 99}; raises a 400."""
    wanted: dict[Place, int] = {}
    for item in filter(None, text.split(",")):
        topic, _, rest = item.partition(":")
        partition, _, offset = rest.partition(":")
        if topic not in PROJECTION_OF or not (_is_number(partition) and _is_number(offset)):
            topics = ", ".join(PROJECTION_OF)
            raise bad_request(
                f"{item!r} is not topic:partition:offset, with one of the topics {topics}", "positions"
            )
        place = (topic, int(partition))
        wanted[place] = max(wanted.get(place, 0), int(offset))
    return wanted


def format_positions(positions: Mapping[Place, int]) -> str:
    """The inverse of parse_positions."""
    return ",".join(
        f"{topic}:{partition}:{offset}" for (topic, partition), offset in sorted(positions.items())
    )


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 18
