"""A client that creates runs with 20 params and 10 metrics, as a sweep does; prints when it began and ended."""

from __future__ import annotations

import sys
import time

import speech_experiment_tracker as tracker
from tests.benchmarks.ours.described import config_of, metrics_of, tags_of


def main(runs: int) -> None:
    experiment = tracker.Client().create_experiment(name="sweep")
    print(time.time(), flush=True)
    for i in range(runs):
        run = experiment.start_run(name=f"run-{i:06}", tags=tags_of(i))
        run.log_config(config_of(i))
        run.log_metrics(metrics_of(i))
        run.finish(timeout=0)
    print(time.time(), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
