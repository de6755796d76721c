"""A threaded TCP server for the store: one thread a connection, connections kept alive.

Threads suit the engine: it releases the GIL while it works, and an insert parses while it
arrives. An asynchronous server would hand every statement to a thread all the same.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time

from .http import ProtocolError, Request, Response, Wire
from .protocol import Protocol

_log = logging.getLogger(__name__)
_RECEIVE_BUFFER_BYTES = 4 << 20
_DRAIN_BYTES = 8 << 20


class Server:
    """Accepts connections until `stop`; requests in progress are answered before it returns."""

    def __init__(self, protocol: Protocol, host: str, port: int) -> None:
        self._protocol = protocol
        self._listener = socket.create_server((host, port), backlog=128)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        self._stopping = threading.Event()
        self._guard = threading.Lock()
        self._busy = 0

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._listener.getsockname()[1])

    def serve(self) -> None:
        """Serve until `stop` is called, from a signal handler or another thread."""
        while not self._stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                if self._stopping.is_set():
                    return
                raise
            threading.Thread(target=self._converse, args=(sock,), daemon=True).start()

    def stop(self) -> None:
        """Take no more connections and no more requests on open ones."""
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def drain(self, timeout_s: float) -> bool:
        """Wait for the requests in progress; False when some are still running."""
        deadline = time.monotonic() + timeout_s
        while self._busy and time.monotonic() < deadline:
            time.sleep(0.01)
        return not self._busy

    def _converse(self, sock: socket.socket) -> None:
        with sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wire = Wire(sock)
            try:
                while not self._stopping.is_set() and (request := wire.read_request()):
                    if not self._handle(wire, request):
                        return
            except ProtocolError as error:
                with contextlib.suppress(OSError):
                    wire.respond(Response(error.status, body=f"{error}\n".encode()), keep_alive=False)
            except OSError:
                return

    def _handle(self, wire: Wire, request: Request) -> bool:
        """Answer one request; False when the connection has to be closed after it."""
        with self._guard:
            self._busy += 1
        try:
            response = self._answer(wire, request)
            clean = _drain(wire)
            wire.respond(response, keep_alive=clean and request.keep_alive)
            return clean and request.keep_alive
        finally:
            with self._guard:
                self._busy -= 1

    def _answer(self, wire: Wire, request: Request) -> Response:
        try:
            return self._protocol.answer(request, wire.body())
        except (ProtocolError, OSError):
            raise
        except Exception:  # noqa: BLE001 (one bad request must not end the store)
            _log.exception("%s %s failed", request.method, request.path)
            return Response(
                500, {"X-ClickHouse-Exception-Code": "1001"}, b"internal error, see the store's log\n"
            )


def _drain(wire: Wire) -> bool:
    """Read what an error left of the body; False when that is too much to be worth it."""
    left = _DRAIN_BYTES
    for piece in wire.body():
        left -= len(piece)
        if left < 0:
            return False
    return True
