"""Signing in to the page on the real stack: the cookie, its limits, and its end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from http.cookies import SimpleCookie

import httpx
import pytest

from tests.conftest import RunningStack

pytestmark = pytest.mark.stack
FROM_PAGE = {"X-Tracker-Page": "1"}


@pytest.fixture
async def browser(stack: RunningStack) -> AsyncIterator[httpx.AsyncClient]:
    """A client that keeps cookies, and has no key."""
    async with httpx.AsyncClient(base_url=stack.url, timeout=30) as client:
        yield client


async def sign_in(browser: httpx.AsyncClient, key: str) -> httpx.Response:
    return await browser.post("/api/v1/session", json={"key": key}, headers=FROM_PAGE)


async def test_the_printed_key_opens_a_session_that_scripts_cannot_read(
    stack: RunningStack, browser: httpx.AsyncClient
) -> None:
    answer = await sign_in(browser, f" {stack.key}\n")
    assert (answer.status_code, answer.json()["role"]) == (201, "admin")
    [cookie] = SimpleCookie(answer.headers["set-cookie"]).values()
    assert cookie["httponly"]
    assert (cookie["samesite"].lower(), cookie["path"]) == ("strict", "/")
    assert stack.key not in answer.headers["set-cookie"] + answer.text
    assert (await browser.get("/api/v1/me")).json()["workspace"] == "default"
    assert "Cookie" in (await browser.get("/api/v1/runs")).headers["vary"]


async def test_behind_https_the_cookie_stays_there(stack: RunningStack, browser: httpx.AsyncClient) -> None:
    headers = {**FROM_PAGE, "X-Forwarded-Proto": "https"}
    answer = await browser.post("/api/v1/session", json={"key": stack.key}, headers=headers)
    [cookie] = SimpleCookie(answer.headers["set-cookie"]).values()
    assert cookie["secure"]


@pytest.mark.parametrize("key", ["", "no key", "stk_" + "a" * 43])
async def test_an_unknown_key_is_told_where_keys_come_from(browser: httpx.AsyncClient, key: str) -> None:
    answer = await sign_in(browser, key)
    assert (answer.status_code, answer.json()["field"]) == (401, "key")
    assert "speech-tracker key create" in answer.json()["detail"]
    assert "set-cookie" not in answer.headers


async def test_changes_by_cookie_need_the_page(stack: RunningStack, browser: httpx.AsyncClient) -> None:
    await sign_in(browser, stack.key)
    wanted = {"role": "viewer", "label": "made by a page"}
    forged = [{}, {**FROM_PAGE, "Sec-Fetch-Site": "cross-site"}, {**FROM_PAGE, "Sec-Fetch-Site": "same-site"}]
    for headers in forged:
        for method, path in (
            ("POST", "/api/v1/keys"),
            ("POST", "/api/v1/session"),
            ("DELETE", "/api/v1/session"),
        ):
            answer = await browser.request(
                method, path, json=wanted if method == "POST" else None, headers=headers
            )
            assert answer.status_code == 403, (method, path, headers)
    own = {**FROM_PAGE, "Sec-Fetch-Site": "same-origin"}
    assert (await browser.post("/api/v1/keys", json=wanted, headers=own)).status_code == 201


async def test_a_session_may_what_its_key_may(admin: httpx.AsyncClient, browser: httpx.AsyncClient) -> None:
    made = (await admin.post("/api/v1/keys", json={"role": "viewer"})).json()
    await sign_in(browser, made["key"])
    assert (await browser.get("/api/v1/runs")).status_code == 200
    assert (await browser.get("/api/v1/keys")).status_code == 403
    assert (await browser.post("/api/v1/keys", json={"role": "admin"}, headers=FROM_PAGE)).status_code == 403


async def test_a_revoked_key_ends_its_sessions_and_their_streams(
    admin: httpx.AsyncClient, browser: httpx.AsyncClient
) -> None:
    made = (await admin.post("/api/v1/keys", json={"role": "viewer"})).json()
    await sign_in(browser, made["key"])
    async with browser.stream("GET", "/api/v1/live") as stream:
        lines = stream.aiter_lines()
        assert (await anext(lines)).startswith("id:")
        assert (await admin.delete(f"/api/v1/keys/{made['id']}")).status_code == 204
        async for _ in lines:
            pass  # the server ends it
    assert (await browser.get("/api/v1/me")).status_code == 401


async def test_signing_out_takes_the_cookie_away(stack: RunningStack, browser: httpx.AsyncClient) -> None:
    await sign_in(browser, stack.key)
    assert (await browser.delete("/api/v1/session", headers=FROM_PAGE)).status_code == 204
    assert not browser.cookies
    assert (await browser.get("/api/v1/me")).status_code == 401


async def test_a_forged_cookie_is_no_session(stack: RunningStack, browser: httpx.AsyncClient) -> None:
    await sign_in(browser, stack.key)
    [(name, value)] = browser.cookies.items()
    turned = value[:-4] + ("AAAA" if value[-4:] != "AAAA" else "BBBB")
    async with httpx.AsyncClient(base_url=stack.url, cookies={name: turned}) as forger:
        assert (await forger.get("/api/v1/me")).status_code == 401


async def test_a_key_in_the_header_wins_over_the_cookie(
    stack: RunningStack, admin: httpx.AsyncClient, browser: httpx.AsyncClient
) -> None:
    made = (await admin.post("/api/v1/keys", json={"role": "viewer"})).json()
    await sign_in(browser, stack.key)
    named = {"Authorization": f"Bearer {made['key']}"}
    assert (await browser.get("/api/v1/me", headers=named)).json()["role"] == "viewer"
