"""Who a key is."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from .actors import Actor
from .auth import actor_of
from .responses import json_response
from .routing import Routes
from .vectors import open_token

routes = Routes("me")


class SharedView(msgspec.Struct):
    """What a shared link shows: path and query of a view, at a vector (and the moment it was) or as it is."""

    id: UUID
    name: str
    path: str
    as_of: str | None
    moment: datetime | None
    expires_at: datetime


class Me(msgspec.Struct):
    """actor: as stamped on what this key writes. share: for a shared link, which has no key."""

    key_id: UUID
    actor: str
    workspace: str
    role: str
    share: SharedView | None = None


@routes.get("/api/v1/me", access="viewer", response=Me)
async def me(request: Request) -> Response:
    """The workspace and the role of the key that asks."""
    return json_response(me_of(actor_of(request)))


def me_of(actor: Actor) -> Me:
    return Me(actor.key_id, actor.name, actor.workspace, actor.role, _shared(actor))


def _shared(actor: Actor) -> SharedView | None:
    share = actor.share
    if share is None:
        return None
    moment = open_token(share.as_of).now if share.as_of else None
    return SharedView(actor.key_id, share.name, share.path, share.as_of, moment, share.expires_at)
