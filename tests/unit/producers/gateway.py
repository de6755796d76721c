"""A gateway in a thread: keeps what it was sent, after the real validator has looked at it."""

from __future__ import annotations

import threading
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import zstandard

from speech_experiment_schemas import Envelope, InvalidEvent, validate
from speech_experiment_schemas.wire import IngestReply, Refusal, decode_batch


class Gateway:
    """A gateway and what it has.

    answers  scripted (status, headers), given before anything is accepted
    refuse   says which records to refuse
    key      asked for when it is set
    """

    def __init__(self) -> None:
        self.records: list[Envelope] = []
        self.raw: list[bytes] = []
        self.blobs: dict[str, bytes] = {}
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.requests = 0
        self.key: str | None = None
        self.refuse: Any = lambda envelope: False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        ).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def accept(self, body: bytes) -> tuple[int, bytes]:
        refused = []
        for index, record in enumerate(decode_batch(body).records):
            try:
                envelope = validate(record)
            except InvalidEvent as error:
                refused.append(Refusal(index, error.code, error.field, error.message))
                continue
            if self.refuse(envelope):
                refused.append(Refusal(index, "forbidden", "data", "is not wanted here"))
                continue
            self.records.append(envelope)
            self.raw.append(record)
        reply = IngestReply(len(self.records), refused, [("runs", 0, 7), ("metrics", 0, 9)])
        return (422 if refused else 200), msgspec.msgpack.encode(reply)


def _handler(gateway: Gateway) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()

        def _body(self) -> bytes:
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))

        def do_POST(self) -> None:
            body = self._body()
            if self.headers.get("Content-Encoding") == "zstd":
                body = zstandard.ZstdDecompressor().decompress(body)
            gateway.requests += 1
            if gateway.key and self.headers.get("Authorization") != f"Bearer {gateway.key}":
                self._answer(401, b"{}")
                return
            if gateway.answers:
                status, headers = gateway.answers.pop(0)
                self._answer(status, b"{}", headers)
                return
            status, reply = gateway.accept(body)
            self._answer(status, reply)

        def do_GET(self) -> None:
            self._answer(404, b"{}")

        def do_HEAD(self) -> None:
            self._answer(200 if self.path.rsplit("/", 1)[1] in gateway.blobs else 404)

        def do_PUT(self) -> None:
            body = self._body()
            name = self.path.rsplit("/", 1)[1]
            if sha256(body).hexdigest() != name:
                self._answer(422, b"{}")
                return
            gateway.blobs[name] = body
            self._answer(201)

        def log_message(self, *arguments: Any) -> None:
            """Tests read the gateway, not its log."""

    return Handler
