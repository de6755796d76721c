"""The route registry: no route without a role, a body limit and a description."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message, Receive

from .actors import Access, Share
from .auth import actor_of, authenticate
from .problems import Problem, bad_request

Handler = Callable[[Request], Awaitable[Response]]
Admit = Callable[[Request, "Endpoint", Share], Awaitable[None]]
"""Lets a request by a shared link pass, or raises a Problem."""
Method = Literal["GET", "HEAD", "POST", "PUT", "DELETE"]
DEFAULT_BODY_LIMIT = 1_000_000


@dataclass(frozen=True, slots=True)
class Param:
    """A query parameter, for the documentation."""

    name: str
    description: str
    kind: type = str
    required: bool = False
    many: bool = False


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path.

    access    the least role that may call it, or public
    request   type of the JSON body, if it takes one
    response  type of the JSON answer; None when it answers something else (see produces)
    status    of the normal answer
    """

    method: Method
    path: str
    access: Access
    handler: Handler
    summary: str
    params: Sequence[Param] = ()
    request: Any = None
    response: Any = None
    status: int = 200
    consumes: str = "application/json"
    produces: str = "application/json"
    body_limit: int = DEFAULT_BODY_LIMIT

    def __post_init__(self) -> None:
        if self.access not in get_args(Access):
            raise ValueError(
                f"{self.method} {self.path}: access must be one of {', '.join(get_args(Access))}"
            )
        if not self.summary:
            raise ValueError(f"{self.method} {self.path}: needs a summary, or a docstring on its handler")


class Routes:
    """The endpoints of one domain, collected by its module."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.endpoints: list[Endpoint] = []

    def __iter__(self) -> Iterator[Endpoint]:
        return iter(self.endpoints)

    def add(
        self, method: Method, path: str, *, access: Access, **options: Any
    ) -> Callable[[Handler], Handler]:
        """Registers a handler; options as the fields of Endpoint, the summary from its docstring."""

        def register(handler: Handler) -> Handler:
            summary = options.pop("summary", None) or (handler.__doc__ or "").strip().split("\n")[0]
            self.endpoints.append(Endpoint(method, path, access, handler, summary, **options))
            return handler

        return register

    def get(self, path: str, *, access: Access, **options: Any) -> Callable[[Handler], Handler]:
        return self.add("GET", path, access=access, body_limit=0, **options)

    def post(self, path: str, *, access: Access, **options: Any) -> Callable[[Handler], Handler]:
        return self.add("POST", path, access=access, **options)

    def put(self, path: str, *, access: Access, **options: Any) -> Callable[[Handler], Handler]:
        return self.add("PUT", path, access=access, **options)

    def delete(self, path: str, *, access: Access, **options: Any) -> Callable[[Handler], Handler]:
        return self.add("DELETE", path, access=access, body_limit=0, **options)


def mount(endpoints: Sequence[Endpoint], admit: Admit) -> list[Route]:
    """Starlette routes that authenticate and limit before the handler sees the request; `admit` judges shared links."""
    return [Route(each.path, _guarded(each, admit), methods=[each.method]) for each in endpoints]


def _guarded(endpoint: Endpoint, admit: Admit) -> Handler:
    async def call(request: Request) -> Response:
        await authenticate(request, endpoint.access)
        if endpoint.access != "public" and (share := actor_of(request).share):
            await admit(request, endpoint, share)
        return await endpoint.handler(limited(request, endpoint.body_limit))

    call.__name__ = getattr(endpoint.handler, "__name__", "handler")
    return call


def limited(request: Request, limit: int) -> Request:
    """The request with a body of at most `limit` bytes; 413 when it claims or sends more."""
    _check_length(request.headers.get("content-length"), limit)
    return Request(request.scope, _counting(request.receive, limit), request._send)


def _check_length(claimed: str | None, limit: int) -> None:
    if claimed is None:
        return
    if not (claimed.isascii() and claimed.isdecimal()):
        raise bad_request("Content-Length must be a whole number", field="Content-Length")
    if int(claimed) > limit:
        raise too_large(limit)


def too_large(limit: int) -> Problem:
    detail = f"the body may have {limit:,} bytes here" if limit else "this request takes no body"
    return Problem(413, "too_large", detail, extra={"limit": limit})


def _counting(receive: Receive, limit: int) -> Receive:
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        if message["type"] == "http.request":
            seen += len(message.get("body", b""))
            if seen > limit:
                raise too_large(limit)
        return message

    return counted
