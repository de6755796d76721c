"""python -m speech_experiment_tracker.demo.trainer RECORDINGS RUN UNITS TAGS: one classifier's training, as a script of its own.

Whatever happens to it, started again it goes on from its newest checkpoint. It prints each step that it has
logged, and at the end the accuracy.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import msgspec

from ..client import Client
from .classifier import Hyperparameters
from .digits import spoken_digits
from .training import DESCRIPTION, EXPERIMENT, TASK, train

_PACE = 0.005
"""Seconds a step, so that there is something to interrupt."""


def main(recordings: str, run_id: str, units: str, tags: str) -> None:
    """Trains to the end, from wherever the run is."""
    experiment = Client().create_experiment(EXPERIMENT, task=TASK, description=DESCRIPTION)
    run = experiment.start_run(
        f"mlp-{units}",
        tags=msgspec.json.decode(tags, type=dict[str, str]),
        resume="auto",
        id=run_id,
        capture_output=False,
    )
    with run:
        _say("from", run.last_step or 0)
        accuracy = train(run, spoken_digits(Path(recordings)), Hyperparameters(int(units)), _logged)
    _say("accuracy", accuracy)


def _logged(step: int) -> None:
    _say("step", step)
    time.sleep(_PACE)


def _say(word: str, value: float) -> None:
    sys.stdout.write(f"{word} {value!r}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
