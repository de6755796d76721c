"""A network that fails between client and gateway: a TCP proxy whose manners can be changed at any moment."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import struct
import threading
import time
from pathlib import Path

from .oracle import Verdict
from .report import progress
from .scenarios import finish, verdict_of, wait_for
from .stack import Stack

FAULTS = ("cut", "half-open", "delay", "drip", "lose answers")
LONGEST_CALL = 50.0
"""Microseconds that 99 of 100 calls of log_metrics may take, whatever the network does."""
_AT_ONCE = struct.pack("ii", 1, 0)


class Proxy:
    """Forwards connections to a port of this machine.

    fault  None, or one of FAULTS: connections are reset and refused; stay open and silent, and what was on
           the way is lost in the end; answer late; trickle; are reset in the middle of the answer, so that
           an accepted batch looks lost
    """

    def __init__(self, port: int) -> None:
        self.fault: str | None = None
        self._port = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                if self.fault == "cut":
                    _reset(client)
                    continue
                try:
                    server = socket.create_connection(("127.0.0.1", self._port))
                except OSError:
                    _reset(client)
                    continue
                self._forward(client, server, answers=False)
                self._forward(server, client, answers=True)

    def _forward(self, source: socket.socket, sink: socket.socket, *, answers: bool) -> None:
        def pump() -> None:
            with contextlib.suppress(OSError):
                while data := self._receive(source):
                    if not self._send(sink, data, answers=answers):
                        break
            _reset(source)
            _reset(sink)

        threading.Thread(target=pump, daemon=True).start()

    def _receive(self, source: socket.socket) -> bytes:
        """The next bytes; none at the end, or when the connection is cut."""
        source.settimeout(0.05)
        while self.fault != "cut":
            with contextlib.suppress(TimeoutError):
                return source.recv(65536)
        return b""

    def _send(self, sink: socket.socket, data: bytes, *, answers: bool) -> bool:
        """Passes bytes on as the fault has it; whether the connection is still of use."""
        fault = self.fault
        if fault == "half-open":
            while self.fault == fault:
                time.sleep(0.01)
            return False
        if fault == "lose answers" and answers:
            sink.sendall(data[:20])
            return False
        if fault == "delay":
            time.sleep(0.3)
        if fault == "drip":
            while data and self.fault == fault:
                sink.sendall(data[:256])
                data = data[256:]
                time.sleep(0.005)
        sink.sendall(data)
        return fault != "cut"


def _reset(connection: socket.socket) -> None:
    """Ends a connection without a word of farewell."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


async def partitions(stack: Stack, folder: Path, dice: random.Random, count: int) -> Verdict:
    """The network fails in every way while a trainer logs; its calls stay as fast as those of an undisturbed one.

    The undisturbed trainer has a spool, a drain and a connection of its own.
    """
    proxy, enough = Proxy(stack.port), folder / "enough"
    witnesses = [folder / "cut.witness", folder / "calm.witness"]
    places = [{"SPEECH_TRACKER_URL": proxy.url}, {}]
    with stack.spooling_to(folder / "spools"):
        trainers = [
            stack.trainer(
                *(witness, witness.stem, 10_000_000, "--rate", "500", "--until", str(enough)),
                *("--latencies", str(witness.with_suffix(".json"))),
                environment=place | {"SPEECH_TRACKER_SPOOL_DIR": str(stack.spool / witness.stem)},
            )
            for witness, place in zip(witnesses, places, strict=True)
        ]
        wait_for(lambda: all(witness.exists() for witness in witnesses))
        for index in range(count):
            time.sleep(dice.uniform(0.2, 1.0))
            proxy.fault = FAULTS[index % len(FAULTS)]
            time.sleep(dice.uniform(0.5, 3.0))
            proxy.fault = None
            progress("network faults", index + 1, count)
        enough.touch()
        finish(trainers)
        verdict = await verdict_of(stack, *witnesses)
    proxy.close()
    cut, calm = (json.loads(witness.with_suffix(".json").read_text()) for witness in witnesses)
    verdict.figures |= {
        f"log() p99 µs, {clock}": f"{cut[f'{clock}_p99']:.1f} (undisturbed {calm[f'{clock}_p99']:.1f})"
        for clock in ("wall", "own")
    }
    # A busy machine slows both: then the processor's time tells, and the ratio.
    slow = min(cut["wall_p99"], cut["own_p99"]) > LONGEST_CALL
    if slow and cut["wall_p99"] > 1.5 * calm["wall_p99"]:
        verdict.blame("lost", f"time: {verdict.figures}")
    return verdict
