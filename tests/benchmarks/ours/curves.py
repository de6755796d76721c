"""Curves of 100,000 points over HTTP: whole and downsampled, alone and beside ingest."""

from __future__ import annotations

import time
from urllib.parse import urlencode

import numpy as np

from speech_experiment_schemas.metrics import NO_STEP, MetricsLogged
from tests.benchmarks.ours.flood import wait_for_points
from tests.benchmarks.ours.generator import Load
from tests.benchmarks.ours.loading import load
from tests.benchmarks.ours.posting import Poster
from tests.benchmarks.ours.records import SyntheticRun
from tests.benchmarks.ours.stack import Stack, running_stack
from tests.benchmarks.stats import milliseconds, percentile
from tests.benchmarks.subjects import CURVE_POINTS, curve_value
from tests.benchmarks.web import Connection

ARROW = "application/vnd.apache.arrow.stream"
PART = 20_000


def curves(quick: bool) -> dict[str, float]:
    """curve_full, curve_small (ms, p50, JSON and Arrow), idle and with `_busy` beside 1M points/s."""
    times = 20 if quick else 100
    with running_stack() as stack:
        (run,) = seed(stack)
        figures = _measure(stack, run, times, "")
        wanted = Load(url=stack.url, key=stack.key, seconds=15 if quick else 45, rate=1_000_000)
        with load(stack, wanted) as running:
            time.sleep(5)
            busy = _measure(stack, run, times, "_busy")
            running.board.stop()
        return figures | running.beside(busy, wanted.rate) | {"curve_busy_rate": running.offered}


def seed(stack: Stack, runs: int = 1, points: int = CURVE_POINTS) -> list[str]:
    """Runs with one curve each through the gateway; returns their ids once all is queryable."""
    before = stack.points()
    poster = Poster(stack.url, stack.key)
    seeded = [SyntheticRun(f"curve-{number}" if number else "curve") for number in range(runs)]
    for number, run in enumerate(seeded):
        poster.post(run.opening())
        for first in range(0, points, PART):
            poster.post([run.seal(_part(first, number / 10), PART)])
        poster.post(run.closing())
    wait_for_points(stack, before + runs * points, 60 + 10 * runs)
    return [str(run.run) for run in seeded]


def _part(first: int, lift: float) -> MetricsLogged:
    steps = np.arange(first, first + PART)
    return MetricsLogged(
        keys=["train_loss"],
        calls=np.ones(PART, "<u4").tobytes(),
        steps=steps.astype("<i8").tobytes(),
        times=(time.time_ns() // 1000 + steps).astype("<i8").tobytes(),
        key_index=np.zeros(PART, "<u2").tobytes(),
        values=np.array([lift + curve_value(int(step)) for step in steps], "<f8").tobytes(),
    )


def _measure(stack: Stack, run: str, times: int, suffix: str) -> dict[str, float]:
    figures: dict[str, float] = {}
    for form, connection in (("", stack.connection()), ("_arrow", stack.connection(Accept=ARROW))):
        for name, points in (("curve_full", 0), ("curve_small", 2_000)):
            path = f"/api/v1/runs/{run}/curves?{urlencode({'key': 'train_loss', 'points': points, 'axis': 'step'})}"
            if not form:
                check(connection, path, points or CURVE_POINTS)
            taken = milliseconds(lambda c=connection, p=path: c.get(p), times, 3)  # type: ignore[misc]
            figures[name + suffix + form] = percentile(taken, 50)
            figures[f"{name}{suffix}{form}_p99"] = percentile(taken, 99)
    return figures


def check(connection: Connection, path: str, points: int) -> None:
    """Raises RuntimeError unless the curve has its points, or for a downsample not more than asked for."""
    curve = connection.json("GET", path)["curves"]["train_loss"]
    found = len(curve["step"])
    if found != len(curve["value"]) or not points / 2 <= found <= points + 2:
        raise RuntimeError(f"the curve has {found} points, expected {points}")
    if NO_STEP in curve["step"]:
        raise RuntimeError("the curve has points without a step")
