"""Which version of each projection is live: the schema its tables are in."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from .problems import unavailable

if TYPE_CHECKING:
    from asyncpg import Pool

TOPIC_OF = {"metadata": "runs", "metrics": "metrics", "artifacts": "artifacts", "control": "control"}
"""Projection → the one topic it reads."""
PROJECTION_OF = {topic: projection for projection, topic in TOPIC_OF.items()}
_CACHE_SECONDS = 1.0


def schema_name(projection: str, version: int) -> str:
    return f"{projection}_v{version}"


class LiveVersions:
    """Reads the pointer rows, at most once a second."""

    def __init__(self, pool: Callable[[], Pool]) -> None:
        self._pool = pool
        self._versions: dict[str, int] = {}
        self._expires = 0.0

    async def all(self) -> dict[str, int]:
        """{projection: live version}; empty before the first migration."""
        if time.monotonic() >= self._expires:
            rows = await self._pool().fetch("select name, version from projection.live")
            self._versions = {row["name"]: row["version"] for row in rows}
            self._expires = time.monotonic() + _CACHE_SECONDS if self._versions else 0.0
        return self._versions

    async def schema(self, projection: str) -> str:
        """Postgres schema of the live version, e.g. `metadata_v1`; 503 while there is none."""
        version = (await self.all()).get(projection)
        if version is None:
            raise unavailable(f"the projection {projection}")
        return schema_name(projection, version)

    async def schemas(self) -> dict[str, str]:
        """{projection: schema} of all live versions that this release knows."""
        versions = await self.all()
        return {name: schema_name(name, versions[name]) for name in TOPIC_OF if name in versions}


Schemas = Callable[[], Awaitable[dict[str, str]]]
