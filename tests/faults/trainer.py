"""A training script under fault: python -m tests.faults.trainer WITNESS NAME STEPS [options].

It logs through the public SDK like any user, and notes every call in its witness file.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from array import array
from hashlib import sha256
from math import inf, nan
from pathlib import Path
from typing import Any

import speech_experiment_tracker as tracker
from speech_experiment_tracker import Run
from speech_experiment_tracker.evaluations import Evaluation

from . import clocks
from .hypotheses import REFERENCE, call_of, digest_of
from .oracle import Witness, fingerprint


class Trainer:
    """Trains for a while.

    pause      seconds between two steps
    artifacts  a text is logged every so many steps; 0: never
    skew       largest jump of the wall clock in seconds; 0: it stays as it is
    until      a file whose appearance ends the training
    """

    def __init__(
        self,
        witness: Path,
        name: str,
        *,
        pause: float,
        artifacts: int = 0,
        skew: float = 0,
        until: Path | None = None,
    ) -> None:
        self.witness = Witness(witness)
        self.name = name
        self.dice = random.Random(name)
        self.pause = pause
        self.artifacts = artifacts
        self.skew = skew
        self.until = until
        self.wall = array("q")
        self.own = array("q")
        self.evaluation: Evaluation | None = None

    def train(self, run: Run, steps: int) -> None:
        for n in range(steps):
            if self.until and n % 50 == 0 and self.until.exists():
                break
            if self.skew and n % 50 == 0:
                clocks.shift(self.dice.uniform(-self.skew, self.skew))
            self._step(run, n)
            if n % 25 == 0:
                self._hear(run, n)
            if n % 20 == 0:
                self._configure(run, f"oracle_{self.name}_{n}", str(self.dice.random()))
            if self.artifacts and n % self.artifacts == 0:
                self._keep(
                    run, f"{self.name}-{n}.txt", f"{self.dice.random()}\n" * self.dice.randrange(1, 2000)
                )
            if self.pause:
                time.sleep(self.pause)
        if self.evaluation is not None:
            self.evaluation.finish()

    def _step(self, run: Run, n: int) -> None:
        points = {
            f"{self.name}/n": float(n),
            f"{self.name}/loss": self.dice.choice([self.dice.gauss(0, 1), nan, inf, -inf, 1e300]),
        }
        step = None if n % 17 == 0 else self.dice.randrange(-5, 10_000)
        call, digest = f"{self.name}/n={n}", fingerprint(step, points)
        self.witness.will(run.id, call, digest)
        wall, own = time.perf_counter_ns(), time.thread_time_ns()
        run.log_metrics(points, step=step)
        self.own.append(time.thread_time_ns() - own)
        self.wall.append(time.perf_counter_ns() - wall)
        self.witness.did(run.id, call, digest)

    def _configure(self, run: Run, key: str, value: str) -> None:
        self.witness.will(run.id, key, value)
        run.log_config({key: value})
        self.witness.did(run.id, key, value)

    def _hear(self, run: Run, n: int) -> None:
        if self.evaluation is None:
            self.evaluation = run.log_evaluation(f"oracle {self.name}")
        words = REFERENCE.split()
        text = " ".join(self.dice.choice(words) if self.dice.random() < 0.2 else word for word in words)
        call, digest = call_of(f"{self.name}-{n}"), digest_of(text)
        self.witness.will(run.id, call, digest)
        self.evaluation.log(f"{self.name}-{n}", text, reference=REFERENCE)
        self.witness.did(run.id, call, digest)

    def _keep(self, run: Run, path: str, text: str) -> None:
        call, digest = f"artifact {path}", sha256(text.encode()).hexdigest()
        self.witness.will(run.id, call, digest)
        run.log_text(path, text)
        self.witness.did(run.id, call, digest)

    def latencies(self) -> dict[str, float]:
        """Microseconds of a call of log_metrics, by the clock on the wall and by the thread's own processor time."""
        return {
            f"{clock}_{name}": sorted(taken)[min(len(taken) - 1, int(len(taken) * part))] / 1000
            for clock, taken in (("wall", self.wall), ("own", self.own))
            for name, part in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999))
        }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("witness", type=Path)
    parser.add_argument("name")
    parser.add_argument("steps", type=int)
    parser.add_argument("--rate", type=float, default=0, help="calls a second; 0: as fast as it goes")
    parser.add_argument("--fork", type=int, default=0, help="children that log to the same run")
    parser.add_argument("--artifacts", type=int, default=0, help="a text every so many steps")
    parser.add_argument("--skew", type=float, default=0, help="largest jump of the clock, in seconds")
    parser.add_argument("--until", type=Path, help="a file whose appearance ends the training")
    parser.add_argument("--latencies", type=Path, help="where to say how long calls took")
    parser.add_argument("--wait", type=float, default=60, help="longest wait for delivery at the end")
    given = parser.parse_args()
    options: dict[str, Any] = {
        "pause": 1 / given.rate if given.rate else 0.0,
        "artifacts": given.artifacts,
        "skew": given.skew,
        "until": given.until,
    }
    if given.skew:
        clocks.install()
    run = tracker.Client().start_run(name=given.name)
    children = []
    for index in range(given.fork):
        pid = os.fork()
        if pid == 0:
            witness = given.witness.with_name(f"{given.witness.name}.{index}")
            Trainer(witness, f"{given.name}-{index}", **options).train(run, given.steps)
            os._exit(0)
        children.append(pid)
    trainer = Trainer(given.witness, given.name, **options)
    trainer.train(run, given.steps)
    for pid in children:
        os.waitpid(pid, 0)
    run.finish(timeout=given.wait)
    if given.latencies:
        given.latencies.write_text(json.dumps(trainer.latencies()))


if __name__ == "__main__":
    main()
