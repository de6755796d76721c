"""A subject's page in Chromium, driven from our environment: peers need no playwright of their own."""

from __future__ import annotations

import json
import os
import subprocess


def opened(url: str, done: str, times: int) -> dict[str, float]:
    """taken (ms until the expression `done` holds in the page), scripts (kB), shift; see browsing.

    Raises RuntimeError when it never held.
    """
    command = [os.environ["BENCH_PYTHON"], "-m", "tests.benchmarks.browsing", url, done, str(times)]
    patience = 60 + 90 * times  # a window waits 60 s for its expression, and is opened and closed
    outcome = subprocess.run(command, capture_output=True, text=True, timeout=patience, check=False)
    for line in reversed(outcome.stdout.splitlines()):
        if line.startswith("RESULT "):
            found: dict[str, float] = json.loads(line.removeprefix("RESULT "))
            return found
    raise RuntimeError(f"{url} was never as expected: {outcome.stderr.strip()[-400:]}")


def first_view(url: str, done: str, times: int) -> dict[str, float]:
    """The figures of a first view."""
    found = opened(url, done, times)
    return {
        "page_usable": found["taken"],
        "page_scripts": found["scripts"],
        "page_shift": found["shift"],
    }
