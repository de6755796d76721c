"""The HTTP gateway, over one kept-alive connection."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import msgspec

from speech_experiment_schemas.wire import CONTENT_TYPE, IngestReply, encode_batch

from .base import DeliveryError

COMPRESS_FROM = 16_384
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_reply_decoder = msgspec.msgpack.Decoder(IngestReply)
_Body = bytes | IO[bytes] | None


class HttpTransport:
    """Talks to `url` (http or https, with an optional path before /api/v1) with a Bearer key."""

    def __init__(self, url: str, api_key: str | None = None, *, timeout: float = 60.0) -> None:
        parts = urlsplit(url if "//" in url else f"http://{url}")
        self._host = parts.hostname or "127.0.0.1"
        self._secure = parts.scheme == "https"
        self._port = parts.port or (443 if self._secure else 80)
        self._prefix = parts.path.rstrip("/")
        self._timeout = timeout
        self._headers = {"User-Agent": "speech-experiment-tracker"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._connection: http.client.HTTPConnection | None = None

    def send(self, records: list[bytes]) -> IngestReply:
        body = encode_batch(records)
        headers = {"Content-Type": CONTENT_TYPE}
        if len(body) >= COMPRESS_FROM and self._host not in _LOOPBACK:
            import zstandard

            body = zstandard.ZstdCompressor(level=1).compress(body)
            headers["Content-Encoding"] = "zstd"
        status, answer, given = self._request("POST", "/api/v1/ingest", body, headers)
        if status in (200, 422):
            try:
                return _reply_decoder.decode(answer)
            except msgspec.MsgspecError:
                pass
        raise _error(status, answer, given)

    def store(self, file: Path, sha256: str, size: int) -> None:
        path = f"/api/v1/blobs/{sha256}"
        status, answer, given = self._request("HEAD", path)
        if status == 200:
            return
        if status in (401, 403, 429) or status >= 500:
            raise _error(status, answer, given)
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        with file.open("rb") as content:
            status, answer, given = self._request("PUT", path, content, headers)
        if status not in (200, 201, 204):
            raise _error(status, answer, given)

    def _request(
        self, method: str, path: str, body: _Body = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes, Mapping[str, str]]:
        """(status, body, headers); one silent repetition when the server had closed an idle connection."""
        reused = self._connection is not None
        try:
            return self._once(method, path, body, headers)
        except (http.client.HTTPException, OSError) as error:
            self.close()
            if not reused or isinstance(error, TimeoutError):
                raise DeliveryError("unreachable", f"{self._host}:{self._port}: {error}") from error
        if body is not None and not isinstance(body, bytes):
            body.seek(0)
        try:
            return self._once(method, path, body, headers)
        except (http.client.HTTPException, OSError) as error:
            self.close()
            raise DeliveryError("unreachable", f"{self._host}:{self._port}: {error}") from error

    def _once(
        self, method: str, path: str, body: _Body, headers: Mapping[str, str] | None
    ) -> tuple[int, bytes, Mapping[str, str]]:
        if self._connection is None:
            self._connection = self._connect()
        self._connection.request(method, self._prefix + path, body, {**self._headers, **(headers or {})})
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.will_close:
            self.close()
        return answer.status, content, dict(answer.headers)

    def _connect(self) -> http.client.HTTPConnection:
        if self._secure:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout, context=context)
        return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _error(status: int, answer: bytes, headers: Mapping[str, str]) -> DeliveryError:
    text = f"the server answered {status}: {_detail(answer)}"
    if status in (401, 403):
        return DeliveryError("unauthorized", text)
    if status == 413:
        return DeliveryError("too_large", text)
    if status == 429 or status >= 500:
        return DeliveryError("overloaded", text, _seconds(headers.get("Retry-After")))
    return DeliveryError("rejected", text)


def _detail(answer: bytes) -> str:
    """The text of a problem document, or the first characters of whatever came."""
    try:
        problem = msgspec.json.decode(answer, type=dict[str, object])
    except msgspec.MsgspecError:
        return answer[:200].decode(errors="replace")
    return str(problem.get("detail") or problem.get("title") or "")


def _seconds(value: str | None) -> float | None:
    try:
        return min(float(value), 300.0) if value else None
    except ValueError:
        return None
