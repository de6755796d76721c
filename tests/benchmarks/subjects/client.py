"""What a training loop feels: the caller's time of a log call, and what a killed process loses."""

from __future__ import annotations

import math
import mmap
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

from tests.benchmarks.stats import percentile, spread
from tests.benchmarks.subjects import Tracker

STEPS = 1_000
PACE = 0.005


def four_scalars(step: int) -> dict[str, float]:
    return {
        "train_loss": 4.0 / (1 + step / 100),
        "val_wer": 0.9 * math.exp(-step / 500) + 0.05,
        "learning_rate": 1e-3 / (1 + step / 1000),
        "grad_norm": 1 + (step * 7919 % 997) / 997,
    }


def caller(subject: ModuleType, folder: Path, quick: bool) -> dict[str, float]:
    """log_tight (µs, p50 in a tight loop) and log_thousand (ms, p50 of a dict of 1,000 metrics)."""
    tracker: Tracker = subject.Tracker(folder)
    tight = _timed(tracker, [four_scalars(step) for step in range(2_000 if quick else 20_000)], 0, 5)
    wide = [{f"layer_{i}/norm": i / (step + 1) for i in range(1_000)} for step in range(40 if quick else 200)]
    thousand = _timed(tracker, wide, 100_000, 8)
    tracker.finish()
    return {
        "log_tight": percentile(tight, 50) / 1e3,
        "log_tight_p99": percentile(tight, 99) / 1e3,
        "log_tight_mean": sum(tight) / len(tight) / 1e3,
        "log_thousand": percentile(thousand, 50) / 1e6,
        "log_thousand_p99": percentile(thousand, 99) / 1e6,
    }


def _timed(tracker: Tracker, calls: list[dict[str, float]], first_step: int, seconds: float) -> list[int]:
    """Nanoseconds of each call; ends early after some seconds; the first tenth warms up."""
    taken = []
    deadline = time.monotonic() + seconds
    for step, metrics in enumerate(calls, first_step):
        start = time.perf_counter_ns()
        tracker.log(metrics, step)
        taken.append(time.perf_counter_ns() - start)
        if time.monotonic() > deadline:
            break
    return taken[len(taken) // 10 :]


def killed(subject: ModuleType, folder: Path, quick: bool) -> dict[str, float]:
    """log_paced (µs, p50 with a step every 5 ms) and kill_loss (steps of 1,000 lost on kill -9).

    A child logs and dies by SIGKILL as soon as its last call has returned.
    """
    clock = folder / "clock"
    clock.write_bytes(bytes(8 * STEPS))
    subprocess.run([sys.executable, "-m", __name__, subject.__name__, str(folder)], check=False)
    taken = [value for (value,) in struct.iter_unpack("<q", clock.read_bytes())]
    if 0 in taken:
        raise RuntimeError(f"the paced child ended after {taken.index(0)} of {STEPS} steps")
    paced = spread([value / 1e3 for value in taken[100:]])
    recovered: int = subject.recovered(folder)
    return {"log_paced": paced["p50"], "log_paced_p99": paced["p99"], "kill_loss": STEPS - recovered}


def _log_and_die(name: str, folder: Path) -> None:
    from importlib import import_module

    tracker: Tracker = import_module(name).Tracker(folder)
    with (folder / "clock").open("r+b") as file:
        clock = mmap.mmap(file.fileno(), 8 * STEPS)
    for step in range(STEPS):
        time.sleep(PACE)
        metrics = four_scalars(step)
        start = time.perf_counter_ns()
        tracker.log(metrics, step)
        struct.pack_into("<q", clock, 8 * step, time.perf_counter_ns() - start)
    os.kill(os.getpid(), signal.SIGKILL)


def process(subject: ModuleType, folder: Path, quick: bool) -> dict[str, float]:
    """process (s): a whole interpreter that imports, starts a run, logs once and finishes; the median."""
    taken = scripts(subject.SCRIPT, folder, 3 if quick else 6)
    return {"process": percentile(taken, 50), "process_max": max(taken)}


def scripts(script: str, folder: Path, times: int) -> list[float]:
    """Seconds that each process with the script takes, given a fresh folder; the first one warms up."""
    taken = []
    for i in range(times):
        place = folder / f"process-{i}"
        place.mkdir(parents=True)
        command = [sys.executable, "-c", script, str(place)]
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=place)
        taken.append(time.perf_counter() - start)
    return taken[1:]


if __name__ == "__main__":
    _log_and_die(sys.argv[1], Path(sys.argv[2]))
