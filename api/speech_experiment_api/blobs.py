"""Contents by their SHA-256: the drain stores them here before it logs the artifact.

Contents are shared by all workspaces: who can name a hash has had the content. Reading one by
its hash needs an artifact of the own workspace all the same.
"""

from __future__ import annotations

import asyncio
import re

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from speech_experiment_schemas.artifacts import blob_name

from .auth import actor_of
from .object_stream import VerifiedBody, WrongContent, chunks
from .problems import Problem, bad_request, not_found
from .responses import json_response
from .routing import Routes
from .services import Services, services_of

routes = Routes("blobs")
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")
NO_OBJECT = ("NoSuchKey", "NoSuchObject", "NotFound")
"""Codes of an object store that has no such object."""
_PATH = "/api/v1/blobs/{sha256}"
_BINARY = "application/octet-stream"
_PART_BYTES = 16 << 20
_MOST_PARTS = 9_000


class Stored(msgspec.Struct):
    sha256: str
    size: int
    created: bool


@routes.add("HEAD", _PATH, access="editor", body_limit=0, produces=_BINARY)
async def blob_exists(request: Request) -> Response:
    """200 when the content is stored already, so that it need not be sent; else 404."""
    size = await _size(services_of(request), _digest(request))
    if size is None:
        return Response(status_code=404)
    return Response(status_code=200, headers={"X-Content-Size": str(size)})


@routes.put(_PATH, access="editor", response=Stored, status=201, consumes=_BINARY, body_limit=1 << 62)
async def put_blob(request: Request) -> Response:
    """Stores content under its SHA-256; 200 when it was there, 201 when it is new, 422 when it is other content."""
    services, digest = services_of(request), _digest(request)
    size = _announced_size(request, services.settings.blob_limit_bytes)
    if await _size(services, digest) == size:
        return json_response(Stored(digest, size, created=False))
    async with services.uploads:
        await _upload(request, services, digest, size)
    return json_response(Stored(digest, size, created=True), 201)


@routes.get(_PATH, access="viewer", produces=_BINARY)
async def get_blob(request: Request) -> Response:
    """Content by hash, if an artifact of the workspace has it."""
    services, digest = services_of(request), _digest(request)
    schema = await services.stores.versions.schema("artifacts")
    query = f"select exists(select from {schema}.artifacts where sha256 = $1 and workspace = $2)"  # noqa: S608
    known = await services.stores.pool.fetchval(query, digest, actor_of(request).workspace)
    size = await _size(services, digest) if known else None
    if size is None:
        raise not_found(f"content with the SHA-256 {digest}")
    bucket = services.settings.s3_bucket
    body = await chunks(await services.stores.objects(), bucket, blob_name(digest), 0, size)
    return StreamingResponse(body, 200, {"Content-Length": str(size)}, media_type=_BINARY)


def _digest(request: Request) -> str:
    digest: str = request.path_params["sha256"]
    if not _DIGEST.match(digest):
        raise bad_request("must be 64 hexadecimal digits in lower case", "sha256")
    return digest


def _announced_size(request: Request, limit: int) -> int:
    length = request.headers.get("content-length")
    if length is None:
        raise Problem(411, "length_required", "send Content-Length", field="Content-Length")
    if int(length) > limit:
        raise Problem(413, "too_large", f"contents may have {limit:,} bytes here", extra={"limit": limit})
    return int(length)


async def _size(services: Services, digest: str) -> int | None:
    """Bytes of a stored content; None when there is none."""
    from minio.error import S3Error

    objects = await services.stores.objects()
    try:
        found = await asyncio.to_thread(objects.stat_object, services.settings.s3_bucket, blob_name(digest))
    except S3Error as error:
        if error.code in NO_OBJECT:
            return None
        raise
    return found.size


async def _upload(request: Request, services: Services, digest: str, size: int) -> None:
    objects = await services.stores.objects()
    part = max(_PART_BYTES, -(-size // _MOST_PARTS))
    body: VerifiedBody | None = None
    try:
        body = VerifiedBody(request.stream(), digest, size, asyncio.get_running_loop())
        await asyncio.to_thread(
            objects.put_object,
            services.settings.s3_bucket,
            blob_name(digest),
            body,  # type: ignore[arg-type]
            size,
            content_type=_BINARY,
            part_size=part,
            num_parallel_uploads=1,
        )
    except WrongContent as error:
        raise Problem(
            422, "wrong_content", f"this is not what was announced: {error}", field="sha256"
        ) from None
