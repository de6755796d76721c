"""log() to queryable: a real client logs probes while others load the server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from tests.benchmarks.ours.generator import Load
from tests.benchmarks.ours.loading import load
from tests.benchmarks.ours.stack import Stack, running_stack
from tests.benchmarks.peers import REPOSITORY
from tests.benchmarks.stats import spread
from tests.benchmarks.web import Connection, HttpError

RATES = {"latency_50k": 50_000, "latency_1m": 1_000_000}
PROBE_EVERY = 0.1
POLL_EVERY = 0.02
WARM_UP = 5.0


def latency(quick: bool) -> dict[str, float]:
    """latency_50k and latency_1m: p99, in seconds; p50 beside them."""
    figures: dict[str, float] = {}
    for name, rate in RATES.items():
        with running_stack() as stack:
            figures |= _at_rate(stack, name, rate, 10 if quick else 60)
    return figures


def _at_rate(stack: Stack, name: str, rate: int, seconds: float) -> dict[str, float]:
    wanted = Load(
        url=stack.url, key=stack.key, seconds=seconds + 2 * WARM_UP, points=_points(rate), rate=rate
    )
    with load(stack, wanted) as running:
        time.sleep(WARM_UP)
        delays = probe(stack, int(seconds / PROBE_EVERY))
    taken = spread(delays)
    figures = {name: taken["p99"], f"{name}_p50": taken["p50"], f"{name}_max": taken["max"]}
    return running.beside(figures, rate) | {f"{name}_rate": running.offered}


def _points(rate: int) -> int:
    """Points per record: small records at a low rate, as few slow trainers make them."""
    return 5_000 if rate > 100_000 else 500


def probe(stack: Stack, count: int) -> list[float]:
    """Seconds from each log() of a client to the moment when the API's curve has its step."""
    clock = stack.folder / "probe-clock"
    client = subprocess.Popen(
        [sys.executable, "-m", __name__, str(clock), str(count)],
        cwd=REPOSITORY,
        env={**os.environ, **stack.environment},
        stdout=subprocess.DEVNULL,
    )
    try:
        seen = _first_seen(stack, clock, count, client)
    finally:
        client.wait(60)
    logged = [float(line) for line in clock.read_text().splitlines()[1:]]
    return [seen[step] - logged[step] for step in range(count) if step in seen]


def _first_seen(stack: Stack, clock: Path, count: int, client: subprocess.Popen[bytes]) -> dict[int, float]:
    connection, run = stack.connection(), _run_id(clock)
    seen: dict[int, float] = {}
    deadline = time.monotonic() + count * PROBE_EVERY + 60
    while len(seen) < count and time.monotonic() < deadline:
        now, steps = _steps(connection, run)
        for step in steps:
            seen.setdefault(step, now)
        time.sleep(POLL_EVERY)
    if len(seen) < count:
        raise RuntimeError(f"only {len(seen)} of {count} probes became queryable")
    return seen


def _run_id(clock: Path) -> str:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if clock.exists() and "\n" in clock.read_text():
            return clock.read_text().split("\n", 1)[0]
        time.sleep(0.01)
    raise RuntimeError("the probing client did not start within 30 s")


def _steps(connection: Connection, run: str) -> tuple[float, list[int]]:
    """When the answer was there, and the steps in it; none while the run is not known yet."""
    try:
        answer = json.loads(connection.get(f"/api/v1/runs/{run}/curves?key=probe&points=0"))
    except HttpError as error:
        if error.status != 404:
            raise
        return time.time(), []
    return time.time(), [int(step) for step in answer["curves"].get("probe", {}).get("step", [])]


def client(clock: Path, count: int) -> None:
    """Logs a probe every tenth of a second and writes down when."""
    import speech_experiment_tracker as tracker

    run = tracker.Client().create_experiment(name="probe").start_run(name="probe")
    with clock.open("w", buffering=1) as file:
        file.write(f"{run.id}\n")
        for step in range(count):
            time.sleep(PROBE_EVERY)
            file.write(f"{time.time()!r}\n")
            run.log_metrics({"probe": float(step)}, step=step)
    run.finish()


if __name__ == "__main__":
    client(Path(sys.argv[1]), int(sys.argv[2]))
