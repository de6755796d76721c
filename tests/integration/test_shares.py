"""Links to one view on the real stack: who makes them, what they open, how they end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie
from typing import Any
from uuid import uuid4

import httpx
import pytest

from speech_experiment_api.key_ring import key_digest
from speech_experiment_infra.connections import kafka_producer
from speech_experiment_infra.settings import Settings
from speech_experiment_schemas import Sealer
from speech_experiment_schemas.control import ShareCreated
from speech_experiment_schemas.ids import uuid7
from speech_experiment_schemas.runs import RunNoted
from speech_experiment_schemas.stamps import stamp
from tests.conftest import RunningStack
from tests.integration.gateway_tools import Producer, make_client, queryable

pytestmark = pytest.mark.stack
FROM_PAGE = {"X-Tracker-Page": "1"}


@pytest.fixture
async def browser(stack: RunningStack) -> AsyncIterator[httpx.AsyncClient]:
    """A client that keeps cookies, and has no key."""
    async with httpx.AsyncClient(base_url=stack.url, timeout=60, headers=FROM_PAGE) as client:
        yield client


async def a_run(admin: httpx.AsyncClient) -> Producer:
    producer = Producer().open("runs", "metrics").start(f"shared {uuid4().hex[:8]}")
    producer.log((0, 1_000, None, {"loss": 1.0}))
    await queryable(admin, await producer.send(admin))
    return producer


async def share(client: httpx.AsyncClient, path: str, **more: Any) -> dict[str, Any]:
    answer = await client.post("/api/v1/shares", json={"path": path, **more})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def open_link(browser: httpx.AsyncClient, token: str) -> httpx.Response:
    return await browser.post("/api/v1/shares/open", json={"token": token})


async def test_a_link_opens_its_view_in_a_browser_without_a_key(
    admin: httpx.AsyncClient, browser: httpx.AsyncClient
) -> None:
    run, other = (await a_run(admin)).run, (await a_run(admin)).run
    made = await share(admin, f"/runs/{run}/charts?axis=time&as_of=", name="the run")
    assert made["link"] == f"/shared#{made['token']}"
    assert made["path"] == f"/runs/{run}/charts?axis=time"
    week = datetime.now(UTC) + timedelta(days=7)
    assert abs(datetime.fromisoformat(made["expires_at"]) - week) < timedelta(hours=1)
    answer = await open_link(browser, made["token"])
    assert (answer.status_code, answer.json()["role"]) == (201, "viewer")
    assert answer.json()["share"]["path"] == made["path"]
    [cookie] = SimpleCookie(answer.headers["set-cookie"]).values()
    assert cookie["httponly"]
    assert made["token"] not in answer.headers["set-cookie"] + answer.text
    mine = {"share": made["id"]}
    assert (await browser.get("/api/v1/me", params=mine)).json()["actor"] == f"share:{made['id']}"
    assert (await browser.get(f"/api/v1/runs/{run}", params=mine)).json()["name"].startswith("shared")
    curves = await browser.get("/api/v1/curves", params={**mine, "run": str(run), "key": "loss"})
    assert curves.json()["runs"][str(run)]["curves"]["loss"]["value"] == [1.0]
    assert (await browser.get(f"/api/v1/runs/{other}", params=mine)).status_code == 403
    assert (await browser.get(f"/api/v1/runs/{run}")).status_code == 401


async def test_a_link_reads_and_nothing_else(admin: httpx.AsyncClient, browser: httpx.AsyncClient) -> None:
    run = (await a_run(admin)).run
    made = await share(admin, f"/runs/{run}")
    await open_link(browser, made["token"])
    for paths in (
        "keys",
        "shares",
        "audit",
        "status",
        "dead-letters",
        "search?q=a",
        "values?field=tags",
        "runs",
    ):
        answer = await browser.get(f"/api/v1/{paths}{'&' if '?' in paths else '?'}share={made['id']}")
        assert answer.status_code == 403, paths
    bearer = {"Authorization": f"Bearer {made['token']}"}
    for method, path in (
        ("DELETE", f"/api/v1/runs/{run}"),
        ("POST", "/api/v1/shares"),
        ("POST", "/api/v1/keys"),
        ("POST", "/api/v1/ingest"),
    ):
        body = {"path": f"/runs/{run}"} if method == "POST" else None
        for more in ({"params": {"share": made["id"]}}, {"headers": bearer}):
            answer = await browser.request(method, path, json=body, **more)  # type: ignore[arg-type]
            assert answer.status_code == 403, (method, path)
    assert (await browser.post("/api/v1/session", json={"key": made["token"]})).status_code == 401


async def test_a_link_and_a_session_live_beside_each_other(
    stack: RunningStack, admin: httpx.AsyncClient, browser: httpx.AsyncClient
) -> None:
    links = [await share(admin, path) for path in ("/leaderboard", "/runs")]
    await browser.post("/api/v1/session", json={"key": stack.key})
    for each in links:
        await open_link(browser, each["token"])
    assert (await browser.get("/api/v1/me")).json()["role"] == "admin"
    for each in links:
        told = (await browser.get("/api/v1/me", params={"share": each["id"]})).json()
        assert (told["role"], told["share"]["id"]) == ("viewer", each["id"])
    answer = await browser.get("/api/v1/me", params={"share": str(uuid4())})
    assert answer.status_code == 401
    assert "link" in answer.json()["detail"]


async def test_a_frozen_link_shows_what_was_there(
    admin: httpx.AsyncClient, browser: httpx.AsyncClient
) -> None:
    producer = await a_run(admin)
    view = f"/runs/{producer.run}"
    live, frozen = await share(admin, view), await share(admin, view, frozen=True)
    assert live["as_of"] is None
    again = await share(admin, f"{view}?as_of={frozen['as_of']}")
    assert again["as_of"] == frozen["as_of"]
    producer.say(RunNoted(notes="later"))
    await queryable(admin, await producer.send(admin))
    for made, notes in ((live, "later"), (frozen, None), (again, None)):
        await open_link(browser, made["token"])
        for as_of in ({}, {"as_of": "now"}) if made["as_of"] else ({},):  # now is in whole seconds
            answer = await browser.get(f"/api/v1{view}", params={"share": made["id"], **as_of})
            assert answer.json()["notes"] == notes, answer.text
    refused = await browser.get("/api/v1/live", params={"share": frozen["id"], "run": str(producer.run)})
    assert refused.status_code == 403


async def test_a_link_that_is_taken_back_opens_nothing(
    admin: httpx.AsyncClient, browser: httpx.AsyncClient
) -> None:
    made = await share(admin, "/leaderboard", name="a paper")
    await open_link(browser, made["token"])
    assert (await browser.get("/api/v1/scores", params={"share": made["id"]})).status_code == 200
    assert (await admin.delete(f"/api/v1/shares/{made['id']}")).status_code == 204
    assert (await browser.get("/api/v1/scores", params={"share": made["id"]})).status_code == 401
    answer = await open_link(browser, made["token"])
    assert (answer.status_code, answer.json()["field"]) == (410, "token")
    assert "taken back" in answer.json()["detail"]
    assert (await admin.delete(f"/api/v1/shares/{made['id']}")).status_code == 204
    listed = (await admin.get("/api/v1/shares")).json()["shares"]
    assert [(each["name"], each["state"]) for each in listed if each["id"] == made["id"]] == [
        ("a paper", "revoked")
    ]
    acts = (await admin.get("/api/v1/audit", params={"subject": made["id"]})).json()["acts"]
    assert [each["type"] for each in acts] == ["share.revoked", "share.created"]
    assert (acts[1]["details"]["path"], acts[1]["details"]["name"]) == ("/leaderboard", "a paper")
    assert "sha256" not in acts[1]["details"]


async def test_a_link_ends_by_itself(
    admin: httpx.AsyncClient, browser: httpx.AsyncClient, settings: Settings
) -> None:
    """One that was made an hour ago for an hour, as the log has it."""
    token, identity = f"shr_{uuid4().hex}", uuid7()
    ended = ShareCreated(
        workspace="default",
        path="/leaderboard",
        expires=int((datetime.now(UTC) - timedelta(seconds=1)).timestamp() * 1e6),
        sha256=key_digest(token),
        hint=token[-4:],
    )
    maker = (await admin.get("/api/v1/me")).json()["actor"]
    async with kafka_producer(settings) as producer:
        record = Sealer(uuid7(), "control").seal(ended, ("share", identity))
        sent = await producer.send_and_wait(
            "control", record, key=identity.bytes, headers=stamp(maker, "default")
        )
    position = f"control:{sent.partition}:{sent.offset}"
    await admin.get("/api/v1/wait", params={"positions": position, "timeout": 30})
    answer = await open_link(browser, token)
    assert (answer.status_code, answer.json()["type"]) == (410, "urn:speech-tracker:problem:ended")
    assert answer.json()["expires_at"] < datetime.now(UTC).isoformat()
    bearer = {"Authorization": f"Bearer {token}"}
    assert (await browser.get("/api/v1/scores", headers=bearer)).status_code == 401
    assert (await open_link(browser, "shr_nothing")).status_code == 404


async def test_links_end_with_the_key_that_made_them(
    admin: httpx.AsyncClient, browser: httpx.AsyncClient
) -> None:
    key = (await admin.post("/api/v1/keys", json={"role": "editor"})).json()
    bearer = {"Authorization": f"Bearer {key['key']}"}
    made = (await browser.post("/api/v1/shares", json={"path": "/leaderboard"}, headers=bearer)).json()
    assert (await open_link(browser, made["token"])).status_code == 201
    assert (await admin.delete(f"/api/v1/keys/{key['id']}")).status_code == 204
    assert (await browser.get("/api/v1/scores", params={"share": made["id"]})).status_code == 401
    assert (await open_link(browser, made["token"])).status_code == 410


async def test_making_links_needs_an_editor(admin: httpx.AsyncClient) -> None:
    async with await make_client(admin, "viewer") as viewer:
        assert (await viewer.post("/api/v1/shares", json={"path": "/leaderboard"})).status_code == 403
        assert (await viewer.get("/api/v1/shares")).status_code == 403
        assert (await viewer.delete(f"/api/v1/shares/{uuid4()}")).status_code == 403
    async with await make_client(admin, "editor") as editor:
        made = await share(editor, "/leaderboard", hours=1)
        assert made["id"] in (await editor.get("/api/v1/shares")).text
        assert made["token"] not in (await editor.get("/api/v1/shares")).text


async def test_workspaces_have_links_of_their_own(
    admin: httpx.AsyncClient, browser: httpx.AsyncClient
) -> None:
    ours = await a_run(admin)
    async with await make_client(admin, "editor", f"team-{uuid4().hex[:8]}") as team:
        made = await share(admin, "/runs")
        assert (await team.delete(f"/api/v1/shares/{made['id']}")).status_code == 404
        assert made["id"] not in (await team.get("/api/v1/shares")).text
        theirs = await share(team, f"/runs/{ours.run}")
    await open_link(browser, theirs["token"])
    answer = await browser.get(f"/api/v1/runs/{ours.run}", params={"share": theirs["id"]})
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"path": "/operations"}, "path"),
        ({"path": "//evil.example/runs"}, "path"),
        ({"path": "/leaderboard?as_of=never"}, "path"),
        ({"path": "/runs?filter=" + "x" * 7_000}, "path"),
        ({"path": "/leaderboard", "hours": 0}, "hours"),
        ({"path": "/leaderboard", "hours": 24 * 365}, "hours"),
        ({"path": "/leaderboard", "name": "x" * 3_000}, "name"),
    ],
)
async def test_a_wrong_request_names_its_field(
    admin: httpx.AsyncClient, body: dict[str, Any], field: str
) -> None:
    answer = await admin.post("/api/v1/shares", json=body)
    assert (answer.status_code, answer.json()["field"]) == (400, field)
