"""Who a key is."""

from __future__ import annotations

from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from .auth import Actor, actor_of
from .responses import json_response
from .routing import Routes

routes = Routes("me")


class Me(msgspec.Struct):
    """actor: as stamped on what this key writes."""

    key_id: UUID
    actor: str
    workspace: str
    role: str


@routes.get("/api/v1/me", access="viewer", response=Me)
async def me(request: Request) -> Response:
    """The workspace and the role of the key that asks."""
    return json_response(me_of(actor_of(request)))


def me_of(actor: Actor) -> Me:
    return Me(actor.key_id, actor.name, actor.workspace, actor.role)
