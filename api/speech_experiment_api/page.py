"""The web page: one document for all its views, and the files it is made of, as the build left them.

A file's name holds its content's hash, so browsers keep it for good; the document is asked for each time.
"""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response

from .pages import document_page
from .problems import Problem
from .routing import Routes

routes = Routes("page")
STATIC = Path(__file__).with_name("static")
"""What `make page` built; git ignores it, the wheel has it."""
VIEWS = (
    "sign-in",
    "experiments",
    "runs",
    "leaderboard",
    "compare",
    "evaluations",
    "reports",
    "operations",
    "shared",
)
"""First parts of the paths that are views of the page; a view restores itself from the rest."""
_KINDS = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".html": "text/html; charset=utf-8",
}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob:; "
        "media-src 'self' blob:; font-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-cache",
}
_SUFFIXES = {"br": ".br", "gzip": ".gz"}
_FOR_GOOD = {"Cache-Control": "public, max-age=31536000, immutable"}
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*\Z")


class _View(Convertor[str]):
    """A path of the page."""

    regex = f"(?:{'|'.join(VIEWS)})(?:/.*)?"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("view", _View())


class Asset(NamedTuple):
    """content: as it goes over the wire, in the encoding."""

    content: bytes
    kind: str
    encoding: str
    tag: str


@routes.get("/", access="public", produces="text/html")
async def home(request: Request) -> Response:
    """The page, for people."""
    return _document(request)


@routes.get("/{view:view}", access="public", produces="text/html")
async def view(request: Request) -> Response:
    """The page, at one of its views."""
    return _document(request)


@routes.get("/assets/{name}", access="public", produces="text/javascript")
async def asset(request: Request) -> Response:
    """A file of the page; its name changes with its content."""
    name = request.path_params["name"]
    found = _load(f"assets/{name}", _encodings(request)) if _NAME.match(name) else None
    if found is None:
        raise Problem(404, "not_found", "the page has no such file any more; load the page again")
    return _answer(request, found, _FOR_GOOD)


def _document(request: Request) -> Response:
    found = _load("index.html", _encodings(request))
    return document_page("unbuilt.html") if found is None else _answer(request, found, _HEADERS)


def _answer(request: Request, found: Asset, headers: dict[str, str]) -> Response:
    headers = {**headers, "ETag": found.tag, "Vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == found.tag:
        return Response(status_code=304, headers=headers)
    if found.encoding:
        headers["Content-Encoding"] = found.encoding
    return Response(found.content, headers=headers, media_type=found.kind)


def _encodings(request: Request) -> tuple[str, ...]:
    """The encodings of ours that the browser takes, the smallest first."""
    taken = {each.split(";")[0].strip() for each in request.headers.get("accept-encoding", "").split(",")}
    return tuple(name for name in _SUFFIXES if name in taken)


def _load(name: str, encodings: tuple[str, ...]) -> Asset | None:
    """A file of the page; None where the page is not built, or has no such file."""
    try:
        built = (STATIC / "index.html").stat().st_mtime_ns
    except FileNotFoundError:
        return None
    return _load_built(STATIC, name, encodings, built)


@lru_cache(maxsize=256)
def _load_built(folder: Path, name: str, encodings: tuple[str, ...], built: int) -> Asset | None:
    """The same, kept for as long as the page is not built anew."""
    plain = folder / name
    if not plain.is_file():
        return None
    kind = _KINDS.get(plain.suffix, "application/octet-stream")
    for encoding in encodings:
        packed = plain.with_name(plain.name + _SUFFIXES[encoding])
        if packed.is_file():
            return _asset(packed.read_bytes(), kind, encoding)
    return _asset(plain.read_bytes(), kind, "")


def _asset(content: bytes, kind: str, encoding: str) -> Asset:
    return Asset(content, kind, encoding, f'"{blake2b(content, digest_size=12).hexdigest()}"')
