"""What the drain itself says of a run: heartbeats, system metrics, the environment."""

from __future__ import annotations

import os
import socket
import time
from collections import deque
from pathlib import Path
from uuid import UUID

import msgspec

from speech_experiment_schemas.ids import uuid7
from speech_experiment_schemas.metrics import pack_calls
from speech_experiment_schemas.producers import CloseReason, ProducerClosed, ProducerOpened
from speech_experiment_schemas.runs import RunHeartbeat

from ..spool.files import boot_id
from ..spool.producers import META
from .folders import Meta, ProducerFolder
from .lanes import Lane, Store


def _no_contents(lane: Lane, artifact: object) -> None:
    """The drain logs no artifacts."""


class Voice(Lane):
    """A lane without segments: what is said goes to the journal at once.

    `say` may be called by any thread, everything else by the courier.
    """

    def __init__(self, folder: Path, run: UUID, producer: UUID, stream: str) -> None:
        super().__init__(folder, run, producer, stream, _no_contents)
        self._inbox: deque[msgspec.Struct] = deque()

    def say(self, payload: msgspec.Struct) -> None:
        self._inbox.append(payload)

    def advance(self, *, dead: bool) -> int:
        self._sealed = 0
        while self._inbox and not self.closed:
            self.emit(self._inbox.popleft())
        return self._sealed


class OwnProducer(ProducerFolder):
    """The drain's own producer of one run; without a page, since its folder is taken while it lives.

    fresh  lanes that no courier has been given yet
    """

    def __init__(self, run_folder: Path, of: Meta, run: UUID) -> None:
        producer = uuid7()
        path = run_folder / str(producer)
        path.mkdir(mode=0o700)
        meta = Meta(
            producer=str(producer),
            run=str(run),
            role="drain",
            pid=os.getpid(),
            boot=boot_id(),
            host=socket.gethostname(),
            target=of.target,
            workspace=of.workspace,
            attempt=of.attempt,
        )
        (path / META).write_bytes(msgspec.json.encode(meta))
        super().__init__(path, meta)
        self.take()
        self.fresh: list[Lane] = []
        self._run_id, self._producer = run, producer
        self.voices: dict[str, Voice] = {}
        self.voice("runs")

    def voice(self, stream: str) -> Voice:
        """The lane of a stream, opened when it is first spoken to."""
        if stream not in self.voices:
            voice = Voice(self.path, self._run_id, self._producer, stream)
            self.voices[stream] = self.lanes[stream] = voice
            voice.say(
                ProducerOpened(
                    role="drain",
                    attempt=self.meta.attempt,
                    host=self.meta.host,
                    pid=self.meta.pid,
                    client="speech-experiment-tracker",
                )
            )
            self.fresh.append(voice)
        return self.voices[stream]

    def look(self, *, now: bool = False) -> bool:
        return self.dead

    def open_lanes(self, store: Store | None, *, now: bool = False) -> list[Lane]:
        fresh, self.fresh = self.fresh, []
        return fresh

    def heartbeat(self, problems: dict[str, int]) -> None:
        self.voice("runs").say(RunHeartbeat(problems=problems))

    def say(self, payload: msgspec.Struct) -> None:
        self.voice("runs").say(payload)

    def measure(self, values: dict[str, float]) -> None:
        """Logs system metrics, without a step."""
        if values:
            self.voice("metrics").say(pack_calls([(None, time.time_ns() // 1000, None, values)]))

    def finish(self, reason: CloseReason = "finished") -> None:
        """Says the last word in every stream; the writer is dead from then on."""
        for voice in self.voices.values():
            voice.say(ProducerClosed(reason=reason))
        self.dead = True
