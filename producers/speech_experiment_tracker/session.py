"""Making producers: what a process says of itself when it begins to log."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterable
from typing import Any
from uuid import UUID, uuid5

import msgspec

from speech_experiment_schemas.producers import ProducerOpened
from speech_experiment_schemas.runs import RunResumed

from .config import Config, OnFull
from .drain.process import ensure
from .drain.targets import Target, is_saved, save_target
from .spool.files import boot_id
from .spool.producers import Producer

VERSION = "0.1.0"
ID_VARIABLE = "SPEECH_TRACKER_RUN_ID"
_RUNS_NAMESPACE = UUID("0d2c5cf3-8f0e-5a07-a3f2-5f4f6e9b61c1")


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
        self._saved: str | None = None

    def open(
        self, run: UUID | None, *, attempt: int = 1, from_step: int | None = None, child: bool = False
    ) -> Producer:
        """A producer for a run, or for the process when run is None.

        attempt    of the run; from 2 rank 0 tells it to every stream
        from_step  earlier attempts count up to this step
        child      a forked process of one that logs already
        """
        opened = ProducerOpened(
            # A forked worker's end must not look like the run's.
            role="service" if child else "trainer",
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


def run_id_of(text: object) -> UUID:
    """The run id that a text means: a UUID itself, or one made of any other text, such as a job's name."""
    try:
        return UUID(str(text))
    except ValueError:
        return uuid5(_RUNS_NAMESPACE, str(text))


def shared_run_id() -> UUID | None:
    """An id that the workers of one launcher on this machine have in common; None for a single process.

    Workers of several machines need SPEECH_TRACKER_RUN_ID, or an id given to start_run.
    """
    size = _number("WORLD_SIZE", 1)
    if size < 2 or "RANK" not in os.environ or _number("LOCAL_WORLD_SIZE", 0) != size:
        return None
    _started.append(None)
    launcher = os.getppid()
    try:
        born = open(f"/proc/{launcher}/stat").read().rsplit(")", 1)[1].split()[19]  # noqa: SIM115
    except (OSError, IndexError):
        return None
    restart = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    return uuid5(_RUNS_NAMESPACE, f"{boot_id()}/{launcher}/{born}/{restart}/{len(_started)}")


_started: list[None] = []


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
