"""Signing in to the page with a key, and out."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from .key_ring import key_digest
from .me import Me, me_of
from .problems import Problem
from .responses import json_response, read_json
from .routing import Routes
from .sessions import begin, end, require_page
from .stores import stores_of

routes = Routes("session")
_BODY_LIMIT = 1_000


class SignIn(msgspec.Struct, forbid_unknown_fields=True):
    """key: an API key, as the SDK uses it."""

    key: str


@routes.post(
    "/api/v1/session", access="public", request=SignIn, response=Me, status=201, body_limit=_BODY_LIMIT
)
async def sign_in(request: Request) -> Response:
    """Begins a session of the page: a cookie that scripts cannot read stands for the key, for a week."""
    require_page(request)
    key = (await read_json(request, SignIn)).key.strip()
    actor = await stores_of(request).keys.identify(key)
    if actor is None:
        detail = (
            "this key is unknown or revoked. The server's own key is in what `speech-tracker up` prints; "
            "an admin makes others with `speech-tracker key create`"
        )
        raise Problem(401, "unauthorized", detail, field="key")
    return begin(request, json_response(me_of(actor), 201), key_digest(key))


@routes.delete("/api/v1/session", access="public", status=204)
async def sign_out(request: Request) -> Response:
    """Ends the session in this browser."""
    require_page(request)
    return end(request, Response(status_code=204))
