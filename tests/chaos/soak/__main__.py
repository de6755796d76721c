"""python -m tests.chaos.soak [MINUTES] [--folder DIR]: prints its samples' trends as it goes; exit code 1 for a fault."""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from uuid import UUID

from tests.faults.oracle import Testimony, Verdict, judge
from tests.faults.stack import Stack, running_stack

from . import samples
from .crew import Crew
from .diary import Diary

SAMPLE_SECONDS = 10.0
REPORT_SECONDS = 300.0
_RUNS_AT_ONCE = 25


def soak(folder: Path, minutes: float, seed: int) -> list[str]:
    """Runs the load and returns what went wrong; the table of trends is printed."""
    print(f"SPEECH_TRACKER_TEST_SEED={seed} minutes={minutes:g} folder={folder}", flush=True)
    seconds = minutes * 60
    with running_stack(folder) as stack:
        diary = Diary(folder / "samples.jsonl")
        before = samples.disk(stack.data)
        crew = Crew(stack, random.Random(seed), seconds)
        try:
            _watch(stack, crew, diary, seconds)
            crew.join(600)
        finally:
            crew.stop()
        stack.wait_quiet(180)
        print(diary.table(warm_up(seconds)), flush=True)
        faults = [*diary.faults(warm_up(seconds)), *crew.problems]
        verdict = _judged(stack, crew.witnesses)
        print(verdict, flush=True)
        print(_disk_use(before, samples.disk(stack.data), verdict), flush=True)
        if not verdict.clean:
            faults.append("the oracle found a difference")
        if left := stack.undelivered():
            faults.append(f"{left} producers of the spool still hold segments")
    return faults


def warm_up(seconds: float) -> float:
    """Seconds at the start that say nothing of growth: caches and pools fill."""
    return min(seconds / 3, 1800.0)


def _watch(stack: Stack, crew: Crew, diary: Diary, seconds: float) -> None:
    start = time.monotonic()
    next_sample = next_report = 0.0
    while (at := time.monotonic() - start) < seconds:
        crew.tend()
        if at >= next_sample:
            next_sample += SAMPLE_SECONDS
            processes = samples.servers(stack.data) | samples.drain(stack.folder / "spool")
            for name, pid in (processes | {name: each.pid for name, each in crew.staying.items()}).items():
                if seen := samples.footprint(pid, alone=name == "supervisor"):
                    diary.note(at, name, seen)
        if at >= next_report + REPORT_SECONDS:
            next_report += REPORT_SECONDS
            print(f"after {at / 60:.0f} minutes:\n{diary.table(warm_up(at))}", flush=True)
        time.sleep(1)


def _judged(stack: Stack, witnesses: list[Path]) -> Verdict:
    """The oracle's word, on some runs at a time: all of them at once would not fit into memory."""
    testimony = Testimony.read(*witnesses)
    total = Verdict()
    runs = sorted(testimony.runs)
    for start in range(0, len(runs), _RUNS_AT_ONCE):
        some = set(runs[start : start + _RUNS_AT_ONCE])
        verdict = asyncio.run(judge(stack.settings, _of(testimony, some)))
        for name in ("calls", "points", "lost", "duplicate", "phantom", "reordered", "changed"):
            setattr(total, name, getattr(total, name) + getattr(verdict, name))
        total.problems += verdict.problems
    return total


def _of(testimony: Testimony, runs: set[UUID]) -> Testimony:
    return Testimony(
        *(
            {call: digest for call, digest in side.items() if call[0] in runs}
            for side in (testimony.begun, testimony.returned)
        )
    )


def _disk_use(before: dict[str, int], after: dict[str, int], verdict: Verdict) -> str:
    grown = {name: size - before.get(name, 0) for name, size in after.items()}
    points = max(verdict.points, 1)
    return "on disk: " + ", ".join(
        f"{name} {after[name] / samples.MB:.1f} MB ({grown[name] / points:.1f} bytes a point)"
        for name in after
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.soak")
    parser.add_argument("minutes", type=float, nargs="?", default=30.0)
    parser.add_argument("--folder", type=Path, help="kept afterwards; without one a temporary folder")
    given = parser.parse_args()
    seed = int(os.environ.get("SPEECH_TRACKER_TEST_SEED", random.SystemRandom().randrange(2**32)))
    if given.folder:
        given.folder.mkdir(parents=True, exist_ok=True)
        faults = soak(given.folder, given.minutes, seed)
    else:
        with tempfile.TemporaryDirectory(prefix="soak-", ignore_cleanup_errors=True) as folder:
            faults = soak(Path(folder), given.minutes, seed)
    print("\n".join(faults) or "flat, and nothing is missing")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
