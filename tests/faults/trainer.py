"""A training script under fault: python -m tests.faults.trainer WITNESS NAME STEPS [--rate HZ] [--fork].

It logs through the public SDK like any user, and notes every call in its witness file.
"""

from __future__ import annotations

import argparse
import os
import random
import time
from math import inf, nan
from pathlib import Path

import speech_experiment_tracker as tracker
from speech_experiment_tracker import Run

from .oracle import Witness, fingerprint


def train(run: Run, witness: Witness, name: str, steps: int, pause: float) -> None:
    dice = random.Random(name)
    for n in range(steps):
        points = {
            f"{name}/n": float(n),
            f"{name}/loss": dice.choice([dice.gauss(0, 1), nan, inf, -inf, 1e300]),
        }
        step = None if n % 17 == 0 else dice.randrange(-5, 10_000)
        call, digest = f"{name}/n={n}", fingerprint(step, points)
        witness.will(run.id, call, digest)
        run.log_metrics(points, step=step)
        witness.did(run.id, call, digest)
        if n % 20 == 0:
            _configure(run, witness, f"oracle_{name}_{n}", str(dice.random()))
        if pause:
            time.sleep(pause)


def _configure(run: Run, witness: Witness, key: str, value: str) -> None:
    witness.will(run.id, key, value)
    run.log_config({key: value})
    witness.did(run.id, key, value)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("witness", type=Path)
    parser.add_argument("name")
    parser.add_argument("steps", type=int)
    parser.add_argument("--rate", type=float, default=0, help="calls a second; 0: as fast as it goes")
    parser.add_argument("--fork", type=int, default=0, help="children that log to the same run")
    arguments = parser.parse_args()
    pause = 1 / arguments.rate if arguments.rate else 0.0
    run = tracker.Client().start_run(name=arguments.name)
    children = []
    for index in range(arguments.fork):
        pid = os.fork()
        if pid == 0:
            witness = Witness(arguments.witness.with_name(f"{arguments.witness.name}.{index}"))
            train(run, witness, f"{arguments.name}-{index}", arguments.steps, pause)
            os._exit(0)
        children.append(pid)
    train(run, Witness(arguments.witness), arguments.name, arguments.steps, pause)
    for pid in children:
        os.waitpid(pid, 0)
    run.finish(timeout=60)


if __name__ == "__main__":
    main()
