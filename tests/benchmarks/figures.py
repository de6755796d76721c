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
        Figure("verify_1k", "verify 1,000 runs: log, ledger, Postgres, ClickHouse", "s", 5),
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
        Figure("rebuild_points", "rebuild of metrics from the log", "points/s", 2_000_000, "more"),
        Figure("rebuild_events", "rebuild of metadata from the log", "events/s", 20_000, "more"),
        Figure("back_everything", "kill -9 of the whole server, until writes are read back", "s", 5),
        Figure("back_api", "kill -9 of the API, until writes are read back", "s", 5),
        Figure("as_of_search", "search of 10,000 runs as of a vector, all changed since, first ask", "s", 1),
        Figure("as_of_state", "one of 10,000 runs as of a moment, p95", "ms", 50),
        Figure("resume", "resume of a run with 1,000,000 points, to the first step", "s", 0.5),
        Figure("resume_checkpoint", "the same, with its checkpoint of 1 MB fetched", "s", 1.0),
        Figure("resume_killed", "the same right after kill -9, delivery awaited", "s", 2.0),
        Figure("score_counts", "counts of 12-word utterances, one core", "1/s", 400_000, "more"),
        Figure("score_alignments", "alignments of 12-word utterances, one core", "1/s", 80_000, "more"),
        Figure("bootstrap", "10,000 draws over 100,000 utterances", "s", 1),
        Figure("rescore_basic", "1,000,000 utterances scored again, basic normaliser, queryable", "s", 30),
        Figure("rescore_english", "the same with Whisper's English normaliser, cold", "s", 90),
        Figure("rescore_english_warm", "the same, by a profile whose normaliser knows the words", "s", 90),
        Figure("score_board", "board of 10,000 runs × 10 sets over HTTP, p50", "ms", 50),
        Figure("replicates", "the same board by configurations over 4 seeds, p50", "ms", 1_000),
        Figure("breakdown", "100,000 utterances by speaker and condition over HTTP, p50", "ms", 50),
        Figure("flips", "flips between two systems on 100,000 utterances over HTTP, p50", "ms", 100),
        Figure(
            "cluster_live", "2 gateways, 3 workers, 24 partitions, queryable", "points/s", 1_000_000, "more"
        ),
        Figure("cluster_wrong", "runs that differ on the cluster", "", 0),
        Figure("page_scripts", "page, first view: compressed JavaScript", "kB", 300),
        Figure("page_usable", "page, first visit until the home view is usable", "ms", 1_000),
        Figure("page_shift", "page, first visit: cumulative layout shift", "", 0.05),
        Figure("page_rows", "page, table of 100,000 runs: first rows", "ms", 300),
        Figure("page_sort", "page, table of 100,000 runs: sorted by a metric", "ms", 300),
        Figure("page_filter", "page, table of 100,000 runs: filtered", "ms", 300),
        Figure("page_scroll", "page, longest task over 50 ms while its rows scroll", "ms", 0),
        Figure("page_curves", "page, 20 runs × 100,000 points: first drawn", "ms", 500),
        Figure("page_curves_cold", "the same from a typed address, nothing cached", "ms", 1_500),
        Figure("page_zoom", "page, 20 runs × 100,000 points: zoom with its detail", "ms", 150),
        Figure("page_utterances", "page, 100,000 utterances: filtered", "ms", 200),
        Figure("page_live", "page, a logged point on the open chart", "ms", 1_500),
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
        """`figure@library` is what a bench of ours measured of a library beside itself: that library's."""
        for key, value in figures.items():
            figure, _, library = key.partition("@")
            self.values.setdefault(library or subject, {})[figure] = value

    def best_peer(self, figure: Figure) -> tuple[str, float] | None:
        """The peer that does best at a figure, if one was measured."""
        rivals = [
            (subject, values[figure.name])
            for subject, values in self.values.items()
            if subject != "ours" and figure.name in values
        ]
        pick = min if figure.better == "less" else max
        return pick(rivals, key=lambda rival: rival[1]) if rivals else None
