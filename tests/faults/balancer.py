"""A load balancer: one address, every connection to the next server behind it."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading


class Balancer:
    """Listens until closed; connections to a server that is away go to the one after it."""

    def __init__(self, port: int, behind: list[int]) -> None:
        self._behind = behind
        self._turns = itertools.count()
        self._listener = socket.create_server(("127.0.0.1", port), backlog=256)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server = self._next()
        if server is None:
            client.close()
            return
        threading.Thread(target=_copy, args=(server, client), daemon=True).start()
        _copy(client, server)

    def _next(self) -> socket.socket | None:
        turn = next(self._turns)
        for each in range(len(self._behind)):
            with contextlib.suppress(OSError):
                return socket.create_connection(
                    ("127.0.0.1", self._behind[(turn + each) % len(self._behind)]), 5
                )
        return None


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        source.settimeout(None)
        while data := source.recv(1 << 16):
            target.sendall(data)
    for each in (source, target):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
