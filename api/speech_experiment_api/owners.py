"""Whose runs and experiments are: a key may not speak about those of another workspace.

Projections park such events too. But topics have no order among each other, and a stranger who
came first in one of them would be taken for the owner there; what any topic has made known is
therefore asked for before a record enters the log.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from .stores import Stores

UNKNOWN_SECONDS = 1.0
_CACHE_LIMIT = 100_000

Fetch = Callable[[list[UUID]], Awaitable[dict[UUID, str]]]


class Owners:
    """Remembers workspaces by the id of a run or an experiment, which never changes hands.

    That an id is not known yet is remembered for a second, and for the workspace that asked: nobody
    else profits from it.
    """

    def __init__(self, fetch: Fetch) -> None:
        """fetch: the workspaces of those ids that are known."""
        self._fetch = fetch
        self._known: dict[bytes, str] = {}
        self._unknown: dict[tuple[bytes, str], float] = {}

    async def foreign(self, keys: Collection[bytes], workspace: str) -> frozenset[bytes]:
        """Those of the ids, as record keys, that are known to belong to another workspace."""
        known = {key: self._known[key] for key in keys if key in self._known}
        asked = [key for key in keys if key not in known and not self._awaited(key, workspace)]
        if asked:
            known |= await self._look_up(asked, workspace)
        return frozenset(key for key, owner in known.items() if owner != workspace)

    def _awaited(self, key: bytes, workspace: str) -> bool:
        return self._unknown.get((key, workspace), 0.0) > time.monotonic()

    async def _look_up(self, keys: list[bytes], workspace: str) -> dict[bytes, str]:
        owners = await self._fetch([UUID(bytes=key) for key in keys])
        found = {each.bytes: owner for each, owner in owners.items()}
        expires = time.monotonic() + UNKNOWN_SECONDS
        self._make_room(len(keys))
        self._known |= found
        self._unknown |= {(key, workspace): expires for key in keys if key not in found}
        return found

    def _make_room(self, size: int) -> None:
        for cache in (self._known, self._unknown):
            if len(cache) + size > _CACHE_LIMIT:
                cache.clear()


def owners(stores: Stores) -> Owners:
    """By the live metadata projection."""

    async def fetch(ids: list[UUID]) -> dict[UUID, str]:
        schema = (await stores.versions.schemas()).get("metadata")
        if schema is None:
            return {}
        tables = (f"{schema}.{table}" for table in ("runs", "experiments"))
        query = " union all ".join(
            f"select id, workspace from {table} where id = any($1::uuid[])"  # noqa: S608
            for table in tables
        )
        return {row["id"]: row["workspace"] for row in await stores.pool.fetch(query, ids)}

    return Owners(fetch)
