"""Asking for the proof that nothing is lost, of one run or of all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from speech_experiment_projections.findings import Finding

from .auth import actor_of
from .delivery_routes import cursor_of, projections_behind
from .params import flag, integer, path_uuid, seconds
from .problems import Problem, not_found
from .responses import json_response
from .routing import Param, Routes
from .runs import tables_of_runs
from .services import Services, services_of
from .verification import Question, by, verify
from .verification_answers import RunVerification

routes = Routes("verification")
_PATIENCE = 5.0
_PARAMS = (
    Param("contents", "read every artifact's content and compare its hash, not its size alone", bool),
    Param("timeout", "seconds that it may take, up to 600 (default 60)", float),
)


class Verifications(msgspec.Struct):
    """elsewhere: runs that the log tells of and no table knows."""

    verifications: list[RunVerification]
    elsewhere: list[Finding]
    next_cursor: str | None


@routes.get("/api/v1/runs/{id}/verification", access="viewer", response=RunVerification, params=_PARAMS)
async def verification_of_run(request: Request) -> Response:
    """Compares log, ledger, Postgres, ClickHouse and object store for one run, and names every difference."""
    services, run_id = services_of(request), path_uuid(request)
    async with _turn(services):
        behind = await projections_behind(services, _PATIENCE)
        await _require(services, actor_of(request).workspace, run_id)
        answer = await verify(services, _question(request, [run_id]), behind)
    return json_response(answer.runs[0])


@routes.get(
    "/api/v1/verification",
    access="admin",
    response=Verifications,
    params=[
        *_PARAMS,
        Param(
            "limit", "runs on a page, up to 2,000 (default 500): the log is read once for all of them", int
        ),
        Param("cursor", "next_cursor of the page before"),
    ],
)
async def verification_of_all(request: Request) -> Response:
    """As for one run, for every run of the workspace: by id, so newest first, behind ids made of names."""
    services, workspace = services_of(request), actor_of(request).workspace
    limit = integer(request, "limit", 500, 1, 2_000)
    async with _turn(services):
        behind = await projections_behind(services, _PATIENCE)
        runs = await _runs(services, workspace, cursor_of(request), limit)
        answer = await verify(services, _question(request, runs)._replace(elsewhere=workspace), behind)
    for each in answer.runs:
        each.streams = []  # a page of them all would be long; ask for the run
    return json_response(
        Verifications(answer.runs, answer.elsewhere, str(runs[-1]) if len(runs) == limit else None)
    )


@asynccontextmanager
async def _turn(services: Services) -> AsyncIterator[None]:
    """A turn, when one is free at once: verifying is work for the whole server."""
    if services.verifications.locked():
        detail = "other verifications are under way; try again when they are done"
        raise Problem(429, "busy", detail, headers={"Retry-After": "2"})
    async with services.verifications:
        yield


def _question(request: Request, runs: list[UUID]) -> Question:
    return Question(runs, flag(request, "contents"), by(seconds(request, "timeout", 60.0, 600.0)))


async def _require(services: Services, workspace: str, run_id: UUID) -> None:
    query = " union all ".join(
        f"select 1 from {table} where workspace = $1 and {column} = $2"  # noqa: S608
        for table, column in await tables_of_runs(services)
    )
    if not query or not await services.stores.pool.fetch(query, workspace, run_id):
        raise not_found(f"the run {run_id}")


async def _runs(services: Services, workspace: str, before: UUID | None, limit: int) -> list[UUID]:
    sources = [
        f"""(select distinct {column} as run from {table}
             where workspace = $1 and {column} < coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
             order by 1 desc limit $3)"""  # noqa: S608
        for table, column in await tables_of_runs(services)
    ]
    query = " union ".join(sources) + " order by run desc limit $3"
    rows = await services.stores.pool.fetch(query, workspace, before, limit) if sources else []
    return [row["run"] for row in rows]
