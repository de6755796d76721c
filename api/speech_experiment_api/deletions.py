"""Deleting and restoring: a hidden mark in the control topic; the log keeps everything."""

from __future__ import annotations

from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from speech_experiment_schemas.control import SubjectDeleted, SubjectRestored
from speech_experiment_schemas.limits import Line

from .auth import actor_of
from .control_rows import kept_by_newer
from .params import path_uuid
from .problems import bad_request, not_found
from .responses import json_response
from .routing import Handler, Param, Routes
from .services import Services, services_of

routes = Routes("deletions")
_TABLES = {
    "run": ("metadata", "runs"),
    "experiment": ("metadata", "experiments"),
    "artifact": ("artifacts", "artifacts"),
    "report": ("control", "reports"),
}
_REASON = (Param("reason", "why, for the audit trail (up to 2,000 characters)"),)
_LONGEST_REASON = 2_000


class Deletion(msgspec.Struct):
    kind: str
    id: UUID
    deleted: bool


def _deleting(kind: str) -> Handler:
    async def delete(request: Request) -> Response:
        return await _change(request, kind, deleted=True)

    return delete


def _restoring(kind: str) -> Handler:
    async def restore(request: Request) -> Response:
        return await _change(request, kind, deleted=False)

    return restore


for _kind in _TABLES:
    _path = f"/api/v1/{_kind}s/{{id}}"
    routes.delete(
        _path,
        access="editor",
        summary=f"Hides {'an' if _kind[0] in 'ae' else 'a'} {_kind} from plain queries; the log keeps it.",
        params=_REASON,
        response=Deletion,
    )(_deleting(_kind))
    routes.post(
        f"{_path}/restore",
        access="editor",
        summary=f"Shows a deleted {_kind} again.",
        params=_REASON,
        response=Deletion,
    )(_restoring(_kind))


async def _change(request: Request, kind: str, *, deleted: bool) -> Response:
    services, actor, subject = services_of(request), actor_of(request), path_uuid(request)
    reason: Line = request.query_params.get("reason", "")
    if len(reason) > _LONGEST_REASON:
        raise bad_request(f"has {len(reason):,} characters, the limit is {_LONGEST_REASON:,}", "reason")
    if not await _exists(services, kind, subject, actor.workspace):
        raise not_found(f"the {kind} {subject}")
    event = SubjectDeleted(reason=reason) if deleted else SubjectRestored(reason=reason)
    await services.control.change((event, (kind, subject)), actor=actor.name, workspace=actor.workspace)
    return json_response(Deletion(kind, subject, deleted))


async def _exists(services: Services, kind: str, subject: UUID, workspace: str) -> bool:
    projection, table = _TABLES[kind]
    schema = await services.stores.versions.schema(projection)
    query = f"select exists(select from {schema}.{table} where id = $1 and workspace = $2)"  # noqa: S608
    with kept_by_newer(f"{kind}s"):
        return bool(await services.stores.pool.fetchval(query, subject, workspace))
