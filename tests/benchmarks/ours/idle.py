"""How soon a stack that has run before is ready, and what it holds in memory when nothing happens."""

from __future__ import annotations

import time

from tests.benchmarks.ours.stack import running_stack
from tests.benchmarks.processes import command_of, cpu_seconds, pss_bytes

CALM = 20


def idle(quick: bool) -> dict[str, float]:
    """ready (s, warm start), ready_first (s), idle (GB, sum of PSS), idle_cpu (cores)."""
    with running_stack() as stack:
        first = stack.first_start
        stack.down()
        ready = stack.up()
        time.sleep(5 if quick else CALM)
        pids = stack.pids()
        if not any("speech_experiment_consumers metrics" in command_of(pid) for pid in pids):
            raise RuntimeError(
                "the consumer of metrics does not run: an idle stack without it proves nothing"
            )
        before, start = cpu_seconds(pids), time.monotonic()
        time.sleep(5)
        used = (cpu_seconds(pids) - before) / (time.monotonic() - start)
        return {
            "ready": ready,
            "ready_first": first,
            "idle": pss_bytes(pids) / 1e9,
            "idle_cpu": used,
            "idle_processes": float(len(pids)),
        }
