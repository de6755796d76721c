"""Contents of artifacts in the object store, held against what was logged of them."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Collection
from typing import TYPE_CHECKING

import msgspec

from speech_experiment_projections.artifacts import ArtifactRow
from speech_experiment_projections.findings import Finding, Kind, of_artifact
from speech_experiment_schemas.artifacts import blob_name

from .problems import Problem
from .services import Services

if TYPE_CHECKING:
    from minio import Minio

_AT_ONCE = 16
_CHUNK = 1 << 20
_GONE = ("NoSuchKey", "NoSuchObject", "NotFound")


async def check_contents(
    services: Services, artifacts: Collection[ArtifactRow], read: bool, deadline: float
) -> list[Finding]:
    """Contents that are gone, or of another size; read: or whose bytes have another hash."""
    contents: dict[str, list[ArtifactRow]] = {}
    for row in artifacts:
        if msgspec.json.decode(row.storage).get("kind") == "blob":
            contents.setdefault(row.sha256, []).append(row)
    if not contents:
        return []
    objects, turn = await services.stores.objects(), asyncio.Semaphore(_AT_ONCE)
    bucket = services.settings.s3_bucket

    async def check(digest: str, size: int) -> tuple[Kind, str] | None:
        async with turn:
            if time.monotonic() > deadline:
                raise Problem(503, "timeout", "reading contents took longer than the timeout; give it longer")
            return await asyncio.to_thread(_look, objects, bucket, digest, size, read)

    wrong = await asyncio.gather(*(check(digest, rows[0].size_bytes) for digest, rows in contents.items()))
    return [
        _finding(row, *told)
        for told, rows in zip(wrong, contents.values(), strict=True)
        if told is not None
        for row in rows
    ]


def _look(objects: Minio, bucket: str, digest: str, size: int, read: bool) -> tuple[Kind, str] | None:
    """What is wrong with one content; blocking."""
    from minio.error import S3Error

    try:
        found = objects.stat_object(bucket, blob_name(digest)).size
        if found != size:
            return "changed", f"the content has {found} bytes, {size} were logged"
        if read and (other := _hash(objects, bucket, digest)) != digest:
            return "changed", f"the content's SHA-256 is {other}"
    except S3Error as error:
        if error.code not in _GONE:
            raise
        return "missing", f"the content {digest[:16]}… is not in the object store"
    return None


def _hash(objects: Minio, bucket: str, digest: str) -> str:
    found = hashlib.sha256()
    answer = objects.get_object(bucket, blob_name(digest))
    try:
        for chunk in answer.stream(_CHUNK):
            found.update(chunk)
    finally:
        answer.close()
        answer.release_conn()
    return found.hexdigest()


def _finding(row: ArtifactRow, kind: Kind, what: str) -> Finding:
    told = f"{row.path} version {row.version}: {what}"
    mend = f"log {row.path} again from where it was made, or restore blobs/ from a backup of the bucket"
    return of_artifact(row, "objects", kind, told, mend)
