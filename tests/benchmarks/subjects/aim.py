"""Aim: a local repository, written by the caller."""

from __future__ import annotations

from pathlib import Path

SCRIPT = """
import sys
from aim import Run
run = Run(repo=sys.argv[1])
run.track(1.0, name="train_loss", step=0)
run.close()
"""


class Tracker:
    """run.track with a dict, the default settings."""

    def __init__(self, folder: Path) -> None:
        from aim import Run  # type: ignore[import-not-found]

        self._run = Run(repo=str(folder), experiment="bench")

    def log(self, metrics: dict[str, float], step: int) -> None:
        self._run.track(metrics, step=step)

    def finish(self) -> None:
        self._run.close()


def recovered(folder: Path) -> int:
    """Steps of the metric that is written last in a call, after the index took the dead run in."""
    from aim import Repo
    from aim.sdk.index_manager import RepoIndexManager  # type: ignore[import-not-found]

    manager = RepoIndexManager.get_index_manager(Repo(str(folder)))
    for run in Repo(str(folder)).list_all_runs():
        manager.index(run)
    series = Repo(str(folder)).query_metrics("metric.name == 'grad_norm'", report_mode=0).iter()
    return sum(len(metric.data.items_list()[0]) for metric in series)
