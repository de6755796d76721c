"""What the supervisor says of itself in ``state.json``, for `status`, `down` and the next start."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from .embedded.processes import Identity

Status = Literal["starting", "ready", "stopping", "stopped", "failed"]


@dataclass(slots=True)
class ChildState:
    """One supervised process: the current one, and how its predecessors ended."""

    pid: int | None = None
    started_ticks: int = 0
    started_at: float = 0.0
    """Unix time of the last start, seconds."""
    port: int | None = None
    restarts: int = 0
    last_exit: str | None = None
    """How the last one ended: ``signal 9 (SIGKILL)`` or ``exit code 70``."""
    last_exit_at: float | None = None

    @property
    def identity(self) -> Identity | None:
        """The process that was last started, to be compared with what runs now."""
        return Identity(self.pid, self.started_ticks) if self.pid else None


@dataclass(slots=True)
class StackState:
    """The whole stack; written whenever anything in it changes."""

    pid: int = 0
    started_ticks: int = 0
    started_at: float = 0.0
    status: Status = "stopped"
    step: str = ""
    """What a start is doing now, for people."""
    url: str = ""
    error: str | None = None
    children: dict[str, ChildState] = field(default_factory=dict)

    @property
    def identity(self) -> Identity:
        """The supervisor that wrote this."""
        return Identity(self.pid, self.started_ticks)

    def save(self, data_dir: Path) -> None:
        """Replace the file; readers see the old state or the new one."""
        write_private(data_dir / "state.json", json.dumps(asdict(self), indent=1))

    @classmethod
    def load(cls, data_dir: Path) -> StackState | None:
        """The last state, None where no stack ever ran."""
        try:
            raw: dict[str, Any] = json.loads((data_dir / "state.json").read_bytes())
        except FileNotFoundError:
            return None
        children = {name: ChildState(**child) for name, child in raw.pop("children").items()}
        return cls(**raw, children=children)


def write_private(path: Path, text: str) -> None:
    """Replace a file that only its owner may read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def stack_status(data_dir: Path) -> dict[str, Any]:
    """Supervisor and children of a data folder as they are now, for `status` and programs.

    ``status`` is starting, ready, stopping, stopped, failed, or ``killed`` when the supervisor is
    gone without having stopped. ``pid`` and the children's ``pid`` are None when they do not run.
    """
    state = StackState.load(data_dir)
    if state is None:
        return {"data_dir": str(data_dir), "status": "stopped", "pid": None, "url": None, "children": {}}
    alive = state.identity.alive
    gone = state.status if state.status in ("stopped", "failed") else "killed"
    return {
        "data_dir": str(data_dir),
        "status": state.status if alive else gone,
        "step": state.step,
        "pid": state.pid if alive else None,
        "url": state.url,
        "uptime_s": round(time.time() - state.started_at, 1) if alive else None,
        "error": state.error,
        "children": {name: _child_status(child) for name, child in state.children.items()},
    }


def _child_status(child: ChildState) -> Mapping[str, Any]:
    identity = child.identity
    alive = identity is not None and identity.alive
    return {
        "pid": child.pid if alive else None,
        "port": child.port,
        "uptime_s": round(time.time() - child.started_at, 1) if alive else None,
        "restarts": child.restarts,
        "last_exit": child.last_exit,
        "last_exit_at": child.last_exit_at,
        "memory_bytes": _memory_bytes(child.pid) if alive and child.pid else None,
    }


def _memory_bytes(pid: int) -> int | None:
    """Proportional set size of a process and its descendants."""
    import psutil

    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return None
    return sum(filter(None, map(_pss_bytes, family)))


def _pss_bytes(process: Any) -> int:
    try:
        lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
