"""How far the projections are: for waiting until what was written can be read, and for lag."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from .problems import bad_request
from .versions import PROJECTION_OF

if TYPE_CHECKING:
    from .stores import Stores

Place = tuple[str, int]
"""(topic, partition)"""
_POLL_SECONDS = 0.01
_FRESH_SECONDS = 0.004


class Positions:
    """Reads all projections' positions in one query, shared by all who wait at the same time."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._lock = asyncio.Lock()
        self._read_at = 0.0
        self._next: dict[Place, int] = {}

    async def next_offsets(self) -> dict[Place, int]:
        """{(topic, partition): first offset that is not yet projected} of the live versions."""
        async with self._lock:
            if time.monotonic() - self._read_at > _FRESH_SECONDS:
                self._next = await self._read()
                self._read_at = time.monotonic()
        return self._next

    async def _read(self) -> dict[Place, int]:
        schemas = await self._stores.versions.schemas()
        if not schemas:
            return {}
        columns = "select topic, partition, next_offset from"
        tables = (f"{columns} {schema}.positions" for schema in schemas.values())
        rows = await self._stores.pool.fetch(" union all ".join(tables))
        return {(row["topic"], row["partition"]): row["next_offset"] for row in rows}

    async def reached(self, wanted: Mapping[Place, int], seconds: float) -> bool:
        """Waits until the offset of every place is projected; False when `seconds` pass before."""
        deadline = time.monotonic() + seconds
        while True:
            projected = await self.next_offsets()
            if all(projected.get(place, 0) > offset for place, offset in wanted.items()):
                return True
            if time.monotonic() >= deadline:
                return False
            await asyncio.sleep(_POLL_SECONDS)


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
