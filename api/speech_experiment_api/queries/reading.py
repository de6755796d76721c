"""What every read handler starts from: who asks, of which tables, when, and whether they have it already."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from ..auth import Actor, actor_of
from ..positions import Place, Positions
from ..problems import Problem, bad_request, not_found, unavailable
from ..responses import json_response
from ..services import Services, services_of
from .fields import LOST_CONTACT_SECONDS
from .sql import Binder, Tables
from .syntax import FilterError
from .visibility import Scope, visible

if TYPE_CHECKING:
    from asyncpg import Pool

_TAG_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Reading:
    """One read request. `tag` is the ETag of its answer, `unchanged` whether the client has that."""

    request: Request
    services: Services
    actor: Actor
    tables: Tables
    now: datetime
    tag: str
    unchanged: bool

    @property
    def pool(self) -> Pool:
        return self.services.stores.pool

    @property
    def scope(self) -> Scope:
        return Scope(self.actor.workspace)

    def answer(self, content: Any) -> Response:
        """The JSON answer with its tag."""
        return json_response(content, etag=self.tag, headers=PRIVATE)

    def not_modified(self) -> Response:
        return Response(status_code=304, headers={"ETag": self.tag, **PRIVATE})


PRIVATE = {"Cache-Control": "private, no-cache", "Vary": "Authorization, Accept"}
"""Clients may keep an answer, and ask with its ETag whether it still holds."""


async def reading(request: Request) -> Reading:
    """Begins a read.

    The tag is made from positions read before the data, so it is never newer than what it stands for.

    Raises:
        Problem: 400 for as_of, 503 while a projection is not there.
    """
    if "as_of" in request.query_params:
        raise bad_request("as_of is not available yet; leave it out to read the newest data", "as_of")
    services, actor = services_of(request), actor_of(request)
    tables = await _tables(services)
    asked = request.headers.get("if-none-match")
    known = await _positions(request, services.positions, fresh=asked is not None)
    now = datetime.now(UTC)
    tag = _tag(request, actor, tables, known, now)
    unchanged = asked is not None and tag in [each.strip() for each in asked.split(",")]
    return Reading(request, services, actor, tables, now, tag, unchanged)


async def _tables(services: Services) -> Tables:
    live = await services.stores.versions.all()
    try:
        return Tables.of(live)
    except KeyError as error:
        raise unavailable(f"the projection {error.args[0]}") from None


@dataclass(slots=True)
class _Known:
    """Positions that are still good enough to hand a tag out."""

    positions: Mapping[Place, int]
    until: float = 0.0


async def _positions(request: Request, positions: Positions, fresh: bool) -> Mapping[Place, int]:
    """Positions for a tag: read now to compare with, up to a second old to hand out."""
    known: _Known = getattr(request.app.state, "known_positions", None) or _Known({})
    if fresh or time.monotonic() >= known.until:
        known = _Known(await positions.next_offsets(), time.monotonic() + _TAG_SECONDS)
        request.app.state.known_positions = known
    return known.positions


def _tag(
    request: Request, actor: Actor, tables: Tables, positions: Mapping[Place, int], now: datetime
) -> str:
    """Weak, as the status `lost contact` comes with time: the tag holds for a fraction of that."""
    parts = (
        request.url.path,
        request.url.query,
        request.headers.get("accept", ""),
        actor.workspace,
        actor.role,
        tables.versions,
        sorted(positions.items()),
        int(now.timestamp() * 4 / LOST_CONTACT_SECONDS),
    )
    return f'W/"{blake2b(repr(parts).encode(), digest_size=12).hexdigest()}"'


def cursor_secret(read: Reading) -> bytes:
    """The key that cursors are sealed with: the same for all processes on one database."""
    dsn = read.services.settings.postgres_dsn.encode()
    return blake2b(dsn, digest_size=32, person=b"query cursors").digest()


def filter_problem(error: FilterError, field: str) -> Problem:
    """A filter that was not understood as a 400 that tells where and what to write."""
    extra = {"position": error.position, "hint": error.hint}
    return Problem(400, "invalid_filter", str(error), field=field, extra=extra)


async def visible_runs(reading: Reading, ids: Sequence[UUID], deleted: bool = False) -> list[UUID]:
    """The ids again, if all of these runs may be seen.

    Raises:
        Problem: 404 that names the first one that may not.
    """
    bind = Binder()
    condition = visible(reading.tables, bind, Scope(reading.actor.workspace, deleted))
    table = f"{reading.tables.metadata}.runs"
    sql = f"select r.id from {table} r where r.id = any({bind(list(ids), 'uuid[]')}) and {condition}"
    found = {row["id"] for row in await reading.pool.fetch(sql, *bind.values)}
    for each in ids:
        if each not in found:
            raise not_found(f"the run {each}")
    return list(ids)
