"""Artifacts of a run: the list, and their content."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from speech_experiment_schemas.artifacts import blob_name

from .auth import actor_of
from .byte_ranges import ByteRange, parse_range
from .object_stream import chunks
from .params import flag, path_uuid
from .problems import Problem, not_found
from .responses import json_response
from .routing import Param, Routes
from .services import Services, services_of

routes = Routes("artifacts")
_LINK_LIFETIME = timedelta(minutes=15)
_SHOWN_INLINE = ("image/png", "image/jpeg", "image/webp", "audio/", "text/plain", "application/json")


class Artifact(msgspec.Struct):
    """path is its name within the run; version counts the path's artifacts from 1."""

    id: UUID
    run_id: UUID
    path: str
    type: str
    size_bytes: int
    sha256: str
    content_type: str
    storage: msgspec.Raw
    step: int | None
    epoch: float | None
    metadata: msgspec.Raw
    version: int
    created_at: datetime


class Artifacts(msgspec.Struct):
    artifacts: list[Artifact]


@routes.get(
    "/api/v1/runs/{id}/artifacts",
    access="viewer",
    response=Artifacts,
    params=[Param("versions", "all versions of each path, not the newest alone (default false)", bool)],
)
async def run_artifacts(request: Request) -> Response:
    """The run's artifacts by path, the newest version of each."""
    services, run_id = services_of(request), path_uuid(request)
    rows = await _select(services, "run_id = $1", run_id, actor_of(request).workspace)
    if not rows and not await _run_exists(services, run_id, actor_of(request).workspace):
        raise not_found(f"the run {run_id}")
    if not flag(request, "versions"):
        rows = list({row["path"]: row for row in rows}.values())
    return json_response(Artifacts([_artifact(row) for row in rows]))


@routes.get("/api/v1/artifacts/{id}", access="viewer", response=Artifact)
async def get_artifact(request: Request) -> Response:
    """What is known of an artifact."""
    return json_response(_artifact(await _one(request)))


@routes.get(
    "/api/v1/artifacts/{id}/content",
    access="viewer",
    produces="application/octet-stream",
    params=[Param("redirect", "answer with a link to the object store, valid for 15 minutes", bool)],
)
async def artifact_content(request: Request) -> Response:
    """The artifact's bytes; takes Range."""
    row = await _one(request)
    storage = msgspec.json.decode(row["storage"])
    if storage.get("kind") != "blob":
        detail = f"its content is not stored here but referenced: {storage.get('uri', 'no URI given')}"
        raise Problem(409, "referenced", detail, extra={"uri": storage.get("uri")})
    if flag(request, "redirect"):
        return RedirectResponse(await _link(services_of(request), row), 307)
    return await _content(request, row)


async def _select(services: Services, condition: str, value: UUID, workspace: str) -> list[Any]:
    """Rows that nobody has deleted, nor the run that they belong to."""
    artifacts = await services.stores.versions.schema("artifacts")
    control = await services.stores.versions.schema("control")
    query = f"""
        select a.* from {artifacts}.artifacts a
        where {condition} and a.workspace = $2 and not exists (
            select from {control}.deletions d
            where (d.kind, d.id) in (('artifact', a.id), ('run', a.run_id)))
        order by a.path, a.version"""  # noqa: S608
    return list(await services.stores.pool.fetch(query, value, workspace))


async def _run_exists(services: Services, run_id: UUID, workspace: str) -> bool:
    schema = await services.stores.versions.schema("metadata")
    query = f"select exists(select from {schema}.runs where id = $1 and workspace = $2)"  # noqa: S608
    return bool(await services.stores.pool.fetchval(query, run_id, workspace))


async def _one(request: Request) -> Any:
    artifact = path_uuid(request)
    rows = await _select(services_of(request), "a.id = $1", artifact, actor_of(request).workspace)
    if not rows:
        raise not_found(f"the artifact {artifact}")
    return rows[0]


def _artifact(row: Any) -> Artifact:
    values = {name: row[name] for name in Artifact.__struct_fields__}
    values |= {name: msgspec.Raw(row[name].encode()) for name in ("storage", "metadata")}
    return Artifact(**values)


async def _link(services: Services, row: Any) -> str:
    objects, bucket = await services.stores.objects(), services.settings.s3_bucket
    headers = {"response-content-disposition": disposition(row["path"], row["content_type"])}
    return await asyncio.to_thread(
        objects.presigned_get_object,
        bucket,
        blob_name(row["sha256"]),
        expires=_LINK_LIFETIME,
        response_headers=headers,  # type: ignore[arg-type]
    )


async def _content(request: Request, row: Any) -> Response:
    size, etag = row["size_bytes"], f'"{row["sha256"]}"'
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, max-age=31536000, immutable",
        "Content-Disposition": disposition(row["path"], row["content_type"]),
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    part = parse_range(request.headers.get("range"), size)
    headers["Content-Length"] = str(part.length)
    if part.partial:
        headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
    body = await _open(services_of(request), row["sha256"], part)
    return StreamingResponse(body, 206 if part.partial else 200, headers, media_type=row["content_type"])


async def _open(services: Services, sha256: str, part: ByteRange) -> Any:
    objects = await services.stores.objects()
    return await chunks(objects, services.settings.s3_bucket, blob_name(sha256), part.start, part.length)


def disposition(path: str, content_type: str) -> str:
    """Shown in the browser only when it cannot run there; downloaded under its own name otherwise."""
    how = "inline" if content_type.startswith(_SHOWN_INLINE) else "attachment"
    return f"{how}; filename*=UTF-8''{quote(path.rsplit('/', 1)[-1], safe='')}"
