"""A trainer that logs 20 metrics a step without a pause, through its real spool and drain."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from tests.benchmarks.ours.stack import Stack
from tests.benchmarks.peers import REPOSITORY

KEYS = 20


def flood(stack: Stack, calls: int) -> dict[str, float]:
    """ingest_sdk: points per second from the first log() of one process until all are queryable."""
    before = stack.points()
    client = subprocess.Popen(
        [sys.executable, "-m", __name__, str(calls)],
        cwd=REPOSITORY,
        env={**os.environ, **stack.environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert client.stdout is not None
    start = float(client.stdout.readline())
    wait_for_points(stack, before + calls * KEYS, 120)
    queryable = time.time() - start
    logged = float(client.stdout.readline()) - start
    client.wait(120)
    return {"ingest_sdk": calls * KEYS / queryable, "ingest_sdk_logged": calls * KEYS / logged}


def wait_for_points(stack: Stack, points: int, timeout: float) -> None:
    """Returns when the table has that many points; raises RuntimeError when late."""
    deadline = time.monotonic() + timeout
    while stack.points() < points:
        if time.monotonic() > deadline:
            raise RuntimeError(
                f"only {stack.points():,} of {points:,} points were queryable in {timeout:.0f} s"
            )
        time.sleep(0.05)


def client(calls: int) -> None:
    """Prints when it began and when its last call had returned."""
    import speech_experiment_tracker as tracker

    run = tracker.Client().create_experiment(name="flood").start_run(name="flood")
    metrics = [{f"metric_{key:02}": key + step / 16 for key in range(KEYS)} for step in range(16)]
    print(time.time(), flush=True)
    for step in range(calls):
        run.log_metrics(metrics[step % 16], step=step)
    print(time.time(), flush=True)
    run.finish(timeout=100)


if __name__ == "__main__":
    client(int(sys.argv[1]))
