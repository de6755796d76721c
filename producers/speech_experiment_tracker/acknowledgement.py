"""Waiting until the server has what was logged, and until queries show it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import UUID

from .drain.process import ring
from .errors import TrackerError
from .spool.producers import Producer

if TYPE_CHECKING:
    from .http import ApiClient

POLL = 0.002
SLOW_POLL = 0.02
SAY_AFTER = 1.0


def wait_acknowledged(
    producer: Producer, wanted: dict[str, int], timeout: float, again: Callable[[], None]
) -> bool:
    """Whether every call below `wanted` (stream → seq) is acknowledged within `timeout` seconds.

    again  called now and then, to see to it that a drain is alive
    """
    start = time.monotonic()
    progress = Progress()
    ring(producer.spool)
    checked = start
    while True:
        left = {stream: seq - producer.ack(stream).seq for stream, seq in wanted.items()}
        missing = sum(count for count in left.values() if count > 0)
        now = time.monotonic()
        if not missing:
            progress.end("delivered")
            return True
        if now - start >= timeout:
            progress.end("the rest is delivered in the background")
            return False
        if now - start > SAY_AFTER:
            progress.show(missing, timeout - (now - start))
        if now - checked > 1.0:
            checked = now
            again()
        time.sleep(POLL if now - start < 0.5 else SLOW_POLL)


def positions_of(producer: Producer) -> list[str]:
    """`topic:partition:offset` of the last acknowledged record of each stream."""
    return [
        f"{stream}:{partition}:{offset}"
        for stream in producer.streams
        for partition, offset in producer.ack(stream).positions
    ]


def wait_delivered(api: ApiClient, run: UUID, timeout: float) -> bool:
    """Whether the server's ledger calls a run complete within `timeout` seconds."""
    end = time.monotonic() + timeout
    while True:
        try:
            if api.get(f"/api/v1/runs/{run}/delivery")["complete"]:
                return True
        except TrackerError as error:
            if error.status != 404:
                raise
        if time.monotonic() > end:
            return False
        time.sleep(0.1)


class Progress:
    """One line on stderr, rewritten on a terminal, and only for waits that are felt."""

    def __init__(self) -> None:
        self._shown = 0.0
        self._any = False

    def show(self, missing: int, left: float) -> None:
        self.tell(f"waiting for {missing:,} calls to be delivered ({left:.0f} s left)")

    def tell(self, text: str) -> None:
        """What is waited for."""
        now = time.monotonic()
        if now - self._shown < (0.5 if sys.stderr.isatty() else 10.0):
            return
        self._shown, self._any = now, True
        self._write(f"speech-tracker: {text}")

    def end(self, outcome: str) -> None:
        if self._any:
            self._write(f"speech-tracker: {outcome}")
            if sys.stderr.isatty():
                sys.stderr.write("\n")

    @staticmethod
    def _write(line: str) -> None:
        sys.stderr.write(f"\r\x1b[K{line}" if sys.stderr.isatty() else f"{line}\n")
        sys.stderr.flush()
