"""Errors as problem documents (RFC 9457): what went wrong, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

CONTENT_TYPE = "application/problem+json"


class ProblemDocument(msgspec.Struct, omit_defaults=True):
    """type is a stable name for programs; request_id finds the request in the server's log."""

    type: str
    title: str
    status: int
    detail: str = ""
    field: str = ""
    request_id: str = ""


class Problem(Exception):  # noqa: N818 - the term of RFC 9457
    """Raised by a handler, answered as a problem document.

    code     a stable word for programs: not_found, forbidden, …
    detail   what is wrong and what to do about it, for people
    field    the parameter or body field concerned
    extra    further members of the document
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        field: str = "",
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.field = field
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})


def bad_request(detail: str, field: str = "", code: str = "bad_request") -> Problem:
    return Problem(400, code, detail, field=field)


def not_found(what: str) -> Problem:
    return Problem(404, "not_found", f"{what} does not exist in this workspace")


def conflict(detail: str, field: str = "") -> Problem:
    return Problem(409, "conflict", detail, field=field)


def unavailable(what: str, retry_after: int = 1) -> Problem:
    detail = f"{what} cannot be reached right now; try again"
    return Problem(503, "unavailable", detail, headers={"Retry-After": str(retry_after)})


def render(problem: Problem, request_id: str) -> Response:
    """The response that carries a problem."""
    document = ProblemDocument(
        type=f"urn:speech-tracker:problem:{problem.code}",
        title=HTTPStatus(problem.status).phrase,
        status=problem.status,
        detail=problem.detail,
        field=problem.field,
        request_id=request_id,
    )
    body = msgspec.json.encode(msgspec.to_builtins(document) | problem.extra)
    return Response(body, problem.status, problem.headers, media_type=CONTENT_TYPE)


def unexpected(request_id: str) -> Response:
    """The answer to an error of our own: nothing of its inside, but the way to find it."""
    detail = "The server failed on this request; the request id finds the reason in its log"
    return render(Problem(500, "internal", detail), request_id)


async def handle_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - registered for this class
    return render(error, request.state.request_id)


async def handle_http_exception(request: Request, error: Exception) -> Response:
    """Starlette's own errors (no such path, wrong method) in the same form."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class
    detail = {404: f"{request.url.path} is no path of this server; see /docs"}.get(
        error.status_code, error.detail
    )
    code = HTTPStatus(error.status_code).name.lower()
    problem = Problem(error.status_code, code, detail, headers=error.headers)
    return render(problem, request.state.request_id)
