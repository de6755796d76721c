"""Artifacts of a run: the list, and their content."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from speech_experiment_schemas.artifacts import blob_name

from .blobs import NO_OBJECT
from .byte_ranges import ByteRange, parse_range
from .object_stream import chunks
from .params import flag, path_uuid
from .problems import Problem, not_found
from .queries.reading import AS_OF, Reading, missing_run, reading
from .queries.sql import Binder, before
from .queries.visibility import deletions, visible
from .responses import json_response
from .routing import Param, Routes
from .services import Services, services_of

routes = Routes("artifacts")
_LINK_LIFETIME = timedelta(minutes=15)
_SHOWN_INLINE = ("image/png", "image/jpeg", "image/webp", "audio/", "text/plain", "application/json")


class Artifact(msgspec.Struct):
    """path is its name within the run; version counts the path's artifacts from 1.

    rank, attempt  of the process that logged it, where it said so
    """

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
    rank: int
    attempt: int
    created_at: datetime


class Artifacts(msgspec.Struct):
    """vector: what the answer depends on; asked with as_of it comes again."""

    artifacts: list[Artifact]
    vector: str


@routes.get(
    "/api/v1/runs/{id}/artifacts",
    access="viewer",
    response=Artifacts,
    params=[
        Param("versions", "all versions of each path, not the newest alone (default false)", bool),
        AS_OF,
    ],
)
async def run_artifacts(request: Request) -> Response:
    """The run's artifacts by path, the newest version of each."""
    run_id, versions = path_uuid(request), flag(request, "versions")
    async with reading(request) as read:
        if read.unchanged:
            return read.not_modified()
        await read.world.runs([run_id])
        rows = await artifacts_where(read, lambda bind: f"a.run_id = {bind(run_id, 'uuid')}")
        if not rows and not await _run_exists(read, run_id):
            raise missing_run(run_id, read)
    if not versions:
        rows = list({row["path"]: row for row in rows}.values())
    return read.answer({"artifacts": [_artifact(row) for row in rows]})


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


async def artifacts_where(read: Reading, condition: Callable[[Binder], str]) -> list[Any]:
    """Rows (alias a) that nobody has deleted, nor the run that they belong to, nor its experiment, by path."""
    tables, bind = read.tables, Binder()
    chosen = condition(bind)
    seen = visible(tables, bind, read.scope)
    where = [chosen, f"a.workspace = {bind(read.actor.workspace, 'text')}"]
    opened = "true"
    if read.past:
        below = read.vector.below("artifacts")
        where.append(before(below, "a", bind))
        opened = before(below, "l", bind, "opened_offset")
    speaker = ", ".join(
        f"coalesce(case when {opened} then l.{name} end, {default}) as {name}"
        for name, default in (("rank", 0), ("attempt", 1))
    )
    query = f"""
        select a.*, {speaker} from {tables.artifacts}.artifacts a
        left join {tables.artifacts}.ledger l
          on l.producer = a.producer and l.run_id = a.run_id and l.workspace = a.workspace
        where {" and ".join(where)}
          and not exists (
            select from {deletions(tables, bind, read.scope)} d where d.kind = 'artifact' and d.id = a.id)
          and not exists (select from {tables.metadata}.runs r where r.id = a.run_id and not ({seen}))
        order by a.path, a.version"""  # noqa: S608
    return await read.fetch(query, *bind.values)


async def _run_exists(read: Reading, run_id: UUID) -> bool:
    query = f"select from {read.tables.metadata}.runs where id = $1 and workspace = $2"
    return bool(await read.fetch(query, run_id, read.actor.workspace))


async def _one(request: Request) -> Any:
    artifact = path_uuid(request)
    async with reading(request, newest=True) as read:
        rows = await artifacts_where(read, lambda bind: f"a.id = {bind(artifact, 'uuid')}")
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
    from minio.error import S3Error

    objects = await services.stores.objects()
    bucket = services.settings.s3_bucket
    try:
        return await chunks(objects, bucket, blob_name(sha256), part.start, part.length)
    except S3Error as error:
        if error.code not in NO_OBJECT:
            raise
        detail = f"the object store has no content with the SHA-256 {sha256}"
        raise Problem(410, "content_missing", detail, field="sha256") from None


def disposition(path: str, content_type: str) -> str:
    """Shown in the browser only when it cannot run there; downloaded under its own name otherwise."""
    how = "inline" if content_type.startswith(_SHOWN_INLINE) else "attachment"
    return f"{how}; filename*=UTF-8''{quote(path.rsplit('/', 1)[-1], safe='')}"
