"""One kept-alive HTTP connection, with as little in the way of the clock as possible; standard library only."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit


class HttpError(Exception):
    """An answer other than 2xx."""

    def __init__(self, method: str, path: str, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        super().__init__(f"{method} {path} answered {status}: {body[:500].decode(errors='replace')}")
        self.status = status
        self.body = body
        self.headers = headers


class Connection:
    """Requests over one connection, opened again when the server has closed it. Not thread-safe."""

    def __init__(self, url: str, headers: Mapping[str, str] | None = None, timeout: float = 120) -> None:
        parts = urlsplit(url)
        self.url = url
        self.headers = dict(headers or {})
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=timeout)

    def close(self) -> None:
        self._connection.close()

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> bytes:
        """The body of the answer; raises HttpError unless its status is 2xx."""
        try:
            return self._once(method, path, body, headers)
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            self._connection.close()
            return self._once(method, path, body, headers)

    def get(self, path: str) -> bytes:
        return self.request("GET", path)

    def json(self, method: str, path: str, content: object = None) -> Any:
        """Sends and reads JSON."""
        body = None if content is None else json.dumps(content).encode()
        return json.loads(self.request(method, path, body, {"Content-Type": "application/json"}))

    def _once(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str] | None) -> bytes:
        if self._connection.sock is None:
            self._connection.connect()
            # Header and body leave in two writes: without this, Nagle's algorithm adds 40 ms.
            assert self._connection.sock is not None
            self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection.request(method, path, body, {**self.headers, **(headers or {})})
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status >= 300:
            raise HttpError(method, path, answer.status, content, dict(answer.getheaders()))
        return content


def wait_for(url: str, path: str, timeout: float) -> float:
    """Seconds until a GET of the path succeeds; raises RuntimeError with the last problem otherwise."""
    start = time.monotonic()
    problem: Exception | None = None
    while time.monotonic() - start < timeout:
        connection = Connection(url, timeout=5)
        try:
            connection.get(path)
        except (OSError, http.client.HTTPException, HttpError) as caught:
            problem = caught
            time.sleep(0.1)
        else:
            return time.monotonic() - start
        finally:
            connection.close()
    raise RuntimeError(f"{url}{path} did not answer within {timeout:.0f} s: {problem}")
