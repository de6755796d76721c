"""The figures that are measured and what they must reach."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Figure:
    """One line of the table; `more` says that a larger value is better."""

    name: str
    title: str
    unit: str
    goal: float
    better: Literal["less", "more"] = "less"

    def reached(self, value: float) -> bool:
        return value <= self.goal if self.better == "less" else value >= self.goal


FIGURES = {
    figure.name: figure
    for figure in (
        Figure("log_tight", "log 4 scalars, tight loop, p50", "µs", 3),
        Figure("log_paced", "log 4 scalars, one per 5 ms, p50", "µs", 15),
        Figure("kill_loss", "steps of 1,000 lost on kill -9", "", 0),
        Figure("log_thousand", "log a dict of 1,000 metrics, p50", "ms", 0.3),
        Figure("process", "import + start + log + finish of a process, acknowledged", "s", 0.3),
        Figure("ingest", "ingest, 5,000-point batches, queryable", "points/s", 1_700_000, "more"),
        Figure("ingest_1000", "ingest, 1,000-point batches, queryable", "points/s", 1_000_000, "more"),
        Figure(
            "ingest_growing", "ingest, the drain's growing batches, queryable", "points/s", 2_000_000, "more"
        ),
        Figure("ingest_wrong", "runs whose count or sum differs from what was sent", "", 0),
        Figure("latency_50k", "log() to queryable at 50,000 points/s, p99", "s", 0.5),
        Figure("latency_1m", "log() to queryable at 1,000,000 points/s, p99", "s", 1.5),
        Figure("curve_full", "100,000-point curve over HTTP, p50", "ms", 25),
        Figure("curve_small", "its 2,000-point downsample, p50", "ms", 12),
        Figure("curve_full_busy", "the curve beside 1M points/s of ingest, p50", "ms", 60),
        Figure("curve_small_busy", "the downsample beside 1M points/s of ingest, p50", "ms", 60),
        Figure("create_1k", "1,000 runs, 20 params and 10 metrics, queryable", "s", 3),
        Figure("search_1k", "search of 1,000 runs, filter + order, limit 50, p95", "ms", 5),
        *(
            Figure(f"search_{size}_{case}", f"search of {runs} runs: {title}, p95", "ms", goal)
            for size, runs, goal in (("1k", "1,000", 5), ("100k", "100,000", 50))
            for case, title in (
                ("param", "a JSON param"),
                ("wer", "wer['…']"),
                ("tag", "a negated tag"),
                ("order", "order by a metric"),
                ("cursor", "a deep cursor"),
            )
        ),
        Figure("ready", "server start until it answers (ours: warm)", "s", 8),
        Figure("idle", "idle server, sum of PSS", "GB", 1.2),
    )
}


@dataclass
class Results:
    """Measured values by subject and figure, what they were measured with, and what failed."""

    values: dict[str, dict[str, float]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)

    def add(self, subject: str, figures: dict[str, float]) -> None:
        self.values.setdefault(subject, {}).update(figures)

    def best_peer(self, figure: Figure) -> tuple[str, float] | None:
        """The peer that does best at a figure, if one was measured."""
        rivals = [
            (subject, values[figure.name])
            for subject, values in self.values.items()
            if subject != "ours" and figure.name in values
        ]
        pick = min if figure.better == "less" else max
        return pick(rivals, key=lambda rival: rival[1]) if rivals else None
