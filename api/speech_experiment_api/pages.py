"""The pages about the server itself: its API's reference, and how to build the page where it is missing."""

from __future__ import annotations

import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from .responses import json_response
from .routing import Routes

routes = Routes("pages")
_HTML = "text/html"
_NOTHING = "'none'"
_INLINE = re.compile(r"<(script|style)>(.*?)</\1>", re.S)


@routes.get("/api/v1/openapi.json", access="public")
async def openapi(request: Request) -> Response:
    """The OpenAPI document of this server."""
    return json_response(request.app.state.openapi)


@routes.get("/docs", access="public", produces=_HTML)
async def docs(request: Request) -> Response:
    """The API's reference, for reading."""
    return document_page("docs.html")


def document_page(name: str) -> Response:
    """One of the pages in html/, allowed to run what stands in it and nothing else."""
    text, policy = _load(name)
    return HTMLResponse(text, headers={"Content-Security-Policy": policy, "Cache-Control": "no-cache"})


@cache
def _load(name: str) -> tuple[str, str]:
    """A page and a policy that lets run exactly what stands in it."""
    text = files(__package__).joinpath("html", name).read_text()
    hashes: dict[str, list[str]] = {"script": [], "style": []}
    for kind, content in _INLINE.findall(text):
        hashes[kind].append(f"'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'")
    allowed = "".join(f"{kind}-src {' '.join(found) or _NOTHING}; " for kind, found in hashes.items())
    return text, f"default-src 'none'; connect-src 'self'; {allowed}base-uri 'none'; frame-ancestors 'none'"
