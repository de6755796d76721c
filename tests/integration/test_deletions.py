"""Deleting and restoring: what three roles see, and what the audit tells of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
import pytest_asyncio

from speech_experiment_api.queries.sql import Binder, Tables
from speech_experiment_api.queries.visibility import Scope, visible
from speech_experiment_schemas import Sealer, wire
from speech_experiment_schemas.artifacts import ArtifactLogged
from speech_experiment_schemas.experiments import ExperimentCreated
from speech_experiment_schemas.ids import experiment_id, uuid7
from speech_experiment_schemas.runs import RunStarted
from tests.conftest import RunningStack
from tests.integration.gateway_tools import Producer, make_client, post, queryable, reply_of

pytestmark = pytest.mark.stack


@dataclass
class Team:
    """A workspace of its own, with a client of each role."""

    workspace: str
    viewer: httpx.AsyncClient
    editor: httpx.AsyncClient
    admin: httpx.AsyncClient

    async def run(self, experiment: str, name: str) -> UUID:
        """A run with an artifact."""
        producer = Producer().open("runs", "artifacts")
        identity = experiment_id(self.workspace, experiment)
        producer.say(RunStarted(experiment=identity, experiment_name=experiment, name=name))
        logged = ArtifactLogged(artifact=uuid7(), path="a.pt", type="checkpoint", size=5, sha256="ab" * 32)
        producer.say(logged, "artifacts")
        await queryable(self.editor, await producer.send(self.editor))
        return producer.run

    async def experiment(self, name: str) -> UUID:
        identity = experiment_id(self.workspace, name)
        record = Sealer(uuid7(), "runs").seal(ExperimentCreated(name=name), ("experiment", identity))
        await queryable(self.editor, reply_of(await post(self.editor, wire.encode_batch([record]))))
        return identity

    async def audit(self, **params: Any) -> list[dict[str, Any]]:
        answer = await self.admin.get("/api/v1/audit", params=params)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["acts"]
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def team(stack: RunningStack) -> AsyncIterator[Team]:
    workspace = f"team-{uuid4().hex[:8]}"
    headers = {"Authorization": f"Bearer {stack.key}"}
    async with AsyncExitStack() as clients:
        owner = await clients.enter_async_context(
            httpx.AsyncClient(base_url=stack.url, timeout=60, headers=headers)
        )
        made = [
            await clients.enter_async_context(await make_client(owner, role, workspace))
            for role in ("viewer", "editor", "admin")
        ]
        yield Team(workspace, *made)


async def _names(client: httpx.AsyncClient, **params: Any) -> set[str]:
    answer = await client.get("/api/v1/runs", params=params)
    assert answer.status_code == 200, answer.text
    return {run["name"] for run in answer.json()["runs"]}


async def test_a_deleted_experiment_hides_its_runs_and_their_artifacts_until_restored(team: Team) -> None:
    experiment = await team.experiment("cascade")
    early = await team.run("cascade", "early")
    files = f"/api/v1/runs/{early}/artifacts"
    [artifact] = (await team.viewer.get(files)).json()["artifacts"]
    path = f"/api/v1/experiments/{experiment}"
    assert (await team.viewer.delete(path)).status_code == 403
    assert (await team.editor.delete(path, params={"reason": "wrong data"})).status_code == 200
    late = await team.run("cascade", "late")

    shown = {"filter": "experiment = 'cascade'"}
    for client in (team.viewer, team.editor, team.admin):
        assert await _names(client, **shown) == {"late"}
        assert (await client.get(files)).json()["artifacts"] == []
        assert (await client.get(f"/api/v1/artifacts/{artifact['id']}")).status_code == 404
        assert (await client.get(f"/api/v1/runs/{early}")).status_code == 404
        assert (await client.get(f"/api/v1/runs/{late}")).json()["deleted_at"] is None
    assert await _names(team.admin, deleted="true", **shown) == {"early"}
    hidden = (await team.admin.get(f"/api/v1/runs/{early}", params={"deleted": "true"})).json()
    assert hidden["deleted"] is True
    [act] = await team.audit(subject=str(experiment))
    assert datetime.fromisoformat(hidden["deleted_at"]) == datetime.fromisoformat(act["time"])

    assert (await team.editor.post(f"{path}/restore", params={"reason": "it was right"})).status_code == 200
    assert await _names(team.viewer, **shown) == {"early", "late"}
    assert len((await team.viewer.get(files)).json()["artifacts"]) == 1


async def test_the_audit_tells_who_did_what_and_why(team: Team) -> None:
    run = await team.run("audited", "a run")
    path = f"/api/v1/runs/{run}"
    await team.editor.delete(path, params={"reason": "first"})
    await team.admin.post(f"{path}/restore", params={"reason": "second"})
    restored, deleted = await team.audit(subject=str(run))
    assert (deleted["type"], deleted["reason"], deleted["name"]) == ("subject.deleted", "first", "a run")
    assert (restored["type"], restored["reason"]) == ("subject.restored", "second")
    assert deleted["actor"] != restored["actor"]
    assert deleted["actor_label"] == "test"
    assert deleted["position"].startswith("control:0:")

    assert [each["reason"] for each in await team.audit(actor=deleted["actor"], subject=str(run))] == [
        "first"
    ]
    assert [each["type"] for each in await team.audit(subject=str(run), type="subject.deleted")] == [
        "subject.deleted"
    ]
    assert await team.audit(subject=str(run), since=restored["time"], limit=5) == [restored]
    assert await team.audit(subject=str(run), until=restored["time"]) == [deleted]
    assert await team.audit(subject=str(run), until=restored["time"][:10]) == [restored, deleted]
    created = await team.audit(type="key.created")
    assert {each["details"]["role"] for each in created} == {"viewer", "editor", "admin"}
    assert all("sha256" not in each["details"] for each in created)


async def test_the_audit_is_read_page_by_page(team: Team) -> None:
    everything, paged, cursor = await team.audit(limit=1000), [], None
    while True:
        params = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = (await team.admin.get("/api/v1/audit", params=params)).json()
        paged += page["acts"]
        if (cursor := page["next_cursor"]) is None:
            break
    assert paged == everything
    assert len(everything) > 4


async def test_the_audit_is_for_the_admins_of_a_workspace(team: Team, admin: httpx.AsyncClient) -> None:
    for client in (team.viewer, team.editor):
        assert (await client.get("/api/v1/audit")).status_code == 403
    ours = {each["position"] for each in await team.audit(limit=1000)}
    theirs = (await admin.get("/api/v1/audit", params={"limit": 1000})).json()["acts"]
    assert ours.isdisjoint(each["position"] for each in theirs)
    for wrong in ({"since": "soon"}, {"subject": "x"}, {"cursor": "runs:0:1"}, {"limit": 0}):
        answer = await team.admin.get("/api/v1/audit", params=wrong)
        assert answer.status_code == 400, answer.text
        assert answer.json()["field"] == next(iter(wrong))


async def test_the_history_keeps_every_period(team: Team, stack: RunningStack) -> None:
    run = await team.run("history", "again and again")
    path = f"/api/v1/runs/{run}"
    for reason in ("one", "two"):
        await team.editor.delete(path, params={"reason": reason})
    await team.editor.post(f"{path}/restore")
    await team.editor.post(f"{path}/restore")
    await team.editor.delete(path, params={"reason": "three"})
    connection = await asyncpg.connect(stack.settings.postgres_dsn)
    try:
        query = "select * from control_v1.deletion_history where id = $1 order by from_offset"
        first, second, third = await connection.fetch(query, run)
        places = (first["from_offset"], second["from_offset"], second["to_offset"], third["from_offset"])
        for admin in (True, False):
            offsets = [*places, places[-1] + 1]
            seen = [await _visible(connection, team, run, offset, admin=admin) for offset in offsets]
            assert seen == [admin, False, False, admin, False]
        await team.editor.post(f"{path}/restore")
        seen = [await _visible(connection, team, run, offset, admin=False) for offset in offsets]
        assert seen == [True, False, False, True, False]
    finally:
        await connection.close()
    assert (first["reason"], first["to_offset"], first["restored_by"]) == ("one", second["from_offset"], None)
    assert (second["reason"], second["to_offset"]) == ("two", second["from_offset"] + 1)
    assert second["restored_by"] == second["deleted_by"]
    assert (third["reason"], third["to_offset"], third["workspace"]) == ("three", None, team.workspace)


async def _visible(connection: Any, team: Team, run: UUID, offset: int, *, admin: bool) -> bool:
    """Whether a question as of a next offset of the topic `control` shows the run."""
    tables, bind = (
        Tables.of(dict.fromkeys(("metadata", "metrics", "scores", "artifacts", "control"), 1)),
        Binder(),
    )
    seen = visible(tables, bind, Scope(team.workspace, then=((0, offset),), admin=admin))
    query = f"select exists(select from metadata_v1.runs r where r.id = {bind(run, 'uuid')} and {seen})"
    return bool(await connection.fetchval(query, *bind.values))
