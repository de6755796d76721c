"""Streaming between the event loop and the blocking object store client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Future
from hashlib import sha256
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minio import Minio

_CHUNK = 1 << 20
_READ_TIMEOUT = 300.0


class WrongContent(ValueError):  # noqa: N818 - says what the sender did
    """The bytes that came are not the bytes that were announced."""


async def chunks(objects: Minio, bucket: str, name: str, start: int, length: int) -> AsyncIterator[bytes]:
    """An object's bytes; the request is made before this returns, so that its errors can be answered."""
    if not length:
        return _none()
    response = await asyncio.to_thread(objects.get_object, bucket, name, offset=start, length=length)
    return _read(response)


async def _none() -> AsyncIterator[bytes]:
    empty: tuple[bytes, ...] = ()
    for part in empty:
        yield part


async def _read(response: Any) -> AsyncIterator[bytes]:
    try:
        while data := await asyncio.to_thread(response.read, _CHUNK):
            yield data
    finally:
        response.close()
        response.release_conn()


class VerifiedBody:
    """A request body as the blocking file that the object store client reads in its thread.

    The last bytes are handed out only when the whole has the announced length and hash, so
    the object never gets its name with other content.
    """

    def __init__(
        self, body: AsyncIterator[bytes], digest: str, size: int, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._body = body
        self._digest = digest
        self._size = size
        self._loop = loop
        self._hash = sha256()
        self._seen = 0
        self._held = bytearray()
        self._waiting: Future[bytes] | None = None
        if not size:
            self._check()

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes; raises WrongContent, or what broke the connection."""
        size = _CHUNK if size < 0 else size
        while len(self._held) < size and self._seen < self._size:
            self._waiting = asyncio.run_coroutine_threadsafe(self._next(size), self._loop)
            self._take(self._waiting.result(_READ_TIMEOUT))
        data = bytes(self._held[:size])
        del self._held[:size]
        return data

    async def _next(self, size: int) -> bytes:
        parts: list[bytes] = []
        gathered = 0
        async for part in self._body:
            parts.append(part)
            gathered += len(part)
            if gathered >= size:
                break
        return b"".join(parts)

    def _take(self, data: bytes) -> None:
        self._hash.update(data)
        self._seen += len(data)
        self._held += data
        if not data or self._seen > self._size:
            raise WrongContent(f"{self._seen:,} bytes came, Content-Length says {self._size:,}")
        if self._seen == self._size:
            self._check()

    def _check(self) -> None:
        if self._hash.hexdigest() != self._digest:
            raise WrongContent(f"the content has the SHA-256 {self._hash.hexdigest()}")

    def abort(self) -> None:
        """Lets the reading thread go, with an error: nobody waits for it any more."""
        if self._waiting is not None:
            self._waiting.cancel()
