"""Neptune's client in offline mode: operations in SQLite, to be synchronised later."""

from __future__ import annotations

import os
from pathlib import Path

SCRIPT = """
import sys
from neptune_scale import Run
if __name__ == "__main__":
    run = Run(project="bench/bench", mode="offline", log_directory=sys.argv[1])
    run.log_metrics({"train_loss": 1.0}, step=0)
    run.close()
"""


class Tracker:
    """log_metrics of an offline run, the default settings."""

    def __init__(self, folder: Path) -> None:
        os.environ["NEPTUNE_LOGGER_LEVEL"] = "error"
        from neptune_scale import Run  # type: ignore[import-not-found]

        self._run = Run(project="bench/bench", mode="offline", log_directory=str(folder))

    def log(self, metrics: dict[str, float], step: int) -> None:
        self._run.log_metrics(metrics, step=step)

    def finish(self) -> None:
        self._run.close()


def recovered(folder: Path) -> int:
    """Distinct steps in the file of operations."""
    import sqlite3

    from neptune_api.proto.neptune_pb.ingest.v1.common_pb2 import (  # type: ignore[import-not-found]
        UpdateRunSnapshot,
    )

    steps = set()
    for path in folder.rglob("*.sqlite3"):
        with sqlite3.connect(path) as database:
            rows = database.execute(
                "select operation from run_operations where operation_type = 0"
            ).fetchall()
        for (operation,) in rows:
            steps.add(UpdateRunSnapshot.FromString(operation).step.whole)
    return len(steps)
