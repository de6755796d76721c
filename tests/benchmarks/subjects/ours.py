"""We ourselves, with the server that the environment names."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import speech_experiment_tracker as tracker
from tests.benchmarks.stats import percentile
from tests.benchmarks.subjects import client

SHARED = """
import speech_experiment_tracker as tracker
run = tracker.Client().create_experiment(name="bench").start_run(name="process")
run.log_metrics({"train_loss": 1.0}, step=0)
run.finish()
"""
SCRIPT = f"""
import os, sys
os.environ["SPEECH_TRACKER_SPOOL_DIR"] = sys.argv[1] + "/spool"
{SHARED}"""
"""A spool of its own: the process also waits for the start of its drain."""
PATIENCE = 30.0


class Tracker:
    """The default settings of a client that finds its server in the environment."""

    def __init__(self, folder: Path) -> None:
        self._run = tracker.Client().create_experiment(name="bench").start_run(name="run")
        self.log = self._run.log_metrics
        (folder / "run").write_text(str(self._run.id))

    def finish(self) -> None:
        self._run.finish()


def process(folder: Path, quick: bool) -> dict[str, float]:
    """process with a drain that has to be started first, process_warm with one that runs already."""
    warm = client.scripts(SHARED, folder / "warm", 3 if quick else 6)
    return {**client.process(sys.modules[__name__], folder, quick), "process_warm": percentile(warm, 50)}


def recovered(folder: Path) -> int:
    """Steps that the server's curve has once the drain of the killed process has delivered."""
    from tests.benchmarks.web import Connection, HttpError

    run = (folder / "run").read_text()
    key = os.environ["SPEECH_TRACKER_API_KEY"]
    connection = Connection(os.environ["SPEECH_TRACKER_URL"], {"Authorization": f"Bearer {key}"})
    path = f"/api/v1/runs/{run}/curves?key=grad_norm&points=0"
    found, deadline = 0, time.monotonic() + PATIENCE
    while found < 1_000 and time.monotonic() < deadline:
        try:
            found = len(connection.json("GET", path)["curves"].get("grad_norm", {}).get("step", []))
        except HttpError as error:
            if error.status != 404:
                raise
        time.sleep(0.1)
    return found
