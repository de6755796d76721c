"""Links to one view, for people without a key: made, listed, opened, taken back; all as events in the control topic.

The token of a link is `shr_` and 256 random bits in URL-safe base64, shown once; the server knows its SHA-256.
It travels behind the # of the address, which browsers keep to themselves, and never in a log.
"""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from speech_experiment_schemas.control import ShareCreated, ShareRevoked
from speech_experiment_schemas.ids import uuid7
from speech_experiment_schemas.limits import Line

from .auth import actor_of
from .key_ring import CACHE_SECONDS, key_digest
from .me import Me, me_of
from .params import integer, path_uuid
from .problems import Problem, bad_request, conflict, not_found
from .queries.reading import reading
from .responses import json_response, read_json
from .routing import Param, Routes
from .services import services_of
from .sessions import begin, require_page
from .share_rows import by_digest, listed, one, open_shares
from .shared_views import LONGEST, address_of
from .stores import stores_of

routes = Routes("shares")
LONGEST_HOURS, DEFAULT_HOURS = 90 * 24, 7 * 24
MOST_OPEN = 1_000
_MAX_LISTED, _LISTED = 1_000, 100
_OPEN_LIMIT = 1_000


class NewShare(msgspec.Struct, forbid_unknown_fields=True):
    """path: of a view, as the page's address has it. hours: until it ends. frozen: it shows what is there now
    (or at the moment that the path names, which is always frozen), whatever comes later."""

    path: Annotated[str, msgspec.Meta(max_length=LONGEST)]
    name: Line = ""
    hours: Annotated[int, msgspec.Meta(ge=1, le=LONGEST_HOURS)] = DEFAULT_HOURS
    frozen: bool = False


class CreatedShare(msgspec.Struct):
    """token and link (below the server's own address) are shown here and never again."""

    id: UUID
    token: str
    link: str
    name: str
    path: str
    as_of: str | None
    expires_at: datetime


class ShareInfo(msgspec.Struct):
    """state: open, ended, or revoked (itself, or the key that made it). hint: the last four characters of the token."""

    id: UUID
    name: str
    path: str
    frozen: bool
    hint: str
    state: Literal["open", "ended", "revoked"]
    expires_at: datetime
    created_at: datetime
    created_by: str | None
    created_by_label: str | None
    revoked_at: datetime | None
    revoked_by: str | None


class ShareList(msgspec.Struct):
    shares: list[ShareInfo]


class OpenShare(msgspec.Struct, forbid_unknown_fields=True):
    """token: what stands behind the # of a link."""

    token: str


@routes.post("/api/v1/shares", access="editor", request=NewShare, response=CreatedShare, status=201)
async def create_share(request: Request) -> Response:
    """Makes a link that lets whoever has it read one view; the answer shows it for the only time."""
    services, actor = services_of(request), actor_of(request)
    wanted = await read_json(request, NewShare)
    path, moment = address_of(wanted.path)
    as_of = await _vector(request, moment, wanted.frozen)
    schema = await services.stores.versions.schema("control")
    if await open_shares(services.stores.pool, schema, actor.workspace) >= MOST_OPEN:
        raise conflict(f"{MOST_OPEN:,} links are open in this workspace; take some back first")
    token = "shr_" + secrets.token_urlsafe(32)
    expires = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=wanted.hours)
    event = ShareCreated(
        workspace=actor.workspace,
        name=wanted.name,
        path=path,
        as_of=as_of,
        expires=int(expires.timestamp()) * 1_000_000,
        sha256=key_digest(token),
        hint=token[-4:],
    )
    identity = uuid7()
    await services.control.change((event, ("share", identity)), actor=actor.name, workspace=actor.workspace)
    services.stores.keys.forget()
    return json_response(
        CreatedShare(identity, token, f"/shared#{token}", wanted.name, path, as_of, expires), 201
    )


async def _vector(request: Request, moment: str | None, frozen: bool) -> str | None:
    """What a new link shows for good; None where it shows the newest."""
    if moment is None and not frozen:
        return None
    if moment is None:
        async with reading(request) as read:
            return read.vector.token()
    try:
        return (await services_of(request).vectors.resolve(moment)).token()
    except Problem as problem:
        if problem.status == 400:
            raise bad_request(f"its as_of: {problem.detail}", "path") from None
        raise


@routes.get(
    "/api/v1/shares",
    access="editor",
    response=ShareList,
    params=[Param("limit", f"links, up to {_MAX_LISTED:,} (default {_LISTED})", int)],
)
async def list_shares(request: Request) -> Response:
    """The workspace's links, newest first, ended and revoked ones too; without what opens them."""
    services, actor = services_of(request), actor_of(request)
    limit = integer(request, "limit", _LISTED, 1, _MAX_LISTED)
    schema = await services.stores.versions.schema("control")
    rows = await listed(services.stores.pool, schema, actor.workspace, limit)
    return json_response(ShareList([_info(row) for row in rows]))


def _info(row: Any) -> ShareInfo:
    copied = ("id", "name", "path", "hint", "expires_at", "created_at", "created_by", "created_by_label")
    return ShareInfo(
        frozen=row["as_of"] is not None,
        state="revoked" if row["maker_revoked"] else _state(row),
        revoked_at=row["revoked_at"],
        revoked_by=row["revoked_by"],
        **{name: row[name] for name in copied},
    )


def _state(row: Any) -> Literal["open", "ended", "revoked"]:
    if row["revoked_at"] is not None:
        return "revoked"
    return "open" if row["expires_at"] > datetime.now(UTC) else "ended"


@routes.delete("/api/v1/shares/{id}", access="editor", status=204)
async def revoke_share(request: Request) -> Response:
    """Takes a link back; answers once no server process honours it any more."""
    services, actor, identity = services_of(request), actor_of(request), path_uuid(request)
    schema = await services.stores.versions.schema("control")
    found = await one(services.stores.pool, schema, actor.workspace, identity)
    if found is None:
        raise not_found(f"the share {identity}")
    if found["revoked_at"] is not None:
        return Response(status_code=204)
    event = (ShareRevoked(), ("share", identity))
    written = await services.control.append(event, actor=actor.name, workspace=actor.workspace)
    services.stores.keys.refuse(identity)
    await services.control.projected(written)
    if not services.settings.embedded:
        await asyncio.sleep(CACHE_SECONDS)  # until the other processes' caches have run out
    return Response(status_code=204)


@routes.post(
    "/api/v1/shares/open",
    access="public",
    request=OpenShare,
    response=Me,
    status=201,
    body_limit=_OPEN_LIMIT,
)
async def open_share(request: Request) -> Response:
    """Opens a link in this browser: a cookie stands for it, for what is asked with `share` and its id."""
    require_page(request)
    stores = stores_of(request)
    digest = key_digest((await read_json(request, OpenShare)).token)
    actor = await stores.keys.recognise(digest)
    if actor is not None and actor.share is not None:
        return begin(request, json_response(me_of(actor), 201), digest, actor.key_id)
    found = await by_digest(stores.pool, await stores.versions.schema("control"), digest)
    if found is None:
        raise Problem(
            404, "not_found", "there is no such link; see whether it was copied whole", field="token"
        )
    if _state(found) == "ended":
        ended = found["expires_at"].isoformat()
        raise Problem(410, "ended", "this link has ended", field="token", extra={"expires_at": ended})
    raise Problem(410, "revoked", "this link was taken back by whoever made it", field="token")
