"""How far a job is, and how fast."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

import msgspec

_WINDOW_SECONDS = 10.0


class Progress(msgspec.Struct, frozen=True):
    """Of the records that were in the log when the job was begun.

    records, points        written by this process since it began; points are those of metrics
    position, total        records that the version holds, of so many
    …_per_second           over the last ten seconds; mean_…: over all of this process's time of reading
    eta_seconds            None while nothing moves
    seconds, cpu_seconds   that this process has read for, until the last record
    """

    records: int = 0
    points: int = 0
    position: int = 0
    total: int = 0
    records_per_second: float = 0.0
    points_per_second: float = 0.0
    mean_records_per_second: float = 0.0
    mean_points_per_second: float = 0.0
    percent: float = 0.0
    eta_seconds: float | None = None
    seconds: float = 0.0
    cpu_seconds: float = 0.0


class Tally:
    """Counts what is written, and turns it into a Progress; now and cpu: clocks in seconds."""

    def __init__(
        self, now: Callable[[], float] = time.monotonic, cpu: Callable[[], float] = time.process_time
    ) -> None:
        self._now, self._cpu = now, cpu
        self._mark = (now(), cpu())
        self._used = (0.0, 0.0)
        self._marks: deque[tuple[float, int, int]] = deque([(self._mark[0], 0, 0)])
        self._records = 0
        self._base = self._total = 0

    def aim(self, position: int, total: int) -> None:
        """The version holds `position` records now, and is to hold `total`: a round begins."""
        self._base, self._total = position - self._records, total
        self._mark = (self._now(), self._cpu())

    def wrote(self, records: int, points: int) -> Progress:
        """records: more than before; points: in all."""
        self._records += records
        now, cpu = self._now(), self._cpu()
        if records:
            (seconds, used), (then, cpu_then) = self._used, self._mark
            self._used, self._mark = (seconds + now - then, used + cpu - cpu_then), (now, cpu)
        self._marks.append((now, self._records, points))
        while len(self._marks) > 2 and now - self._marks[0][0] > _WINDOW_SECONDS:
            self._marks.popleft()
        then, records_then, points_then = self._marks[0]
        span, whole = max(now - then, 1e-9), max(self._used[0], 1e-9)
        rate = (self._records - records_then) / span
        position = self._base + self._records
        left = max(0, self._total - position)
        return Progress(
            records=self._records,
            points=points,
            position=position,
            total=self._total,
            records_per_second=round(rate, 1),
            points_per_second=round((points - points_then) / span, 1),
            mean_records_per_second=round(self._records / whole, 1),
            mean_points_per_second=round(points / whole, 1),
            percent=round(100.0 * position / self._total, 2) if left else 100.0,
            eta_seconds=round(left / rate, 1) if left and rate else None if left else 0.0,
            seconds=round(whole, 3),
            cpu_seconds=round(self._used[1], 3),
        )
