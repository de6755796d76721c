"""Starting child processes so that none outlives the supervisor, and telling them apart later."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_PR_SET_PDEATHSIG = 1
_LOG_LIMIT_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Identity:
    """A process beyond doubt: process ids are used again, but not with the same start time."""

    pid: int
    started_ticks: int
    """Start time in clock ticks since boot, field 22 of ``/proc/PID/stat``."""

    @classmethod
    def of(cls, pid: int) -> Identity | None:
        """Identity of a running process, None when there is none (or only its corpse)."""
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if fields[0] in "ZX" else cls(pid, int(fields[19]))

    @property
    def alive(self) -> bool:
        """True while exactly this process runs."""
        return Identity.of(self.pid) == self

    def send(self, number: signal.Signals) -> bool:
        """Signal exactly this process; False when it is gone."""
        if not self.alive:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)
        return True


def spawn(
    command: Sequence[str],
    log: Path | None,
    *,
    environment: Mapping[str, str] | None = None,
    on_parent_death: signal.Signals = signal.SIGKILL,
    become: Callable[[], None] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a child whose output goes to ``log``, and that is signalled when this process dies.

    Call it from the main thread: the kernel counts the end of the calling thread as that death.

    Args:
        log: None leaves it this process's own output.
        environment: added to this process's environment.
        become: run in the child before the program, to change user.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def enter() -> None:
        if become:
            become()
        # After a change of user, which clears it.
        libc.prctl(_PR_SET_PDEATHSIG, int(on_parent_death), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    with _output(log) as output:
        return subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if log else None,
            env={**os.environ, **(environment or {})},
            # Of its own session: a Ctrl-C is for the supervisor, which stops the children in order.
            start_new_session=True,
            preexec_fn=enter,
        )


def _output(log: Path | None) -> contextlib.AbstractContextManager[IO[bytes] | None]:
    if log is None:
        return contextlib.nullcontext()
    rotate(log)
    return log.open("ab")


def python(module: str, *arguments: str) -> list[str]:
    """Command line that runs one of our modules with this interpreter."""
    return [sys.executable, "-X", "faulthandler", "-m", module, *arguments]


def rotate(log: Path, limit_bytes: int = _LOG_LIMIT_BYTES) -> None:
    """Keep one older log when the current one has grown large."""
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if log.exists() and log.stat().st_size > limit_bytes:
        log.replace(log.with_suffix(".log.1"))


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log, empty when there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 65536))
            return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""


def free_ports(count: int, preferred: Sequence[int] = ()) -> list[int]:
    """Ports of loopback that nobody listens on, the preferred ones where they are free."""
    with contextlib.ExitStack() as held:
        ports = []
        for index in range(count):
            wanted = preferred[index] if index < len(preferred) else 0
            probe = held.enter_context(socket.socket())
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", wanted))
            except OSError:
                probe.bind(("127.0.0.1", 0))
            ports.append(int(probe.getsockname()[1]))
    return ports
