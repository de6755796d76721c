"""A small JSON client for the API, on the standard library alone."""

from __future__ import annotations

import contextlib
import http.client
import ssl
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from .errors import TrackerError

Query = Mapping[str, Any]
_CHUNK = 1 << 20
_HINTS = {
    401: "set SPEECH_TRACKER_API_KEY, or api_key in the config file",
    403: "the key's role does not allow this",
    429: "wait a moment and try again",
}

LONGEST_WAIT = 20.0
"""Seconds of one request that waits; longer waits are several."""


class ApiClient:
    """Requests to one server, over one connection that is kept open. Not thread-safe.

    Every method raises TrackerError with a hint: for answers other than 2xx (status is set then) and
    for a server that is not there.
    """

    def __init__(self, url: str, api_key: str | None = None, *, timeout: float = 60.0) -> None:
        parts = urlsplit(url if "//" in url else f"http://{url}")
        self.url = url.rstrip("/")
        self._secure = parts.scheme == "https"
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port or (443 if self._secure else 80)
        self._prefix = parts.path.rstrip("/")
        self._timeout = timeout
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._connection: http.client.HTTPConnection | None = None

    def get(self, path: str, query: Query | None = None) -> Any:
        """The JSON that a path answers; query values may be lists, None is left out."""
        return self.json("GET", path, query=query)

    def json(self, method: str, path: str, *, query: Query | None = None, body: Any = None) -> Any:
        """Sends JSON and reads JSON; None for an answer without content."""
        content = None if body is None else msgspec.json.encode(body)
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        answer, _ = self.request(method, path, query=query, body=content, headers=headers)
        return msgspec.json.decode(answer) if answer else None

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[bytes, dict[str, str]]:
        """(content, headers) of the answer; repeated once when an idle connection had been closed."""
        reused = self._connection is not None
        try:
            answer = self._send(method, path, query, body, headers)
            content = answer.read()
        except (http.client.HTTPException, OSError) as error:
            self.close()
            if not reused:
                raise self._unreachable(error) from error
            return self.request(method, path, query=query, body=body, headers=headers)
        if answer.will_close:
            self.close()
        if answer.status >= 300:
            raise problem(answer.status, content)
        return content, {name.lower(): value for name, value in answer.getheaders()}

    def lines(self, path: str, query: Query | None = None) -> Iterator[str]:
        """The lines of an answer that goes on, such as server-sent events; ends when the server ends it."""
        try:
            answer = self._send("GET", path, query, None, {"Accept": "text/event-stream"})
            if answer.status >= 300:
                raise problem(answer.status, answer.read())
            while line := answer.readline():
                yield line.decode(errors="replace").rstrip("\r\n")
        except (http.client.HTTPException, OSError) as error:
            raise self._unreachable(error) from error
        finally:
            self.close()

    def content(self, path: str, start: int = 0) -> tuple[int, Iterator[bytes]]:
        """(first byte that comes, chunks) of a content from byte `start` on, by a connection of its own.

        The chunks raise OSError when the connection breaks before the end.
        """
        connection = self._connect()
        headers = {**self._headers, **({"Range": f"bytes={start}-"} if start else {})}
        try:
            connection.request("GET", self._prefix + path, None, headers)
            answer = connection.getresponse()
        except (http.client.HTTPException, OSError) as error:
            connection.close()
            raise self._unreachable(error) from error
        if answer.status >= 300:
            with contextlib.closing(connection):
                raise problem(answer.status, answer.read())
        return (start if answer.status == 206 else 0), _chunks(connection, answer)

    def _send(
        self,
        method: str,
        path: str,
        query: Query | None,
        body: bytes | None,
        headers: Mapping[str, str] | None,
    ) -> http.client.HTTPResponse:
        if self._connection is None:
            self._connection = self._connect()
        full = self._prefix + (path if path.startswith("/") else f"/api/v1/{path}") + query_string(query)
        self._connection.request(method, full, body, {**self._headers, **(headers or {})})
        return self._connection.getresponse()

    def _connect(self) -> http.client.HTTPConnection:
        if self._secure:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout, context=context)
        return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)

    def _unreachable(self, error: Exception) -> TrackerError:
        return TrackerError(
            f"no answer from {self.url}: {error}", "is the server up? `speech-tracker up` starts one here"
        )

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _chunks(connection: http.client.HTTPConnection, answer: http.client.HTTPResponse) -> Iterator[bytes]:
    with contextlib.closing(connection):
        try:
            while chunk := answer.read(_CHUNK):
                yield chunk
        except http.client.HTTPException as error:
            raise ConnectionError(f"the connection broke: {error}") from error
        if answer.length:
            raise ConnectionError(f"the connection broke {answer.length:,} bytes before the end")


def query_string(query: Query | None) -> str:
    """`?a=1&b=2`, lists repeated, None left out; empty for nothing."""
    pairs: list[tuple[str, str]] = []
    for name, value in (query or {}).items():
        values: Iterable[Any] = value if isinstance(value, list | tuple) else (value,)
        pairs += [(name, _text(each)) for each in values if each is not None]
    return f"?{urlencode(pairs, quote_via=quote)}" if pairs else ""


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def problem(status: int, content: bytes) -> TrackerError:
    """The error that a problem document (RFC 9457) tells of."""
    try:
        told = msgspec.json.decode(content, type=dict[str, Any])
    except msgspec.MsgspecError:
        told = {}
    message = told.get("detail") or told.get("title") or f"the server answered {status}"
    field = told.get("field")
    text = f"{field}: {message}" if field and str(field) not in str(message) else str(message)
    return TrackerError(text, str(told.get("hint") or _HINTS.get(status, "")), status=status)
