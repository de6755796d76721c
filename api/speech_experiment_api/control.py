"""Writing the server's own events: of the control topic (keys, deletions, …), which it alone may, and corrections."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping
from typing import Literal
from uuid import UUID, uuid5

import msgspec

from speech_experiment_schemas import InvalidEvent, Sealer, record_key, validate
from speech_experiment_schemas.ids import EXPERIMENT_NAMESPACE, uuid7
from speech_experiment_schemas.producers import ProducerClosed, ProducerOpened
from speech_experiment_schemas.stamps import stamp

from .log_writer import LogWriter, Outgoing
from .positions import Place, Positions
from .problems import Problem, bad_request

Subject = tuple[str, UUID]
SYSTEM = "system"


def workspace_id(name: str) -> UUID:
    """The same on every server, like an experiment's."""
    return uuid5(EXPERIMENT_NAMESPACE, f"\0workspace\0{name}")


class EventWriter:
    """One producer in a stream per process; after a failed write, a new one.

    A record that could not be acknowledged may be in the log or not. Its producer then says
    nothing any more, so that there is no hole in what it said.
    """

    def __init__(
        self,
        writer: LogWriter,
        positions: Positions,
        workspace: str,
        timeout: float,
        stream: Literal["control", "evaluations"] = "control",
    ) -> None:
        self._writer = writer
        self._positions = positions
        self._workspace = workspace
        self._timeout = timeout
        self._stream = stream
        self._lock = asyncio.Lock()
        self._sealer: Sealer | None = None

    async def change(self, *events: tuple[msgspec.Struct, Subject], actor: str, workspace: str) -> None:
        """Writes events and returns once they are projected."""
        await self.projected(await self.append(*events, actor=actor, workspace=workspace))

    async def projected(self, wanted: Mapping[Place, int]) -> None:
        """Returns once the projections are beyond these places; Problem 503 when that takes too long."""
        if not await self._positions.reached(wanted, self._timeout):
            raise Problem(
                503,
                "not_projected",
                "the change is in the log, and will take effect when its projection runs again",
                headers={"Retry-After": "2"},
            )

    async def append(
        self, *events: tuple[msgspec.Struct, Subject], actor: str, workspace: str
    ) -> dict[Place, int]:
        """Writes events, acknowledged; returns their places in the log."""
        async with self._lock:
            sealer = self._sealer or Sealer(uuid7(), self._stream)
            records = [] if self._sealer else [self._opening(sealer)]
            self._sealer = None
            records += [_checked(sealer.seal(payload, subject)) for payload, subject in events]
            written = await self._writer.append(records, stamp(actor, workspace))
            self._sealer = sealer
        return {(topic, partition): offset for topic, partition, offset in written}

    def _opening(self, sealer: Sealer) -> Outgoing:
        opened = ProducerOpened(role="service", host=socket.gethostname(), pid=os.getpid(), client="api")
        return _checked(sealer.seal(opened, self._subject))

    @property
    def _subject(self) -> Subject:
        return ("workspace", workspace_id(self._workspace))

    async def close(self) -> None:
        """Says that this producer is done, if it ever spoke."""
        async with self._lock:
            if self._sealer is None:
                return
            record = _checked(self._sealer.seal(ProducerClosed(reason="exit"), self._subject))
            self._sealer = None
            await self._writer.append([record], stamp(SYSTEM, self._workspace))


def _checked(record: bytes) -> Outgoing:
    try:
        envelope = validate(record, control=True)
    except InvalidEvent as error:
        raise bad_request(error.message, error.field.removeprefix("data.")) from None
    return Outgoing(envelope.stream, record_key(envelope), record)
