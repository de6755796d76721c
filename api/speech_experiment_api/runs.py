"""Where a run is: its workspace, and its stretch of each topic."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from .auth import Actor
from .positions import Place
from .problems import not_found
from .services import Services
from .versions import TOPIC_OF

RUN_PROJECTIONS = ("metadata", "metrics", "artifacts")
"""The projections whose topics carry events of runs."""


async def require_run(services: Services, actor: Actor, run_id: UUID) -> None:
    """Raises 404 unless the run is in the actor's workspace; deleted ones are still there for audits."""
    schema = await services.stores.versions.schema("metadata")
    query = f"select exists(select from {schema}.runs where id = $1 and workspace = $2)"  # noqa: S608
    if not await services.stores.pool.fetchval(query, run_id, actor.workspace):
        raise not_found(f"the run {run_id}")


async def ledger_rows(services: Services, run_ids: list[UUID]) -> list[dict[str, Any]]:
    """The ledger's rows of the runs in all topics, with the projection's name."""
    schemas = await services.stores.versions.schemas()
    columns = "*, $1::text as projection"
    rows: list[dict[str, Any]] = []
    for name in RUN_PROJECTIONS:
        if name in schemas:
            query = f"select {columns} from {schemas[name]}.ledger where run_id = any($2) order by first_seen, producer"  # noqa: S608
            rows += [dict(row) for row in await services.stores.pool.fetch(query, name, run_ids)]
    return rows


async def ranges(services: Services, run_id: UUID) -> dict[Place, tuple[int, int]]:
    """{(topic, partition): (first offset, offset after the last)} of the run's records."""
    found: dict[Place, tuple[int, int]] = {}
    for row in await ledger_rows(services, [run_id]):
        place = (TOPIC_OF[row["projection"]], row["partition"])
        first, stop = row["first_offset"], row["last_offset"] + 1
        known = found.get(place, (first, stop))
        found[place] = (min(known[0], first), max(known[1], stop))
    return found
