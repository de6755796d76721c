"""An S3 server (nanio) on loopback over a folder, with generated keys."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

from ..connections import object_store_client
from ..settings import Settings
from .processes import python

_ANSWER_EVERY_S = 0.05


class ObjectStoreError(Exception):
    """The object store does not answer."""


@dataclass(frozen=True, slots=True)
class ObjectServer:
    """Where the server lives and the keys it takes."""

    folder: Path
    port: int
    access_key: str
    secret_key: str
    region: str = "us-east-1"

    def command(self) -> list[str]:
        """The command line of the server."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        place = ["--data-dir", str(self.folder), "--host", "127.0.0.1", "--port", str(self.port)]
        return python(
            "nanio", "serve", *place, "--region", self.region, "--no-access-log", "--log-level", "warning"
        )

    def environment(self) -> dict[str, str]:
        """The keys, which are not for the command line."""
        return {"NANIO_ACCESS_KEY": self.access_key, "NANIO_SECRET_KEY": self.secret_key}


async def ensure_bucket(settings: Settings, *, timeout_s: float = 30.0) -> None:
    """Wait until the object store answers, and make the bucket where it is missing.

    Raises:
        ObjectStoreError: no answer in time, or the keys are refused.
    """
    import urllib3
    from minio.error import MinioException

    client = object_store_client(settings, retries=0)
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            if not await asyncio.to_thread(client.bucket_exists, settings.s3_bucket):
                await asyncio.to_thread(client.make_bucket, settings.s3_bucket)
            return
        except (urllib3.exceptions.HTTPError, MinioException) as error:
            if time.monotonic() > deadline:
                raise ObjectStoreError(f"no answer from S3 at {settings.s3_endpoint}: {error}") from error
            await asyncio.sleep(_ANSWER_EVERY_S)
