"""Posting batches with little CPU of the sender's: one write, one read, no header objects."""

from __future__ import annotations

import socket
import time
from urllib.parse import urlsplit

from speech_experiment_schemas.wire import CONTENT_TYPE, encode_batch


class RefusedError(Exception):
    """The gateway answered with something that a repetition does not mend."""


class Poster:
    """One connection to the gateway. Not thread-safe. `waits` counts the 429s that were obeyed."""

    def __init__(self, url: str, key: str) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._head = (
            f"POST /api/v1/ingest HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {key}\r\n"
            f"Content-Type: {CONTENT_TYPE}\r\nContent-Length: "
        ).encode()
        self._socket: socket.socket | None = None
        self.waits = 0

    def post(self, records: list[bytes]) -> bytes:
        """Sends records until they are acknowledged, and returns the answer's body; raises RefusedError."""
        body = encode_batch(records)
        request = self._head + str(len(body)).encode() + b"\r\n\r\n" + body
        while True:
            status, head, answer = self._exchange(request)
            if status == 200:
                return answer
            if status not in (429, 503):
                raise RefusedError(f"ingest answered {status}: {answer[:500].decode(errors='replace')}")
            self.waits += 1
            time.sleep(_retry_after(head))

    def close(self) -> None:
        if self._socket:
            self._socket.close()
            self._socket = None

    def _exchange(self, request: bytes) -> tuple[int, bytes, bytes]:
        for attempt in range(3):
            try:
                return self._once(request)
            except OSError:
                self.close()
                if attempt == 2:
                    raise
        raise AssertionError("not reached")

    def _once(self, request: bytes) -> tuple[int, bytes, bytes]:
        if self._socket is None:
            self._socket = socket.create_connection(self._address, 60)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(request)
        head, _, body = self._until(b"\r\n\r\n").partition(b"\r\n\r\n")
        length = int(_header(head, b"content-length") or 0)
        while len(body) < length:
            body += self._receive()
        return int(head.split(b" ", 2)[1]), head, body

    def _until(self, mark: bytes) -> bytes:
        data = b""
        while mark not in data:
            data += self._receive()
        return data

    def _receive(self) -> bytes:
        assert self._socket is not None
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionResetError("the gateway closed the connection")
        return data


def _header(head: bytes, name: bytes) -> bytes | None:
    for line in head.split(b"\r\n")[1:]:
        found, _, value = line.partition(b":")
        if found.lower() == name:
            return value.strip()
    return None


def _retry_after(head: bytes) -> float:
    try:
        return min(5.0, max(0.01, float(_header(head, b"retry-after") or 0.1)))
    except ValueError:
        return 0.5
