"""The supervised process: its group, its signals, and its output, which passes through unchanged."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import selectors
import signal
import subprocess
import sys
import termios
import time
import tty
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

Channel = Literal["stdout", "stderr"]
Copy = Callable[[Channel, bytes], None]
KILLED_AFTER = 5.0
"""Seconds that what is left of the group has after the command itself has ended."""
_CHUNK = 1 << 16


class Child:
    """One attempt's process, leader of a session of its own, so that signals come by us alone.

    copy  is given what it writes
    tick  is called a few times a second
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], copy: Copy, tick: Callable[[], None]
    ) -> None:
        self._copy, self._tick = copy, tick
        self._selector = selectors.DefaultSelector()
        ends: dict[Channel, int] = {"stdout": self._pipe("stdout"), "stderr": self._pipe("stderr")}
        try:
            # Handlers of ours are reset by exec; signals that we ignore are not, and nohup wants it so.
            self._process = subprocess.Popen(
                command,
                env=dict(environment),
                stdout=ends["stdout"],
                stderr=ends["stderr"],
                start_new_session=True,
            )
        finally:
            for end in ends.values():
                os.close(end)
        self.pid = self._process.pid

    def _pipe(self, channel: Channel) -> int:
        """The writing end; a terminal where ours is one, so that progress bars and colours stay."""
        ours = getattr(sys, channel).fileno()
        if os.isatty(ours):
            reading, writing = pty.openpty()
            tty.setraw(writing)
            with contextlib.suppress(OSError):
                size = fcntl.ioctl(ours, termios.TIOCGWINSZ, bytes(8))
                fcntl.ioctl(writing, termios.TIOCSWINSZ, size)
        else:
            reading, writing = os.pipe()
        os.set_blocking(reading, False)
        self._selector.register(reading, selectors.EVENT_READ, (channel, ours))
        return writing

    def send(self, number: int) -> None:
        """A signal to the whole group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def wait(self) -> int:
        """Passes output on until the process has ended; its exit code, minus the signal if one ended it."""
        while (code := self._process.poll()) is None:
            self._pass_on(0.1)
            self._tick()
        self._clear_up()
        end = time.monotonic() + 1.0
        while self._selector.get_map() and self._pass_on(0.05) and time.monotonic() < end:
            pass
        for key in list(self._selector.get_map().values()):
            self._close(int(key.fd))
        return code

    def _pass_on(self, timeout: float) -> bool:
        """Whether there was anything."""
        ready = self._selector.select(timeout)
        for key, _ in ready:
            channel, ours = key.data
            try:
                data = os.read(int(key.fd), _CHUNK)
            except BlockingIOError:
                continue
            except OSError:  # a terminal whose other side is closed
                data = b""
            if not data:
                self._close(int(key.fd))
                continue
            _write(ours, data)
            self._copy(channel, data)
        if not ready and not self._selector.get_map():
            time.sleep(timeout)
        return bool(ready)

    def _close(self, fd: int) -> None:
        self._selector.unregister(fd)
        os.close(fd)

    def _clear_up(self) -> None:
        """Ends what the process left behind in its group, such as workers of a data loader."""
        start = time.monotonic()
        number = signal.SIGTERM
        while _has_group(self.pid) and (waited := time.monotonic() - start) < KILLED_AFTER + 1.0:
            self.send(number)
            number = signal.SIGKILL if waited > KILLED_AFTER else number
            self._pass_on(0.02)


def _has_group(leader: int) -> bool:
    try:
        os.killpg(leader, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _write(fd: int, data: bytes) -> None:
    """All of it; a reader that went away is no reason to stop the training."""
    view = memoryview(data)
    with contextlib.suppress(BrokenPipeError, OSError):
        while view:
            view = view[os.write(fd, view) :]
