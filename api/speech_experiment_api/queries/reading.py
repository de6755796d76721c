"""What every read handler starts from: who asks, of which tables, as of when, and whether they have it already.

An answer is read in one snapshot of Postgres, together with the positions that its vector is made of; so
the vector tells exactly what the answer was made from, and asked as of it the same answer comes again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ..actors import Actor
from ..auth import actor_of
from ..positions import Place
from ..problems import Problem, bad_request, not_found, unavailable
from ..responses import json_response
from ..routing import Param
from ..services import Services, services_of
from ..vectors import Vector, vector_of
from .cursors import vector_of_cursor
from .fields import LOST_CONTACT_SECONDS
from .needs import Needs
from .past import past
from .sql import Binder, Tables
from .syntax import FilterError
from .visibility import Scope, visible

if TYPE_CHECKING:
    from asyncpg import Connection
    from asyncpg.pool import PoolConnectionProxy

AS_OF = Param(
    "as_of",
    "how it was: the vector of an answer, a time (2026-11-17T18:00:00+01:00), a date (the end of that day), "
    "or now; always the same answer for the same vector",
)
VECTOR_HEADER = "X-Tracker-Vector"


class World(Protocol):
    """Fetches what a question is about into the tables that it is compiled for."""

    async def runs(self, ids: Collection[UUID]) -> None:
        """All that describes these runs."""

    async def fields(self, needs: Needs) -> None:
        """What a question compares and sorts by, of all runs of the workspace, and its experiments."""

    async def series(self, ids: Collection[UUID], keys: Collection[str]) -> None:
        """What the curves of these metrics need."""


class Present:
    """The newest position: everything is in the tables already."""

    async def runs(self, ids: Collection[UUID]) -> None: ...

    async def fields(self, needs: Needs) -> None: ...

    async def series(self, ids: Collection[UUID], keys: Collection[str]) -> None: ...


@dataclass(frozen=True, slots=True)
class Reading:
    """One read request.

    connection   the session whose snapshot the answer is read in
    live, tables the live tables, and those to ask: as they are, or as they were
    vector       what the answer depends on
    past         whether it was asked for, and not the newest position
    tag          ETag of the answer; unchanged: whether the client has that
    """

    request: Request
    services: Services
    actor: Actor
    connection: Connection | PoolConnectionProxy[Any]
    live: Tables
    tables: Tables
    world: World
    vector: Vector
    past: bool
    tag: str
    unchanged: bool

    @property
    def now(self) -> datetime:
        return self.vector.now

    @property
    def scope(self) -> Scope:
        return self.scope_of(deleted=False)

    def scope_of(self, deleted: bool) -> Scope:
        """What of the workspace may be seen: the deleted instead of the others, or not."""
        then = tuple(self.vector.below("control").items()) if self.past else None
        return Scope(self.actor.workspace, deleted, then, self.actor.role == "admin")

    async def fetch(self, sql: str, *values: object) -> list[Any]:
        """Rows of a statement in the snapshot."""
        return list(await self.connection.fetch(sql, *values))

    @property
    def headers(self) -> dict[str, str]:
        """What every answer carries, JSON or not."""
        return {"ETag": self.tag, VECTOR_HEADER: self.vector.token(), **PRIVATE}

    def answer(self, content: Mapping[str, Any] | msgspec.Raw) -> Response:
        """The JSON object with its vector, as the last member, and its tag."""
        token = self.vector.token()
        if isinstance(content, msgspec.Raw):
            body = bytes(content)[:-1] + b',"vector":"%s"}' % token.encode()
            return Response(body, headers=self.headers, media_type="application/json")
        return json_response({**content, "vector": token}, headers=self.headers)

    def not_modified(self) -> Response:
        return Response(status_code=304, headers=self.headers)


PRIVATE = {"Cache-Control": "private, no-cache", "Vary": "Authorization, Cookie, Accept"}
"""Clients may keep an answer, and ask with its ETag whether it still holds."""


@asynccontextmanager
async def reading(request: Request, *, walking: bool = False, newest: bool = False) -> AsyncIterator[Reading]:
    """A read in one snapshot.

    walking  in a session that is held to indices, where the newest position is asked for
    newest   the question is about the newest position alone; its cursors are its own

    Raises:
        Problem: 400 for as_of, 503 while a projection is not there, or not as far as the vector.
    """
    services = services_of(request)
    live = await tables_of(services)
    if newest and "as_of" in request.query_params:
        raise bad_request("this question is about the newest data alone; leave as_of out", "as_of")
    asked = None if newest else _asked_vector(request)
    if asked is None:
        async with _present(request, services, live, walking) as read:
            yield read
    else:
        vector = await services.vectors.resolve(asked)
        async with _past(request, services, live, vector) as read:
            yield read


def _asked_vector(request: Request) -> str | None:
    """That of the page before, if this is the next one: what a time means could have moved since."""
    given, cursor = request.query_params.get("as_of"), request.query_params.get("cursor")
    if given is None or not cursor:
        return given
    found = vector_of_cursor(cursor, secret_of(services_of(request)))
    if given.startswith(found[:1]) and given != found:
        raise bad_request("the cursor belongs to another vector; repeat the as_of it was given for", "cursor")
    return found


@asynccontextmanager
async def _present(
    request: Request, services: Services, live: Tables, walking: bool
) -> AsyncIterator[Reading]:
    stores = services.stores
    pool = stores.walking if walking else stores.pool
    async with pool.acquire() as connection, _snapshot(connection):
        positions = await _positions(connection, live)
        vector = vector_of(
            await services.positions.log_name(), datetime.now(UTC), positions, services.settings.partitions
        )
        yield _reading(request, services, connection, live, live, Present(), vector, None)


@asynccontextmanager
async def _past(request: Request, services: Services, live: Tables, vector: Vector) -> AsyncIterator[Reading]:
    workspace = actor_of(request).workspace
    async with past(services.stores, live, vector, workspace) as world:
        today = await _positions(world.connection, live)
        yield _reading(request, services, world.connection, live, world.tables, world, vector, today)


def _reading(
    request: Request,
    services: Services,
    connection: Any,
    live: Tables,
    tables: Tables,
    world: World,
    vector: Vector,
    today: Mapping[Place, int] | None,
) -> Reading:
    """today: the positions of an answer about the past, which hides what is deleted by now."""
    actor = actor_of(request)
    deletions = [item for item in (today or {}).items() if item[0][0] == "control"]
    tag = _tag(request, actor, live, vector, deletions)
    asked = request.headers.get("if-none-match", "")
    unchanged = tag in [each.strip() for each in asked.split(",")]
    return Reading(
        request, services, actor, connection, live, tables, world, vector, today is not None, tag, unchanged
    )


def _snapshot(connection: Any) -> AbstractAsyncContextManager[Any]:
    snapshot: AbstractAsyncContextManager[Any] = connection.transaction(
        isolation="repeatable_read", readonly=True
    )
    return snapshot


async def _positions(connection: Any, tables: Tables) -> dict[Place, int]:
    columns = "select topic, partition, next_offset from"
    schemas = (tables.metadata, tables.metrics, tables.scores, tables.artifacts, tables.control)
    rows = await connection.fetch(" union all ".join(f"{columns} {schema}.reached" for schema in schemas))
    return {(row["topic"], row["partition"]): row["next_offset"] for row in rows}


async def tables_of(services: Services) -> Tables:
    """The live tables; Problem 503 while a projection has none."""
    pointers = await services.stores.versions.pointers()
    live = {name: pointer.version for name, pointer in pointers.items()}
    try:
        lines = {name: pointer.line for name, pointer in pointers.items()}
        return Tables.of(live, lines, scored=await services.stores.versions.scored())
    except KeyError as error:
        raise unavailable(f"the projection {error.args[0]}") from None


def _tag(request: Request, actor: Actor, tables: Tables, vector: Vector, deletions: Sequence[object]) -> str:
    """Weak, as the status `lost contact` comes with time: the tag holds for a fraction of that."""
    parts = (
        request.url.path,
        request.url.query,
        request.headers.get("accept", ""),
        actor.workspace,
        actor.role,
        tables.versions,
        vector.log,
        vector.offsets,
        sorted(deletions, key=repr),
        int(vector.moment / 1e6 * 4 / LOST_CONTACT_SECONDS),
    )
    return f'W/"{blake2b(repr(parts).encode(), digest_size=12).hexdigest()}"'


def cursor_secret(read: Reading) -> bytes:
    """The key that cursors are sealed with: the same for all processes on one database."""
    return secret_of(read.services)


def secret_of(services: Services) -> bytes:
    dsn = services.settings.postgres_dsn.encode()
    return blake2b(dsn, digest_size=32, person=b"query cursors").digest()


def filter_problem(error: FilterError, field: str) -> Problem:
    """A filter that was not understood as a 400 that tells where and what to write."""
    extra = {"position": error.position, "hint": error.hint}
    return Problem(400, "invalid_filter", str(error), field=field, extra=extra)


async def visible_runs(reading: Reading, ids: Sequence[UUID], deleted: bool = False) -> list[UUID]:
    """The ids again, if all of these runs may be seen; fetches what describes them.

    Raises:
        Problem: 404 that names the first one that may not.
    """
    bind = Binder()
    condition = visible(reading.tables, bind, reading.scope_of(deleted))
    table = f"{reading.tables.metadata}.runs"
    sql = f"select r.id from {table} r where r.id = any({bind(list(ids), 'uuid[]')}) and {condition}"
    found = {row["id"] for row in await reading.fetch(sql, *bind.values)}
    for each in ids:
        if each not in found:
            raise missing_run(each, reading)
    return list(ids)


def missing_run(run: UUID, reading: Reading) -> Problem:
    """404, with the hint that it may have begun later."""
    if reading.past:
        return Problem(404, "not_found", f"the run {run} did not exist as of the given moment, or is deleted")
    return not_found(f"the run {run}")
