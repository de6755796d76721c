"""Which version of each projection is live: the schema its tables are in."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from speech_experiment_infra.versions import POINTER_SECONDS, Pointer, read_pointers

from .problems import unavailable

if TYPE_CHECKING:
    from asyncpg import Pool

TOPIC_OF = {
    "metadata": "runs",
    "metrics": "metrics",
    "scores": "evaluations",
    "artifacts": "artifacts",
    "control": "control",
}
"""Projection → the one topic it reads."""
PROJECTION_OF = {topic: projection for projection, topic in TOPIC_OF.items()}


def schema_name(projection: str, version: int) -> str:
    return f"{projection}_v{version}"


class LiveVersions:
    """Reads the pointer rows, at most once in POINTER_SECONDS."""

    def __init__(self, pool: Callable[[], Pool]) -> None:
        self._pool = pool
        self._pointers: dict[str, Pointer] = {}
        self._expires = 0.0
        self._scored: tuple[int, bool, float] = (0, False, 0.0)

    async def scored(self) -> bool:
        """Whether the live version has scores of evaluations; asked at most once in POINTER_SECONDS."""
        version = (await self.all()).get("scores")
        if version is None:
            return False
        known, found, expires = self._scored
        now = time.monotonic()
        if known != version or (not found and now >= expires):
            query = f"select exists(select from {schema_name('scores', version)}.results)"  # noqa: S608
            found = bool(await self._pool().fetchval(query))
            self._scored = (version, found, now + POINTER_SECONDS)
        return found

    async def pointers(self) -> dict[str, Pointer]:
        """{projection: pointer}; empty before the first migration."""
        asked = time.monotonic()
        if asked >= self._expires:
            self._pointers = await read_pointers(self._pool())
            self._expires = asked + POINTER_SECONDS if self._pointers else 0.0
        return self._pointers

    async def all(self) -> dict[str, int]:
        """{projection: live version}; empty before the first migration."""
        return {name: pointer.version for name, pointer in (await self.pointers()).items()}

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
