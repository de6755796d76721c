"""One stack per data folder: the lock, the remains of a killed supervisor, the API's port."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from .state import StackState, stack_status

_log = logging.getLogger(__name__)


class RefusedError(Exception):
    """The data folder belongs to a running stack, or the port to another program."""


@contextlib.contextmanager
def owned(data_dir: Path) -> Iterator[None]:
    """Hold the lock on a data folder, with the remains of a killed supervisor ended.

    Raises:
        RefusedError: a running stack has it.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / "supervisor.lock").open("a+") as handle:
        _lock(handle, data_dir)
        end_leftovers(data_dir)
        yield


def _lock(handle: IO[str], data_dir: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        status = stack_status(data_dir)
        raise RefusedError(
            f"{data_dir} belongs to a running stack: process {status['pid']}, {status['url']}; "
            "stop it with `speech-tracker down`, or choose another --data-dir"
        ) from None


def end_leftovers(data_dir: Path, *, timeout_s: float = 5.0) -> None:
    """End children of a supervisor that is gone; processes of anybody else are not touched."""
    state = StackState.load(data_dir)
    if state is None:
        return
    left = [one.identity for one in state.children.values() if one.identity and one.identity.alive]
    deadline = time.monotonic() + timeout_s
    for identity in left:
        identity.send(signal.SIGTERM if time.monotonic() < deadline else signal.SIGKILL)
    while left and time.monotonic() < deadline:
        left = [identity for identity in left if identity.alive]
        time.sleep(0.02)
    for identity in left:
        _log.warning("killing process %d, left by an earlier supervisor", identity.pid)
        identity.send(signal.SIGKILL)


def check_port(host: str, port: int) -> None:
    """Raise RefusedError when another program listens where the API would."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise RefusedError(
                f"cannot listen on {host}:{port}: {error.strerror}; choose another --port"
            ) from error


def check_free(data_dir: Path) -> None:
    """Raise RefusedError when a running stack has the data folder."""
    if (data_dir / "supervisor.lock").exists():
        with (data_dir / "supervisor.lock").open("a+") as handle:
            _lock(handle, data_dir)
