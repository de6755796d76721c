"""Reports on the real stack: saved, changed, seen as they were, searched, deleted, and shared with what is in them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from speech_experiment_infra.connections import kafka_producer, postgres_pool
from speech_experiment_infra.settings import Settings
from speech_experiment_schemas import Sealer
from speech_experiment_schemas.control import ReportSaved
from speech_experiment_schemas.ids import uuid7
from speech_experiment_schemas.stamps import stamp
from tests.conftest import RunningStack
from tests.integration.gateway_tools import Producer, make_client, queryable
from tests.integration.test_cli_commands import Tool, environment, home, tool  # noqa: F401

pytestmark = pytest.mark.stack


@pytest.fixture
async def guest(stack: RunningStack) -> AsyncIterator[httpx.AsyncClient]:
    """Whoever opens links: without a key, with a memory for cookies."""
    async with httpx.AsyncClient(base_url=stack.url, timeout=60, headers={"X-Tracker-Page": "1"}) as client:
        yield client


async def make(client: httpx.AsyncClient, title: str = "Beams", body: str = "wide", **more: Any) -> Any:
    answer = await client.post("/api/v1/reports", json={"title": title, "body": body, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def change(client: httpx.AsyncClient, report: Any, based_on: int, **changes: Any) -> httpx.Response:
    content = {name: report[name] for name in ("title", "body", "as_of")} | changes
    return await client.put(f"/api/v1/reports/{report['id']}", json={**content, "based_on": based_on})


async def get(client: httpx.AsyncClient, path: str, **params: Any) -> Any:
    answer = await client.get(f"/api/v1{path}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_every_revision_stays_and_is_seen_as_it_was(admin: httpx.AsyncClient) -> None:
    mark = uuid4().hex
    made = await make(admin, f"  Which {mark}\n decoder ", "narrow")
    assert (made["title"], made["revision"], made["as_of"]) == (f"Which {mark} decoder", 1, None)
    place = f"/reports/{made['id']}"
    then = (await get(admin, place))["vector"]
    changed = (await change(admin, made, 1, title=f"Wide {mark}", body="wide", as_of=then)).json()
    assert (changed["revision"], changed["newest"], changed["created_at"]) == (2, 2, made["created_at"])
    assert list(changed["moments"]) == [then]
    assert (await get(admin, place))["body"] == "wide"
    first = await get(admin, place, revision=1)
    assert (first["body"], first["revision"], first["newest"]) == ("narrow", 1, 2)
    past = await get(admin, place, as_of=then)
    assert (past["body"], past["revision"], past["newest"]) == ("narrow", 1, 1)
    revisions = (await get(admin, f"{place}/revisions"))["revisions"]
    assert [(each["revision"], each["characters"]) for each in revisions] == [(2, 4), (1, 6)]
    listed = (await get(admin, "/reports", limit=1))["reports"]
    assert [(each["id"], each["title"]) for each in listed] == [(made["id"], f"Wide {mark}")]
    assert (await get(admin, "/search", q=f"{mark} wide"))["reports"][0]["id"] == made["id"]
    assert (await get(admin, "/search", q=f"{mark} which"))["reports"] == []
    assert (await get(admin, "/search", q=f"{mark} which", as_of=then))["reports"][0]["id"] == made["id"]
    acts = (await get(admin, "/audit", subject=made["id"]))["acts"]
    assert [(each["type"], each["name"]) for each in acts] == [
        ("report.saved", f"Wide {mark}"),
        ("report.saved", f"Which {mark} decoder"),
    ]
    assert (await admin.get(f"/api/v1{place}", params={"revision": 3})).status_code == 404
    assert (await admin.get(f"/api/v1/reports/{uuid4()}")).status_code == 404


async def test_a_change_of_an_older_revision_is_a_conflict_and_overwrites_nothing(
    admin: httpx.AsyncClient, settings: Settings
) -> None:
    made = await make(admin)
    assert (await change(admin, made, 1, body="mine")).status_code == 200
    answer = await change(admin, made, 1, body="yours")
    assert (answer.status_code, answer.json()["field"], answer.json()["revision"]) == (409, "based_on", 2)
    assert "revision 2" in answer.json()["detail"]
    assert (await get(admin, f"/reports/{made['id']}"))["body"] == "mine"
    again = await change(admin, made, 1, body="mine")
    assert (again.status_code, again.json()["revision"]) == (200, 2), (
        "an answer that was lost is asked for again"
    )
    many = await asyncio.gather(*(change(admin, made, 2, body=f"at once {i}") for i in range(5)))
    assert sorted(each.status_code for each in many) == [200, 409, 409, 409, 409]
    # Two servers that had both read revision 3 before either wrote: the log decides.
    other = ReportSaved(workspace="default", revision=3, title="late", body="late")
    async with kafka_producer(settings) as producer:
        identity = UUID(made["id"])
        record = Sealer(uuid7(), "control").seal(other, ("report", identity))
        sent = await producer.send_and_wait(
            "control", record, key=identity.bytes, headers=stamp("key:x", "default")
        )
    position = f"control:{sent.partition}:{sent.offset}"
    await admin.get("/api/v1/wait", params={"positions": position, "timeout": 30})
    newest = await get(admin, f"/reports/{made['id']}")
    assert (newest["revision"], newest["body"][:7]) == (3, "at once")


async def test_viewers_read_editors_write_and_workspaces_are_apart(admin: httpx.AsyncClient) -> None:
    made = await make(admin)
    place = f"/api/v1/reports/{made['id']}"
    async with await make_client(admin, "viewer") as viewer:
        assert (await viewer.get(place)).status_code == 200
        assert (await viewer.post("/api/v1/reports", json={"title": "a", "body": ""})).status_code == 403
        assert (await change(viewer, made, 1, body="x")).status_code == 403
        assert (await viewer.delete(place)).status_code == 403
    async with await make_client(admin, "editor") as editor:
        saved = (await change(editor, made, 1, body="by an editor")).json()
        assert saved["saved_by_label"] == "test"
    async with await make_client(admin, "admin", f"team-{uuid4().hex[:8]}") as team:
        assert (await get(team, "/reports"))["reports"] == []
        assert (await team.get(place)).status_code == 404
        assert (await change(team, made, 2, body="x")).status_code == 404
        assert (await team.delete(place)).status_code == 404


async def test_a_deleted_report_is_hidden_until_it_is_restored(admin: httpx.AsyncClient) -> None:
    made = await make(admin)
    place = f"/api/v1/reports/{made['id']}"
    before = (await admin.get(place)).json()["vector"]
    answer = await admin.delete(place, params={"reason": "wrong"})
    assert answer.status_code == 200, answer.text
    async with await make_client(admin, "viewer") as viewer:
        for query in ({}, {"as_of": before}):
            assert (await viewer.get(place, params=query)).status_code == 404
            listed = (await get(viewer, "/reports", **query))["reports"]
            assert made["id"] not in [each["id"] for each in listed]
    assert (await change(admin, made, 1, body="x")).status_code == 404
    await admin.post(f"{place}/restore")
    assert (await change(admin, made, 1, body="x")).json()["revision"] == 2


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({"title": "", "body": ""}, "title"),
        ({"title": " \n", "body": ""}, "title"),
        ({"title": "x" * 201, "body": ""}, "title"),
        ({"title": "a", "body": "x" * 200_001}, "body"),
        ({"title": "a", "body": "", "as_of": "never"}, "as_of"),
        ({"title": "a", "body": "", "as_of": "vAAAA"}, "as_of"),
    ],
)
async def test_a_wrong_report_names_its_field(
    admin: httpx.AsyncClient, content: dict[str, str], field: str
) -> None:
    answer = await admin.post("/api/v1/reports", json=content)
    assert (answer.status_code, answer.json()["field"]) == (400, field)


async def test_the_longest_report_fits_into_an_event(admin: httpx.AsyncClient) -> None:
    body = "𝛼" * 200_000
    made = await make(admin, "𝛼" * 200, body)
    assert (await get(admin, f"/reports/{made['id']}"))["body"] == body


async def a_run(admin: httpx.AsyncClient, name: str) -> Producer:
    producer = Producer().open("runs", "metrics").start(name)
    producer.log((0, 1_000, None, {"loss": 1.0, "secret": 2.0}))
    await queryable(admin, await producer.send(admin))
    return producer


async def test_a_link_opens_the_report_with_its_panels_and_nothing_beside_it(
    admin: httpx.AsyncClient, guest: httpx.AsyncClient
) -> None:
    mark = uuid4().hex
    shown, other = await a_run(admin, f"shown {mark}"), await a_run(admin, f"other {mark}")
    where = f"name = 'shown {mark}'"
    frozen = (await get(admin, "/runs", limit=1))["vector"]
    body = (
        f"```runs\nfilter: {where}\ncolumns: status\n```\n\n```chart\nfilter: {where}\nmetrics: loss\n```\n\n"
        f"```runs\nfilter: {where}\nlimit: 1\nas_of: {frozen}\n```\n"
    )
    made = await make(admin, f"Shared {mark}", body)
    unshared = await make(admin, "Another", "text")
    link = (await admin.post("/api/v1/shares", json={"path": f"/reports/{made['id']}"})).json()
    mine = {"share": link["id"]}
    assert (await guest.post("/api/v1/shares/open", json={"token": link["token"]})).status_code == 201

    async def status(path: str, **query: Any) -> int:
        return (await guest.get(f"/api/v1{path}", params=mine | query)).status_code

    assert await status(f"/reports/{made['id']}") == 200
    runs = {"filter": where, "fields": "name,status", "limit": 20}
    answer = await guest.get("/api/v1/runs", params=mine | runs)
    assert [each["id"] for each in answer.json()["runs"]] == [str(shown.run)]
    curves = await guest.get("/api/v1/curves", params={**mine, "run": str(shown.run), "key": "loss"})
    assert curves.json()["runs"][str(shown.run)]["curves"]["loss"]["value"] == [1.0]
    assert await status("/runs", **runs | {"limit": 1, "as_of": frozen}) == 200

    assert await status(f"/reports/{unshared['id']}") == 403
    assert await status("/reports") == 403
    assert await status(f"/reports/{made['id']}/revisions") == 403
    assert await status(f"/reports/{made['id']}", revision=1) == 403
    assert await status("/runs", **runs | {"filter": f"name = 'other {mark}'"}) == 403
    assert await status("/runs", **runs | {"limit": 200}) == 403
    assert await status("/runs", **runs | {"as_of": "now"}) == 403, "none of its panels shows that moment"
    assert await status("/runs", **runs | {"as_of": frozen}) == 403, "the frozen one shows one run"
    assert await status("/curves", run=str(other.run), key="loss") == 403
    assert await status("/curves", run=str(shown.run), key="secret") == 403
    assert await status(f"/runs/{shown.run}") == 403
    assert await status("/live", run=str(shown.run)) == 403
    for path in ("/scores", "/search?q=a", "/experiments", "/keys", "/audit", "/shares"):
        assert await status(path) == 403, path
    assert (await guest.put(f"/api/v1/reports/{made['id']}", params=mine, json={})).status_code == 403

    # What the report no longer shows, the link no longer opens.
    changed = (await change(admin, made, 1, body="no panels")).json()
    assert await status("/runs", **runs) == 403
    assert (await guest.get(f"/api/v1/reports/{made['id']}", params=mine)).json()["body"] == "no panels"
    await admin.delete(f"/api/v1/reports/{changed['id']}")
    assert await status(f"/reports/{made['id']}") == 404


async def test_a_frozen_link_shows_the_report_and_its_panels_as_they_were(
    admin: httpx.AsyncClient, guest: httpx.AsyncClient
) -> None:
    mark = uuid4().hex
    run = await a_run(admin, f"a {mark}")
    where = f"name like '%{mark}'"
    made = await make(admin, "Then", f"```runs\nfilter: {where}\n```")
    link = (
        await admin.post("/api/v1/shares", json={"path": f"/reports/{made['id']}", "frozen": True})
    ).json()
    await a_run(admin, f"b {mark}")
    await change(admin, made, 1, body="later")
    await guest.post("/api/v1/shares/open", json={"token": link["token"]})
    mine = {"share": link["id"]}
    assert "filter" in (await get(guest, f"/reports/{made['id']}", **mine))["body"]
    runs = await get(guest, "/runs", filter=where, fields="name", limit=20, as_of=link["as_of"], **mine)
    assert [each["id"] for each in runs["runs"]] == [str(run.run)]
    answer = await guest.get("/api/v1/runs", params={"filter": where, "fields": "name", "limit": 20} | mine)
    assert [each["id"] for each in answer.json()["runs"]] == [str(run.run)]
    later = (await get(admin, "/runs", limit=1))["vector"]
    query = {"filter": where, "fields": "name", "limit": 20, "as_of": later}
    assert (await guest.get("/api/v1/runs", params=query | mine)).status_code == 403


async def test_what_was_saved_is_in_the_table_once(admin: httpx.AsyncClient, settings: Settings) -> None:
    made = await make(admin, "Counted")
    await change(admin, made, 1, body="again")
    async with postgres_pool(settings) as pool:
        live = await pool.fetchval("select version from projection.live where name = 'control'")
        rows = await pool.fetch(
            f"select revision, body from control_v{live}.reports where id = $1 order by 1", UUID(made["id"])
        )
    assert [tuple(row) for row in rows] == [(1, "wide"), (2, "again")]


async def test_an_author_keeps_a_report_as_a_file(
    tool: Tool,
    admin: httpx.AsyncClient,
    tmp_path: Path,
) -> None:
    file, title = tmp_path / "decoders.md", f"Decoders {uuid4().hex[:8]}"
    file.write_text("The *wide* beam.\n")
    done = await asyncio.to_thread(tool, "report", "save", str(file), "--title", title)
    assert done.returncode == 0, done.stderr
    head = file.read_text()
    assert f"revision: 1\ntitle: {title}\n---\n\nThe *wide* beam.\n" in head
    shown = await asyncio.to_thread(tool, "report", "export", title)
    assert shown.stdout == head
    identity = head.splitlines()[1].removeprefix("report: ")
    await change(admin, await get(admin, f"/reports/{identity}"), 1, body="The *narrow* beam.")
    file.write_text(head.replace("wide", "widest"))
    refused = await asyncio.to_thread(tool, "report", "save", str(file))
    assert refused.returncode == 3
    assert "revision 2" in refused.stderr
    assert "report export" in refused.stderr
    assert "widest" in file.read_text()
