"""Making producers: what a process says of itself when it begins to log."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import msgspec

from speech_experiment_schemas.producers import ProducerOpened
from speech_experiment_schemas.runs import RunResumed

from .config import Config
from .drain.process import ensure
from .drain.targets import Target, save_target
from .spool.files import boot_id
from .spool.producers import Producer
from .spool.streams import OnFull

VERSION = "0.1.0"


class Ranks:
    """The process's place among distributed workers, from the launcher's environment."""

    def __init__(self) -> None:
        self.rank = _number("RANK", _number("SLURM_PROCID", 0) if "SLURM_PROCID" in os.environ else 0)
        self.world_size = max(1, _number("WORLD_SIZE", 1), self.rank + 1)


class Session:
    """Makes the producers of one client in this process."""

    def __init__(self, config: Config, on_full: OnFull) -> None:
        self.config = config
        self.on_full: OnFull = on_full
        self.ranks = Ranks()

    def open(
        self, run: UUID | None, *, attempt: int = 1, from_step: int | None = None, child: bool = False
    ) -> Producer:
        """A producer for a run, or for the process when run is None.

        attempt    of the run; from 2 rank 0 tells it to every stream
        from_step  earlier attempts count up to this step
        child      a forked process of one that logs already
        """
        opened = ProducerOpened(
            role="trainer",
            rank=self.ranks.rank,
            world_size=self.ranks.world_size,
            attempt=attempt,
            host=host_name(),
            pid=os.getpid(),
            client=f"speech-experiment-tracker {VERSION}",
        )
        resumed = [RunResumed(attempt=attempt, from_step=from_step)] if attempt > 1 and not child else []
        if self.ranks.rank:
            resumed = []

        def opening(producer: Producer, stream: str) -> Iterable[msgspec.Struct]:
            return [opened, *resumed] if run else [opened]

        self.config.spool.mkdir(parents=True, mode=0o700, exist_ok=True)
        return Producer(
            self.config.spool,
            run,
            meta=self._meta(attempt, child),
            opening=opening,
            on_full=self.on_full,
            quota=self.config.quota,
        )

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
        config = self.config
        if config.mode != "online":
            return None
        return save_target(config.spool, Target(config.url, config.api_key, config.kafka))

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


def _number(name: str, default: int) -> int:
    try:
        return int(os.environ.get(name, default))
    except ValueError:
        return default
