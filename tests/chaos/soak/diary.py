"""The samples of a soak, and what they say when it ends (or while it runs)."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path

from .samples import MB, Footprint
from .trend import Trend, trend

LIMIT_MB = 1.0
"""Growth of memory that is allowed, MB per hour."""
_HEADING = (
    f"{'process':26} {'private MB/h [95 %]':>26} {'private MB':>15} {'PSS MB':>15} {'PSS MB/h':>9} {'RSS MB/h':>9}"
    f" {'files':>9} {'threads':>9}  verdict"
)
BOUNDS_MB = {"kafka": 550.0}
"""A heap that is filled up to its limit before it is collected (-Xmx384m) says nothing by growing below it."""
_SAMPLES = ("rss", "pss", "private", "descriptors", "threads")
_ROOM = {"descriptors": 8, "threads": 4}
_MEMORY = ("rss", "pss", "private")


class Diary:
    """Footprints by process over time, kept in a file as they are made."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a")
        self._times: dict[str, list[float]] = defaultdict(list)
        self._values: dict[tuple[str, str], list[float]] = defaultdict(list)
        self._pids: dict[str, int] = {}
        self.problems: list[str] = []

    def note(self, at: float, name: str, seen: Footprint) -> None:
        """A sample of the process called `name`, `at` seconds after the start."""
        if self._pids.setdefault(name, seen.pid) != seen.pid:
            self.problems.append(f"{name} was started again after {at:.0f} s")
            self._pids[name] = seen.pid
        self._times[name].append(at)
        for kind in _SAMPLES:
            self._values[name, kind].append(getattr(seen, kind))
        print(json.dumps({"at": round(at, 1), "name": name, **asdict(seen)}), file=self._file, flush=True)

    def trends(self, after: float) -> dict[tuple[str, str], Trend]:
        """Trends since the warm-up; memory in MB. Processes with too few samples are left out."""
        found = {}
        for (name, kind), values in self._values.items():
            scale = MB if kind in _MEMORY else 1
            kept = [
                (at, value / scale)
                for at, value in zip(self._times[name], values, strict=True)
                if at >= after
            ]
            try:
                found[name, kind] = trend(*zip(*kept, strict=True)) if kept else None
            except ValueError:
                continue
        return {key: value for key, value in found.items() if value}

    def faults(self, after: float) -> list[str]:
        """What grew and must not have."""
        found = list(self.problems)
        for (name, kind), line in self.trends(after).items():
            if kind == "private" and _leaks(name, line):
                found.append(f"the memory of {name} grows: {line.slope:.2f} MB/h, surely over {line.low:.2f}")
            if kind in _ROOM and line.last > line.first + _ROOM[kind]:
                found.append(f"the {kind} of {name} grew from {line.first:.0f} to {line.last:.0f}")
        return found

    def table(self, after: float) -> str:
        """One line for each process: growth with its 95 % interval, first and last medians."""
        trends = self.trends(after)
        lines = [_HEADING]
        for name in sorted({name for name, _ in trends}):
            own = {kind: trends[name, kind] for kind in _SAMPLES}
            private = own["private"]
            interval = f"{private.slope:+.2f} [{private.low:+.2f}, {private.high:+.2f}]"
            lines.append(
                f"{name:26} {interval:>26} {_span(private, 1):>15} {_span(own['pss'], 1):>15} {own['pss'].slope:>+9.2f}"
                f" {own['rss'].slope:>+9.2f} {_span(own['descriptors']):>9} {_span(own['threads']):>9}  {_word(name, private)}"
            )
        return "\n".join(lines)


def _span(line: Trend, digits: int = 0) -> str:
    return f"{line.first:.{digits}f}→{line.last:.{digits}f}"


def _leaks(name: str, line: Trend) -> bool:
    return line.grows(LIMIT_MB) and line.last > BOUNDS_MB.get(name, 0.0)


def _word(name: str, line: Trend) -> str:
    if line.is_flat(LIMIT_MB):
        return "flat"
    if line.last <= BOUNDS_MB.get(name, 0.0):
        return f"below its limit of {BOUNDS_MB[name]:.0f} MB"
    return "grows" if line.grows(LIMIT_MB) else "too short to say"
