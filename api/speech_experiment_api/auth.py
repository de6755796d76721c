"""Who asks: the key or shared link that a request came with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request

from .actors import Access, Actor
from .key_ring import key_digest
from .problems import Problem
from .sessions import session_digest, share_named

if TYPE_CHECKING:
    from .stores import Stores


async def authenticate(request: Request, access: Access) -> None:
    """Sets request.state.actor, or raises 401 or 403; public paths are not asked."""
    if access == "public":
        return
    stores: Stores = request.app.state.stores
    actor = await stores.keys.recognise(credential(request))
    if actor is None:
        raise _unauthorized(_LINK_ENDED if share_named(request) else "the API key is unknown or revoked")
    request.state.actor = actor
    if not actor.may(access):
        detail = (
            f"this needs the role {access}, the key has the role {actor.role} in workspace {actor.workspace}"
        )
        raise Problem(403, "forbidden", detail)


def credential(request: Request) -> str:
    """The digest of the key or link that a request was made with: named in a header, or by a session of the page."""
    if "authorization" not in request.headers:
        if digest := session_digest(request):
            return digest
        if share_named(request):
            raise _unauthorized(_LINK_ENDED)
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key:
        raise _unauthorized("send the API key as `Authorization: Bearer stk_…`")
    return key_digest(key.strip())


_LINK_ENDED = "this link has ended or was taken back; open it again, or ask whoever sent it for a new one"


def _unauthorized(detail: str) -> Problem:
    return Problem(401, "unauthorized", detail, headers={"WWW-Authenticate": 'Bearer realm="speech-tracker"'})


def actor_of(request: Request) -> Actor:
    """The actor of a request to a route that is not public."""
    actor: Actor = request.state.actor
    return actor
