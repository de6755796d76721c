"""Making producers: what a process says of itself when it begins to log."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import msgspec

from speech_experiment_schemas.ids import uuid7
from speech_experiment_schemas.producers import ProducerOpened
from speech_experiment_schemas.runs import RunResumed

from .config import Config, OnFull
from .drain.process import ensure
from .drain.targets import Target, is_saved, save_target
from .launches import Ranks
from .seam import Seam
from .spool.files import boot_id
from .spool.producers import Producer

VERSION = "0.1.0"


class Session:
    """Makes the producers of one client in this process."""

    def __init__(self, config: Config, on_full: OnFull) -> None:
        self.config = config
        self.on_full: OnFull = on_full
        self.ranks = Ranks()
        self._saved: str | None = None
        self._process = (0, "")

    def open(
        self,
        run: UUID | None,
        *,
        attempt: int = 1,
        seam: Seam | None = None,
        child: bool = False,
        watches: bool = False,
        launch: str = "",
    ) -> Producer:
        """A producer for a run, or for the process when run is None.

        attempt  of the run; from 2 rank 0 tells it to every stream
        seam     where the attempt's curves join the earlier ones, asked when a stream is opened
        child    a forked process of one that logs already
        launch   the start that the ranks of a distributed run have in common
        watches  a supervisor, whose end says nothing of the run's
        """
        opened = ProducerOpened(
            # A forked worker's end must not look like the run's.
            role="service" if child or watches else "trainer",
            rank=self.ranks.rank,
            world_size=self.ranks.world_size,
            attempt=attempt,
            host=host_name(),
            pid=os.getpid(),
            client=f"speech-experiment-tracker {VERSION}",
            launch=launch if launch and run is not None else msgspec.UNSET,
        )
        announces = run is not None and attempt > 1 and not (child or watches or self.ranks.rank)

        def opening(producer: Producer, stream: str) -> Iterable[msgspec.Struct]:
            if not announces:
                return [opened]
            return [opened, RunResumed(attempt=attempt, from_step=seam.step if seam else None)]

        joins = announces and seam is not None and not seam.settled
        return Producer(
            self.config.spool,
            run,
            meta={**self._meta(attempt, child), "watches": watches},
            opening=opening,
            on_full=self.on_full,
            quota=self.config.quota,
            process=self._folder(),
            streams=("metrics",)
            if child
            else ("runs", "metrics")
            if run and not (watches or joins)
            else ("runs",),
        )

    def _folder(self) -> str:
        """The name of this process's folder in the spool; a forked child has one of its own."""
        if self._process[0] != os.getpid():
            self._process = os.getpid(), str(uuid7())
        return self._process[1]

    def _meta(self, attempt: int, child: bool) -> dict[str, Any]:
        return {
            "role": "trainer",
            "rank": self.ranks.rank,
            "child": child,
            "attempt": attempt,
            "pid": os.getpid(),
            "host": host_name(),
            "boot": boot_id(),
            "target": self._target(),
            "workspace": self.config.workspace,
            "python": sys.executable or "",
            "command": [sys.executable or "python", *sys.argv],
            "cwd": _cwd(),
        }

    def _target(self) -> str | None:
        """The name that the server has in the spool; None when it shall not be delivered by itself."""
        config = self.config
        if config.mode != "online":
            return None
        if self._saved is None or not is_saved(config.spool, self._saved):
            self._saved = save_target(config.spool, Target(config.url, config.api_key, config.kafka))
        return self._saved

    def start_drain(self) -> None:
        """Sees to it that a drain is alive; raises OSError when none can be started."""
        ensure(self.config.spool)


def host_name() -> str:
    return socket.gethostname()


def _cwd() -> str:
    try:
        return os.getcwd()
    except OSError:
        return ""
