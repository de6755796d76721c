"""Sustained ingest: from HTTP to queryable, exactly once, with the lag in view."""

from __future__ import annotations

from tests.benchmarks.ours.flood import flood
from tests.benchmarks.ours.generator import Load
from tests.benchmarks.ours.loading import Running, Sample, load, wrong_runs
from tests.benchmarks.ours.stack import running_stack

WINDOW = 6_000_000
"""Points that the generator may be ahead of readers: it finds the rate at which lag does not grow."""
SIZES = {"ingest": (5_000, 8), "ingest_1000": (1_000, 32), "ingest_growing": (0, 4)}
"""Figure → points per record (0: as the drain grows them) and connections."""


def ingest(quick: bool) -> dict[str, float]:
    """ingest, ingest_1000, ingest_growing (points/s queryable) and ingest_wrong (runs that differ)."""
    figures: dict[str, float] = {"ingest_wrong": 0}
    for name, (points, connections) in SIZES.items():
        with running_stack() as stack:
            wanted = Load(
                url=stack.url,
                key=stack.key,
                seconds=8 if quick else 62,
                points=points,
                connections=connections,
                window=WINDOW,
            )
            with load(stack, wanted) as running:
                pass
            wrong = wrong_runs(stack, running.result())
        for problem in wrong[:3]:
            print(f"{name}: {problem}")
        figures["ingest_wrong"] += len(wrong)
        figures |= summary(name, running)
    with running_stack() as stack:
        return figures | flood(stack, 20_000 if quick else 250_000)


def summary(name: str, running: Running) -> dict[str, float]:
    """Points per second until the last one was queryable, how the lag went, CPU of each part per point."""
    sent, samples = running.result(), running.samples
    if not samples or samples[-1].queryable < samples[-1].sent:
        raise RuntimeError(f"{name}: not everything that was acknowledged became queryable")
    whole = samples[-1]
    early, late = lag(samples, 0.1, 0.4, sent.seconds), lag(samples, 0.7, 1.0, sent.seconds)
    return {
        name: running.rate,
        f"{name}_seconds": whole.at,
        f"{name}_lag_early_s": early,
        f"{name}_lag_late_s": late,
        f"{name}_generator_cpu": sent.cpu_seconds / sent.seconds,
        f"{name}_waits": float(sent.waits),
        f"{name}_points": float(whole.queryable),
        **{
            f"{name}_ns_{part}": used / whole.queryable * 1e9
            for part, used in running.cpu.items()
            if used > 0.1
        },
    }


def lag(samples: list[Sample], begin: float, end: float, seconds: float) -> float:
    """The mean time that readers were behind in that part of the load, in seconds."""
    part = [s for s in samples if begin * seconds <= s.at <= end * seconds]
    if len(part) < 2 or part[-1].queryable == part[0].queryable:
        return float("nan")
    rate = (part[-1].queryable - part[0].queryable) / (part[-1].at - part[0].at)
    return sum(s.sent - s.queryable for s in part) / len(part) / rate
