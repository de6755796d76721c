"""API keys: made, listed, revoked, all as events in the control topic."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from speech_experiment_schemas.control import KeyCreated, KeyRevoked, Role, WorkspaceCreated
from speech_experiment_schemas.ids import uuid7
from speech_experiment_schemas.limits import Line

from .actors import Actor
from .auth import actor_of
from .control import Subject, workspace_id
from .key_ring import CACHE_SECONDS, key_digest, new_key
from .params import path_uuid
from .problems import Problem, conflict, not_found
from .responses import json_response, read_json
from .routing import Routes
from .services import Services, services_of

routes = Routes("keys")
Workspace = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9_-]{0,62}$")]


class NewKey(msgspec.Struct, forbid_unknown_fields=True):
    """workspace: the caller's own when left out; another one only from the server's home workspace."""

    role: Role
    label: Line = ""
    workspace: Workspace | None = None


class CreatedKey(msgspec.Struct):
    """key is shown here and never again."""

    id: UUID
    key: str
    workspace: str
    role: str
    label: str
    hint: str


class KeyInfo(msgspec.Struct):
    """hint: the last four characters of the key."""

    id: UUID
    workspace: str
    role: str
    label: str
    hint: str
    created_at: datetime
    created_by: str | None
    revoked_at: datetime | None
    revoked_by: str | None


class KeyList(msgspec.Struct):
    keys: list[KeyInfo]


@routes.post("/api/v1/keys", access="admin", request=NewKey, response=CreatedKey, status=201)
async def create_key(request: Request) -> Response:
    """Makes an API key; the answer shows it for the only time."""
    services, actor = services_of(request), actor_of(request)
    wanted = await read_json(request, NewKey)
    workspace = _workspace_for(wanted, actor, services)
    created, event = make_key(workspace, wanted.role, wanted.label)
    events: list[tuple[msgspec.Struct, Subject]] = [(event, ("key", created.id))]
    if not await workspace_exists(services, workspace):
        events.insert(0, (WorkspaceCreated(name=workspace), ("workspace", workspace_id(workspace))))
    await services.control.change(*events, actor=actor.name, workspace=workspace)
    services.stores.keys.forget()
    return json_response(created, 201)


def make_key(workspace: str, role: Role, label: str, key: str | None = None) -> tuple[CreatedKey, KeyCreated]:
    """A new key (or the given one) for its owner, and the event that tells of it without telling it."""
    key = key or new_key()
    hint = key[-4:]
    event = KeyCreated(workspace=workspace, role=role, sha256=key_digest(key), label=label, hint=hint)
    return CreatedKey(uuid7(), key, workspace, role, label, hint), event


def _workspace_for(wanted: NewKey, actor: Actor, services: Services) -> str:
    workspace = wanted.workspace or actor.workspace
    if workspace != actor.workspace and actor.workspace != services.settings.workspace:
        home = services.settings.workspace
        detail = f"keys of another workspace are made with an admin key of the workspace {home}"
        raise Problem(403, "forbidden", detail, field="workspace")
    return workspace


async def workspace_exists(services: Services, name: str) -> bool:
    schema = await services.stores.versions.schema("control")
    query = f"select exists(select from {schema}.workspaces where name = $1)"  # noqa: S608
    return bool(await services.stores.pool.fetchval(query, name))


@routes.get("/api/v1/keys", access="admin", response=KeyList)
async def list_keys(request: Request) -> Response:
    """The workspace's keys, newest first, revoked ones too."""
    services, actor = services_of(request), actor_of(request)
    schema = await services.stores.versions.schema("control")
    columns = ", ".join(KeyInfo.__struct_fields__)
    query = f"select {columns} from {schema}.keys where workspace = $1 order by created_at desc, id desc"  # noqa: S608
    rows = await services.stores.pool.fetch(query, actor.workspace)
    return json_response(KeyList([KeyInfo(**row) for row in rows]))


@routes.delete("/api/v1/keys/{id}", access="admin", status=204)
async def revoke_key(request: Request) -> Response:
    """Revokes a key; answers once no server process honours it any more."""
    services, actor = services_of(request), actor_of(request)
    key_id = path_uuid(request)
    if not await _revocable(services, actor, key_id):
        return Response(status_code=204)
    event = (KeyRevoked(), ("key", key_id))
    written = await services.control.append(event, actor=actor.name, workspace=actor.workspace)
    services.stores.keys.refuse(key_id)
    await services.control.projected(written)
    if not services.settings.embedded:
        await asyncio.sleep(CACHE_SECONDS)  # until the other processes' caches have run out
    return Response(status_code=204)


async def _revocable(services: Services, actor: Actor, key_id: UUID) -> bool:
    """False for a key revoked already; raises 404 for an unknown one and 409 for the last admin's."""
    schema = await services.stores.versions.schema("control")
    query = f"select id, role, revoked_at from {schema}.keys where workspace = $1"  # noqa: S608
    keys = {row["id"]: row for row in await services.stores.pool.fetch(query, actor.workspace)}
    if key_id not in keys:
        raise not_found(f"the key {key_id}")
    if keys[key_id]["revoked_at"] is not None:
        return False
    admins = [each for each, row in keys.items() if row["role"] == "admin" and row["revoked_at"] is None]
    if admins == [key_id]:
        raise conflict("this is the workspace's last admin key; make another one first", "id")
    return True
