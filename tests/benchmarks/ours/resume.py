"""How soon a run of a million points goes on: from resume_run() to the first step that is logged.

In a process of its own each time, after everything was delivered long ago, and right after kill -9, when what
the dead attempt had logged is still on its way.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from typing import Any

from tests.benchmarks.ours.stack import Stack, running_stack

POINTS, KEYS = 1_000_000, 4
_TRAIN = """
import os, pathlib, sys, tempfile
import speech_experiment_tracker as tracker
steps, keys = int(sys.argv[1]), int(sys.argv[2])
run = tracker.Client().start_run("long", config={"layers": 12}, capture_output=False)
names = [f"metric{n}" for n in range(keys)]
for step in range(steps):
    run.log_metrics(dict.fromkeys(names, 0.5), step=step)
with tempfile.NamedTemporaryFile(suffix=".pt") as file:
    file.write(os.urandom(1 << 20))
    file.flush()
    run.log_artifact(file.name, type="checkpoint", step=steps - 1)
run.fail("stopped", timeout=600)
run.flush("queryable", timeout=600)
print(run.id)
"""
_RESUME = """
import json, os, sys, time
import speech_experiment_tracker as tracker
client = tracker.Client()
start = time.perf_counter()
run = client.resume_run(sys.argv[1], capture_output=False)
run.log_metrics({"metric0": 0.5}, step=run.last_step + 1)
first = time.perf_counter() - start
path = run.newest_checkpoint()
told = [first, time.perf_counter() - start, run.last_step, path.stat().st_size]
for step in range(run.last_step + 2, run.last_step + 1000):
    run.log_metrics({"metric0": 0.5}, step=step)
print(json.dumps(told), flush=True)
if sys.argv[2] == "kill":
    os.kill(os.getpid(), 9)
run.fail("stopped", timeout=60)
run.flush("queryable", timeout=60)
"""


def resume(quick: bool) -> dict[str, float]:
    """Seconds, medians of several attempts."""
    with running_stack() as stack:
        steps = (POINTS // 10 if quick else POINTS) // KEYS
        run = _python(stack, _TRAIN, str(steps), str(KEYS)).strip()
        settled = [_resumed(stack, run, steps, "stop") for _ in range(3 if quick else 7)]
        _resumed(stack, run, steps, "kill")
        killed = [_resumed(stack, run, steps, "kill") for _ in range(3 if quick else 7)]
    return {
        "resume": statistics.median(first for first, _ in settled),
        "resume_checkpoint": statistics.median(whole for _, whole in settled),
        "resume_killed": statistics.median(first for first, _ in killed),
    }


def _resumed(stack: Stack, run: str, steps: int, end: str) -> tuple[float, float]:
    first, whole, last_step, size = json.loads(_python(stack, _RESUME, run, end))
    if (last_step, size) != (steps - 1, 1 << 20):
        raise RuntimeError(f"resumed from step {last_step} instead of {steps - 1}, with {size} bytes")
    return first, whole


def _python(stack: Stack, code: str, *arguments: str) -> str:
    done: Any = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, **stack.environment, "SPEECH_TRACKER_CACHE_DIR": str(stack.folder / "cache")},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    if done.returncode not in (0, -9):
        raise RuntimeError(f"a client ended with {done.returncode}: {done.stderr[-1000:]}")
    return str(done.stdout)
