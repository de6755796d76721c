"""Keys, roles and workspaces on the real stack."""

from __future__ import annotations

from uuid import uuid4

import httpx
import pytest

from tests.integration.gateway_tools import Producer, make_client, queryable

pytestmark = pytest.mark.stack


async def test_a_key_is_shown_once_and_listed_without_itself(admin: httpx.AsyncClient) -> None:
    made = (await admin.post("/api/v1/keys", json={"role": "viewer", "label": "a laptop"})).json()
    answer = await admin.get("/api/v1/keys")
    assert made["key"] not in answer.text
    [listed] = [each for each in answer.json()["keys"] if each["id"] == made["id"]]
    assert (listed["label"], listed["hint"], listed["revoked_at"]) == ("a laptop", made["key"][-4:], None)
    assert listed["created_by"].startswith("key:")


async def test_a_key_tells_what_it_opens(admin: httpx.AsyncClient) -> None:
    async with await make_client(admin, "viewer") as viewer:
        told = (await viewer.get("/api/v1/me")).json()
    assert (told["workspace"], told["role"]) == ("default", "viewer")
    assert told["actor"] == f"key:{told['key_id']}"


async def test_a_revoked_key_is_refused_from_the_answer_on(admin: httpx.AsyncClient) -> None:
    made = (await admin.post("/api/v1/keys", json={"role": "editor"})).json()
    async with httpx.AsyncClient(
        base_url=admin.base_url, headers={"Authorization": f"Bearer {made['key']}"}
    ) as client:
        assert (await client.get("/api/v1/status")).status_code == 200
        assert (await admin.delete(f"/api/v1/keys/{made['id']}")).status_code == 204
        assert (await client.get("/api/v1/status")).status_code == 401
    [listed] = [each for each in (await admin.get("/api/v1/keys")).json()["keys"] if each["id"] == made["id"]]
    assert listed["revoked_at"] is not None
    assert (await admin.delete(f"/api/v1/keys/{made['id']}")).status_code == 204


async def test_a_live_stream_ends_with_its_key(admin: httpx.AsyncClient) -> None:
    made = (await admin.post("/api/v1/keys", json={"role": "viewer"})).json()
    async with (
        httpx.AsyncClient(
            base_url=admin.base_url, timeout=30, headers={"Authorization": f"Bearer {made['key']}"}
        ) as client,
        client.stream("GET", "/api/v1/live") as stream,
    ):
        lines = stream.aiter_lines()
        assert (await anext(lines)).startswith("id:")
        assert (await admin.delete(f"/api/v1/keys/{made['id']}")).status_code == 204
        async for _ in lines:
            pass  # the server ends it


async def test_managing_keys_needs_an_admin(admin: httpx.AsyncClient) -> None:
    async with await make_client(admin, "editor") as editor:
        assert (await editor.get("/api/v1/keys")).status_code == 403
        assert (await editor.post("/api/v1/keys", json={"role": "admin"})).status_code == 403
        assert (await editor.delete(f"/api/v1/keys/{uuid4()}")).status_code == 403


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"role": "owner"}, "role"),
        ({}, ""),
        ({"role": "viewer", "label": "x" * 3_000}, "label"),
        ({"role": "viewer", "workspace": "Not A Name"}, "workspace"),
        ({"role": "viewer", "colour": "red"}, ""),
    ],
)
async def test_a_wrong_request_names_its_field(
    admin: httpx.AsyncClient, body: dict[str, str], field: str
) -> None:
    answer = await admin.post("/api/v1/keys", json=body)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json().get("field", "") == field


async def test_workspaces_do_not_see_each_other(admin: httpx.AsyncClient) -> None:
    name = f"team-{uuid4().hex[:8]}"
    async with (
        await make_client(admin, "admin", name) as team,
        await make_client(admin, "editor", name) as member,
    ):
        theirs = Producer().open().start("theirs")
        ours = Producer().open().start("ours")
        await queryable(admin, await theirs.send(member))
        await queryable(admin, await ours.send(admin))
        for path in ("events", "delivery", "artifacts"):
            assert (await member.get(f"/api/v1/runs/{theirs.run}/{path}")).status_code == 200
            assert (await admin.get(f"/api/v1/runs/{theirs.run}/{path}")).status_code == 404
            assert (await member.get(f"/api/v1/runs/{ours.run}/{path}")).status_code == 404
        assert (await member.delete(f"/api/v1/runs/{ours.run}")).status_code == 404
        listed = (await team.get("/api/v1/delivery", params={"limit": 500})).json()["deliveries"]
        assert [each["run_id"] for each in listed] == [str(theirs.run)]
        keys = (await team.get("/api/v1/keys")).json()["keys"]
        assert {key["workspace"] for key in keys} == {name}
        assert (
            await team.post("/api/v1/keys", json={"role": "admin", "workspace": "default"})
        ).status_code == 403


async def test_the_last_admin_key_of_a_workspace_stays(admin: httpx.AsyncClient) -> None:
    name = f"team-{uuid4().hex[:8]}"
    made = (await admin.post("/api/v1/keys", json={"role": "admin", "workspace": name})).json()
    async with httpx.AsyncClient(
        base_url=admin.base_url, headers={"Authorization": f"Bearer {made['key']}"}
    ) as team:
        answer = await team.delete(f"/api/v1/keys/{made['id']}")
        assert answer.status_code == 409
        assert "another one first" in answer.json()["detail"]
