"""Where a run is: its workspace, whether it may be seen, and what the ledgers say of it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from .actors import Actor
from .problems import not_found
from .queries.reading import tables_of
from .queries.sql import Binder
from .queries.visibility import Scope, visible
from .services import Services

RUN_PROJECTIONS = ("metadata", "metrics", "scores", "artifacts")
"""The projections whose topics carry events of runs."""


async def require_run(services: Services, actor: Actor, run_id: UUID) -> None:
    """Raises 404 unless the run is in the actor's workspace; deleted ones are still there for audits."""
    schema = await services.stores.versions.schema("metadata")
    query = f"select exists(select from {schema}.runs where id = $1 and workspace = $2)"  # noqa: S608
    if not await services.stores.pool.fetchval(query, run_id, actor.workspace):
        raise not_found(f"the run {run_id}")


async def require_shown(services: Services, actor: Actor, run_id: UUID) -> None:
    """Raises 404 unless the actor may see the run: one that is deleted is there for admins alone."""
    if actor.role == "admin":
        return await require_run(services, actor, run_id)
    tables, bind = await tables_of(services), Binder()
    seen = visible(tables, bind, Scope(actor.workspace))
    query = (
        f"select exists(select from {tables.metadata}.runs r where r.id = {bind(run_id, 'uuid')} and {seen})"  # noqa: S608
    )
    if not await services.stores.pool.fetchval(query, *bind.values):
        raise not_found(f"the run {run_id}")
    return None


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


async def tables_of_runs(services: Services) -> list[tuple[str, str]]:
    """(table, column with the run's id) of all tables that name a run and its workspace.

    One that has lost a run is found out by the others.
    """
    schemas = await services.stores.versions.schemas()
    runs = [(f"{schemas['metadata']}.runs", "id")] if "metadata" in schemas else []
    return runs + [(f"{schemas[name]}.ledger", "run_id") for name in RUN_PROJECTIONS if name in schemas]
