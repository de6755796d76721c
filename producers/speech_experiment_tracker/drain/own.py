"""What the drain itself says of a run: heartbeats, system metrics, the environment."""

from __future__ import annotations

import os
import socket
import time
from collections import deque
from uuid import UUID

import msgspec

from speech_experiment_schemas.ids import uuid7
from speech_experiment_schemas.metrics import pack_calls
from speech_experiment_schemas.producers import CloseReason, ProducerClosed, ProducerOpened
from speech_experiment_schemas.runs import RunHeartbeat

from ..spool.files import boot_id
from ..spool.places import Place
from .folders import ProcessFolder
from .lanes import Lane, Store
from .meta import Meta
from .producers import SpooledProducer


def _no_contents(lane: Lane, artifact: object) -> None:
    """The drain logs no artifacts."""


class Voice(Lane):
    """A lane without segments: what is said goes to the journal at once.

    `say` may be called by any thread, everything else by the courier.
    """

    def __init__(self, folder: ProcessFolder, run: UUID, producer: UUID, stream: str) -> None:
        place = Place(folder.path, str(producer))
        super().__init__(place, run, producer, stream, _no_contents, folder.book_for(stream))
        self._inbox: deque[msgspec.Struct] = deque()
        self._folder = folder

    def say(self, payload: msgspec.Struct) -> None:
        self._inbox.append(payload)

    def sync(self) -> None:
        self._folder.sync_own()  # without it, nobody would deliver the rest after a power cut
        super().sync()

    def advance(self, *, dead: bool) -> int:
        self._sealed = 0
        while self._inbox and not self.closed:
            self.emit(self._inbox.popleft())
        return self._sealed


class OwnProducer(SpooledProducer):
    """The drain's own producer of one run; without a page, since its folder is taken while it lives.

    fresh  lanes that no courier has been given yet
    """

    def __init__(self, folder: ProcessFolder, of: Meta, run: UUID) -> None:
        producer = uuid7()
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
        super().__init__(folder, str(producer), meta)
        folder.introduce(str(producer), msgspec.json.encode(meta))
        self.fresh: list[Lane] = []
        self._run_id, self._producer = run, producer
        self.voices: dict[str, Voice] = {}
        self.voice("runs")

    def voice(self, stream: str) -> Voice:
        """The lane of a stream, opened when it is first spoken to."""
        if stream not in self.voices:
            voice = Voice(self.folder, self._run_id, self._producer, stream)
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

    def has_unopened(self) -> bool:
        return bool(self.fresh)

    def open_lanes(self, store: Store | None) -> list[Lane]:
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
