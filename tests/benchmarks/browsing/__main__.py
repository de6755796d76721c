"""`python -m tests.benchmarks.browsing URL DONE TIMES`: how long pages take until DONE holds, as JSON."""

from __future__ import annotations

import json
import sys
from statistics import median

from tests.benchmarks.browsing.window import browser, window


def main(url: str, done: str, times: int) -> dict[str, float]:
    """Medians of several first visits: ms until `done`, kB of scripts, layout shift."""
    found: list[tuple[float, float, float]] = []
    with browser() as program:
        for _ in range(times):
            with window(program) as seen:
                taken = seen.open(url, done)
                found.append((taken, seen.scripts(), seen.shift()))
    taken, scripts, shift = (median(column) for column in zip(*found, strict=True))
    return {"taken": taken, "scripts": scripts, "shift": shift}


print("\nRESULT " + json.dumps(main(sys.argv[1], sys.argv[2], int(sys.argv[3]))), flush=True)
