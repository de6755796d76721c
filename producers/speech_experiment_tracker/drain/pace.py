"""Not too often: what comes in a stream is dealt with in groups, what comes alone at once."""

from __future__ import annotations

import time


class Pace:
    """Allows `burst` turns at once, and on average one every `interval` seconds."""

    def __init__(self, interval: float, burst: int) -> None:
        self._interval = interval
        self._ahead = interval * burst
        self._due = 0.0

    def turn(self) -> float:
        """Takes a turn; the seconds to wait before it."""
        now = time.monotonic()
        self._due = max(self._due, now - self._ahead) + self._interval
        return max(0.0, self._due - now)
