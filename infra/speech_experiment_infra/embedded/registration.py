"""Ends the registration of a broker that was killed, so that its successor need not wait for it to run out.

A controller refuses a second broker with the same number while the session of the first one may still live: for
`broker.session.timeout.ms`, counted from the controller's own start. The one who started both knows better.

A heartbeat in the name of the killed broker, by its epoch, is refused if its successor has registered already.
One that is accepted keeps the successor out for another session, in which the number is unregistered: never the
successor's registration, which nobody would renew.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from pathlib import Path

_SASL_HANDSHAKE, _SASL_AUTHENTICATE, _BROKER_HEARTBEAT, _UNREGISTER_BROKER = 17, 36, 63, 64
_NOT_CONTROLLER = 41  # not yet
_AGAIN_S = 0.02
_REGISTERED = b"Successfully registered broker %d with broker epoch "
_NO_TAGS = b"\0"


def registered_epoch(log: Path, node: int) -> int | None:
    """The epoch that a broker wrote into its log when it last registered."""
    mark = _REGISTERED % node
    for file in (log, log.with_suffix(".log.1")):
        with contextlib.suppress(FileNotFoundError):
            _, found, rest = file.read_bytes().rpartition(mark)
            if found:
                return int(rest.split(maxsplit=1)[0])
    return None


async def end_registration(port: int, user: str, password: str, node: int, epoch: int) -> bool:
    """Have a controller that is about to start on loopback forget a broker that has ended.

    Returns:
        False when another one has registered since.
    """
    while True:
        with contextlib.suppress(OSError, EOFError, struct.error):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                return await _end_registration(_Session(reader, writer), user, password, node, epoch)
            finally:
                writer.close()
        await asyncio.sleep(_AGAIN_S)


async def _end_registration(session: _Session, user: str, password: str, node: int, epoch: int) -> bool:
    await session.ask(_SASL_HANDSHAKE, 1, struct.pack(">h", 5) + b"PLAIN")
    login = f"\0{user}\0{password}".encode()
    await session.ask(_SASL_AUTHENTICATE, 0, struct.pack(">i", len(login)) + login)
    while True:
        # It has read nothing of the log, and wants neither to be fenced nor to stop.
        error = await session.ask_controller(
            _BROKER_HEARTBEAT, struct.pack(">iqq??", node, epoch, -1, False, False)
        )
        if error != _NOT_CONTROLLER:
            break
        await asyncio.sleep(_AGAIN_S)
    return not error and not await session.ask_controller(_UNREGISTER_BROKER, struct.pack(">i", node))


class _Session:
    """Requests of Kafka's protocol, one at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, key: int, version: int, body: bytes, tags: bytes = b"") -> bytes:
        """The answer's body; with `tags`, in the protocol's flexible form."""
        message = struct.pack(">hhih", key, version, 0, -1) + tags + body + tags
        self._writer.write(struct.pack(">i", len(message)) + message)
        (length,) = struct.unpack(">i", await self._reader.readexactly(4))
        return (await self._reader.readexactly(length))[4 + len(tags) :]

    async def ask_controller(self, key: int, body: bytes) -> int:
        """The error code, which follows the time for which the client is throttled."""
        answer = await self.ask(key, 0, body, _NO_TAGS)
        _, error = struct.unpack_from(">ih", answer)
        return int(error)
