"""Capturing stdout and stderr: a tee that never gets in the way of printing."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Literal, TextIO

from speech_experiment_schemas.runs import RunOutput

Channel = Literal["stdout", "stderr"]
EMIT_AFTER = 1.0
EMIT_CHARACTERS = 16_384
MOST_CHARACTERS = 4_000_000
"""More than this within a second is dropped, and counted: a flood is no log."""
LONGEST_LINE = 10_000

Emit = Callable[[RunOutput], bool]


class Lines:
    """Collects what is written to one channel into whole lines; carriage returns rewrite the line."""

    def __init__(self, channel: Channel, emit: Emit, dropped: Callable[[], None]) -> None:
        self._channel: Channel = channel
        self._emit = emit
        self._dropped = dropped
        self._lock = threading.RLock()
        self._open = ""
        self._lines: list[str] = []
        self._size = 0
        self._first = 0
        self._since = 0.0
        self._off = False

    def write(self, text: str) -> None:
        if self._off:
            return
        with self._lock:
            if self._size > MOST_CHARACTERS:
                self._dropped()
                return
            *whole, rest = (self._open + text).split("\n")
            lines = [_visible(line) for line in whole]
            self._lines += lines
            self._size += sum(map(len, lines))
            # A progress bar may go on for hours without a newline: only its last state is kept.
            self._open = _last_state(rest) if "\r" in rest else rest[-LONGEST_LINE:]
            if lines and not self._since:
                self._since = time.monotonic()

    def abandon(self) -> None:
        """In a forked child: what it prints is not the run's."""
        self._off = True

    def due(self) -> bool:
        return bool(self._lines) and (
            self._size >= EMIT_CHARACTERS or time.monotonic() - self._since >= EMIT_AFTER
        )

    def flush(self, *, end: bool = False) -> None:
        """Emits whole lines; at the end also one that was not finished."""
        with self._lock:
            lines, self._lines = self._lines, []
            if end and self._open:
                lines.append(_visible(self._open))
                self._open = ""
            first, self._first = self._first, self._first + len(lines)
            self._size, self._since = 0, 0.0
        for start in range(0, len(lines), 2_000):
            part = lines[start : start + 2_000]
            self._emit(RunOutput(channel=self._channel, first=first + start, lines=part))


def _visible(line: str) -> str:
    """What a terminal shows of a line that was rewritten with carriage returns."""
    shown = [part for part in line.split("\r") if part]
    return (shown[-1] if shown else "")[:LONGEST_LINE]


def _last_state(line: str) -> str:
    """What is left of a line that is being rewritten, with the return that will rewrite it again."""
    state = line.rstrip("\r").rsplit("\r", 1)[-1][:LONGEST_LINE]
    return state + "\r" if line.endswith("\r") else state


class Tee:
    """Stands in for a text stream: writes through, and hands a copy to the lines."""

    def __init__(self, stream: TextIO, lines: Lines) -> None:
        self._stream = stream
        self._copy = lines

    def write(self, text: str) -> int:
        written = self._stream.write(text)
        with contextlib.suppress(Exception):
            self._copy.write(text)
        return written

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __iter__(self) -> Any:
        return iter(self._stream)


class Capture:
    """The tees of one run, from its start to its end; the keeper calls `tick`."""

    def __init__(self, emit: Emit, dropped: Callable[[], None]) -> None:
        self._tees: dict[Channel, Tee] = {}
        self._lines: list[Lines] = []
        channels: tuple[Channel, ...] = ("stdout", "stderr")
        for channel in channels:
            stream = getattr(sys, channel, None)
            if stream is not None:
                lines = Lines(channel, emit, dropped)
                tee = Tee(stream, lines)
                setattr(sys, channel, tee)
                self._tees[channel] = tee
                self._lines.append(lines)

    def tick(self) -> None:
        for lines in self._lines:
            if lines.due():
                lines.flush()

    def abandon(self) -> None:
        """In a forked child: only write through."""
        for lines in self._lines:
            lines.abandon()

    def close(self) -> None:
        """Takes the tees out, where they still stand, and emits the rest."""
        for channel, tee in self._tees.items():
            if getattr(sys, channel, None) is tee:
                setattr(sys, channel, tee._stream)
        for lines in self._lines:
            lines.flush(end=True)


def is_interactive() -> bool:
    """Whether this is a notebook or a prompt, whose output belongs to the person."""
    return hasattr(sys, "ps1") or "ipykernel" in sys.modules
