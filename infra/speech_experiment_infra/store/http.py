"""Just enough HTTP/1.1 for database clients on the same machine.

Bodies are handed on as they arrive, in pieces, so that an insert of tens of megabytes is parsed
while it is still being received and never exists twice.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

MAX_HEAD_BYTES = 1 << 20
_RECEIVE_BYTES = 1 << 20
_JOIN_BELOW_BYTES = 1 << 16

_REASONS = {
    200: "OK",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    411: "Length Required",
    413: "Content Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
}


class ProtocolError(Exception):
    """The peer sent something that cannot be answered on this connection."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(slots=True)
class Request:
    """One request; ``headers`` have lower-case names, ``query`` is decoded."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]

    @property
    def keep_alive(self) -> bool:
        """False when the peer asked for the connection to be closed afterwards."""
        return self.headers.get("connection", "").lower() != "close"


@dataclass(slots=True)
class Response:
    """An answer; the body is sent as it is, without a copy when it is large."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | memoryview = b""
    owner: Any = None
    """Whatever must live until the body has been sent."""


class Wire:
    """One connection: reads requests and their bodies, writes responses."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._pending = b""
        self._body: Iterator[bytes] | None = None

    def read_request(self) -> Request | None:
        """The next request, or None when the peer has closed the connection.

        Raises:
            ProtocolError: the head is malformed or larger than `MAX_HEAD_BYTES`.
        """
        while (end := self._pending.find(b"\r\n\r\n")) < 0:
            if len(self._pending) > MAX_HEAD_BYTES:
                raise ProtocolError(413, "request head too large; send the query in the body")
            data = self._sock.recv(_RECEIVE_BYTES)
            if not data:
                return None
            self._pending += data
        head, self._pending = self._pending[:end], self._pending[end + 4 :]
        request = _parse_head(head.decode("latin-1"))
        self._body = self._read_body(request)
        return request

    def body(self) -> Iterator[bytes]:
        """Pieces of the current request's body, transfer encoding removed."""
        return self._body or iter(())

    def respond(self, response: Response, *, keep_alive: bool) -> None:
        """Write a response; header and body leave in one send, or Nagle costs 40 ms."""
        body = memoryview(response.body).cast("B")
        lines = [f"HTTP/1.1 {response.status} {_REASONS.get(response.status, 'Error')}"]
        lines += [f"{name}: {value}" for name, value in response.headers.items()]
        lines += [f"Content-Length: {len(body)}", f"Connection: {'keep-alive' if keep_alive else 'close'}"]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
        if len(body) < _JOIN_BELOW_BYTES:
            self._sock.sendall(head + body)
        else:
            self._send_both(head, body)

    def _send_both(self, head: bytes, body: memoryview) -> None:
        sent = self._sock.sendmsg([head, body])
        if sent < len(head):
            self._sock.sendall(head[sent:])
            sent = len(head)
        self._sock.sendall(body[sent - len(head) :])

    def _read_body(self, request: Request) -> Iterator[bytes]:
        if request.headers.get("expect", "").lower() == "100-continue":
            self._sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if request.headers.get("transfer-encoding", "").lower() == "chunked":
            return self._read_chunked()
        return self._read_sized(int(request.headers.get("content-length") or 0))

    def _read_sized(self, length: int) -> Iterator[bytes]:
        while length > 0:
            piece = self._take(min(length, _RECEIVE_BYTES))
            length -= len(piece)
            yield piece

    def _read_chunked(self) -> Iterator[bytes]:
        while length := int(self._read_line().split(b";")[0], 16):
            yield from self._read_sized(length)
            self._read_line()
        while self._read_line():
            pass

    def _take(self, limit: int) -> bytes:
        """At least one byte and at most ``limit``, what was read ahead first."""
        if self._pending:
            piece, self._pending = self._pending[:limit], self._pending[limit:]
            return piece
        piece = self._sock.recv(limit)
        if not piece:
            raise ProtocolError(400, "connection closed in the middle of the body")
        return piece

    def _read_line(self) -> bytes:
        while (end := self._pending.find(b"\r\n")) < 0:
            data = self._sock.recv(_RECEIVE_BYTES)
            if not data:
                raise ProtocolError(400, "connection closed in the middle of the body")
            self._pending += data
        line, self._pending = self._pending[:end], self._pending[end + 2 :]
        return line


def _parse_head(head: str) -> Request:
    first, *lines = head.split("\r\n")
    try:
        method, target, _version = first.split(" ")
    except ValueError:
        raise ProtocolError(400, f"not an HTTP request line: {first[:80]!r}") from None
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    url = urlsplit(target)
    return Request(method, url.path, dict(parse_qsl(url.query, keep_blank_values=True)), headers)
