from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from speech_experiment_api.admission import admit
from speech_experiment_api.app import ALL_ROUTES, create_app
from speech_experiment_api.middleware import Envelope
from speech_experiment_api.problems import Problem, handle_http_exception, handle_problem
from speech_experiment_api.responses import json_response
from speech_experiment_api.routing import Routes, mount
from speech_experiment_api.settings import ApiSettings

PUBLIC = {"/healthz", "/readyz", "/metrics", "/docs", "/api/v1/openapi.json", "/api/v1/session"}
PUBLIC |= {"/", "/{view:view}", "/assets/{name}"}  # the page, which asks with its session
PUBLIC |= {"/api/v1/shares/open"}  # whoever has the token of a link


async def _size(request: Request) -> Response:
    """Tells the size of the body."""
    return json_response(len(await request.body()))


async def _broken(request: Request) -> Response:
    """Fails."""
    raise KeyError("secret")


def test_a_route_without_a_role_cannot_be_registered() -> None:
    routes = Routes("test")
    with pytest.raises(TypeError):
        routes.get("/x")(_size)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="access must be one of"):
        routes.get("/x", access="nobody")(_size)  # type: ignore[arg-type]


def test_a_route_without_a_summary_cannot_be_registered() -> None:
    async def silent(request: Request) -> Response:
        return Response()

    with pytest.raises(ValueError, match="needs a summary"):
        Routes("test").get("/x", access="viewer")(silent)


def test_only_the_known_paths_are_public() -> None:
    found = {each.path for group in ALL_ROUTES for each in group if each.access == "public"}
    assert found == PUBLIC


def test_every_starlette_route_comes_from_the_registry() -> None:
    registered = [(each.method, each.path) for group in ALL_ROUTES for each in group]
    app = create_app(ApiSettings())
    assert len(app.routes) == len(registered) == len(set(registered))


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    routes = Routes("test")
    routes.post("/limited", access="public", body_limit=10)(_size)
    routes.get("/empty", access="public")(_size)
    routes.get("/broken", access="public")(_broken)
    app = Starlette(
        routes=mount(list(routes), admit),
        middleware=[Middleware(Envelope)],
        exception_handlers={Problem: handle_problem, HTTPException: handle_http_exception},
    )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def test_bodies_up_to_the_limit_pass(client: httpx.AsyncClient) -> None:
    assert (await client.post("/limited", content=b"x" * 10)).json() == 10


async def test_a_body_that_claims_too_much_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/limited", content=b"x" * 11)
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["limit"] == 10


async def test_a_body_that_claims_nothing_is_counted(client: httpx.AsyncClient) -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"x" * 6
        yield b"x" * 6

    assert (await client.post("/limited", content=parts())).status_code == 413


async def test_a_get_takes_no_body(client: httpx.AsyncClient) -> None:
    assert (await client.request("GET", "/empty", content=b"x")).status_code == 413


async def test_a_harmless_request_id_is_taken_over_and_others_are_not(client: httpx.AsyncClient) -> None:
    kept = await client.get("/empty", headers={"X-Request-ID": "trace-7"})
    assert kept.headers["x-request-id"] == "trace-7"
    replaced = await client.get("/empty", headers={"X-Request-ID": 'a"b c'})
    assert len(replaced.headers["x-request-id"]) == 16


async def test_every_answer_carries_the_security_headers(client: httpx.AsyncClient) -> None:
    answer = await client.get("/nothing")
    assert answer.status_code == 404
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "access-control-allow-origin" not in answer.headers


async def test_an_error_of_ours_tells_nothing_but_the_request_id(
    client: httpx.AsyncClient, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    answer = await client.get("/broken")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert b"secret" in capsysbinary.readouterr().out


async def test_the_access_log_holds_no_key_and_no_query(
    client: httpx.AsyncClient, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    await client.get("/empty?token=hidden", headers={"Authorization": "Bearer stk_hidden"})
    line = capsysbinary.readouterr().out
    assert b"hidden" not in line
    assert b'"path":"/empty"' in line
