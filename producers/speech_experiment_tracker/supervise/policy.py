"""Whether and when a command that ended is started again: pure."""

from __future__ import annotations

import random
import re
import signal
from typing import NamedTuple

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 120.0
LONG_RUN = 600.0
"""Seconds after which an attempt counts as progress even when nothing is known of its steps."""
_NUMBERS = re.compile(r"0x[0-9a-fA-F]+|\d+")


class Exit(NamedTuple):
    """How an attempt ended.

    code       exit code; minus the signal's number when a signal ended it
    error      the last line on stderr
    step       the last step that the run has logged, where it logs steps
    seconds    that it ran
    preempted  somebody asked it to end: by a signal that was passed on, or SIGTERM sent to it alone
    """

    code: int
    error: str = ""
    step: int | None = None
    seconds: float = 0.0
    preempted: bool = False

    @property
    def shell_code(self) -> int:
        """As shells tell it: 128 plus the number of the signal."""
        return self.code if self.code >= 0 else 128 - self.code

    @property
    def told(self) -> str:
        """For people."""
        if self.code >= 0:
            return f"exit code {self.code}"
        try:
            return f"killed by {signal.Signals(-self.code).name}"
        except ValueError:
            return f"killed by signal {-self.code}"


class Verdict(NamedTuple):
    """pause: seconds until the next start; None: none, because of `reason`."""

    pause: float | None
    reason: str = ""


class Policy:
    """Decides after each attempt; most: restarts in a row that bring no progress."""

    def __init__(self, most: int, jitter: random.Random | None = None) -> None:
        self._most = most
        self._jitter = jitter or random.Random()  # noqa: S311 - spreads restarts, hides nothing
        self._before: Exit | None = None
        self._furthest: int | None = None
        self._fruitless = 0

    def after(self, ended: Exit) -> Verdict:
        """What follows an attempt that did not end well."""
        before, self._before = self._before, None if ended.preempted else ended
        if before is not None and not ended.preempted and _same(before, ended):
            where = "" if ended.step is None else f" at step {ended.step:,}"
            return Verdict(None, f"the same failure twice in a row{where}: {describe(ended)}")
        if self._progressed(ended):
            self._fruitless = 0
        if self._fruitless >= self._most:
            return Verdict(None, f"{self._most} restarts in a row came no further: {describe(ended)}")
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**self._fruitless)
        self._fruitless += 1
        return Verdict(pause * self._jitter.uniform(0.5, 1.0))

    def _progressed(self, ended: Exit) -> bool:
        if ended.step is None:
            return ended.seconds >= LONG_RUN
        further = self._furthest is not None and ended.step > self._furthest
        self._furthest = max(ended.step, self._furthest or ended.step)
        return further


def describe(ended: Exit) -> str:
    return f"{ended.told}: {ended.error}" if ended.error else ended.told


def _same(one: Exit, other: Exit) -> bool:
    """Addresses, sizes and process ids in a message differ from time to time."""
    return (one.code, one.step, _shape(one.error)) == (other.code, other.step, _shape(other.error))


def _shape(error: str) -> str:
    return _NUMBERS.sub("#", error)
