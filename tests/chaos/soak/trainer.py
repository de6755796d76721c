"""A trainer of the soak: python -m tests.chaos.soak.trainer WITNESS SECONDS [--resume RUN] …

It logs a wide step some times a second, config, a checkpoint and a table, and notes every call for the
oracle. With --turns it ends its run after each turn and starts another in the same process.
"""

from __future__ import annotations

import argparse
import random
import time
from hashlib import sha256
from pathlib import Path

import speech_experiment_tracker as tracker
from speech_experiment_tracker import Run
from tests.faults.oracle import Witness, fingerprint

_CHECKPOINT_BYTES = 256 * 1024
_CHECKPOINT_SECONDS = 45.0


def train(
    run: Run, witness: Witness, checkpoint: Path, seconds: float, calls: float, width: int, first: int
) -> None:
    dice = random.Random(run.id.int + first)
    start = time.monotonic()
    next_checkpoint = start + _CHECKPOINT_SECONDS / 2
    n = first
    while (now := time.monotonic()) < start + seconds:
        points = {"soak/n": float(n)} | {f"train/{i}": dice.gauss(0, 1) for i in range(width - 1)}
        call, digest = f"soak/n={n}", fingerprint(n, points)
        witness.will(run.id, call, digest)
        run.log_metrics(points, step=n)
        witness.did(run.id, call, digest)
        if n % 100 == 0:
            _describe(run, witness, n, dice)
        if now > next_checkpoint:
            next_checkpoint += _CHECKPOINT_SECONDS
            _keep(run, witness, checkpoint, n, dice)
        n += 1
        time.sleep(max(0.0, start + (n - first) / calls - time.monotonic()))


def _keep(run: Run, witness: Witness, checkpoint: Path, n: int, dice: random.Random) -> None:
    """A text and a checkpoint, each under a name that no other call has."""
    text, content = f"{n} {dice.random()}\n", dice.randbytes(_CHECKPOINT_BYTES)
    checkpoint.write_bytes(content)
    for name, data in ((f"results/{n}.txt", text.encode()), (f"{n}.pt", content)):
        call, digest = f"artifact {name}", sha256(data).hexdigest()
        witness.will(run.id, call, digest)
        if data is content:
            run.log_artifact(checkpoint, type="checkpoint", name=name, step=n)
        else:
            run.log_text(name, text)
        witness.did(run.id, call, digest)


def _describe(run: Run, witness: Witness, n: int, dice: random.Random) -> None:
    key, value = f"oracle_{n}", str(dice.random())
    witness.will(run.id, key, value)
    run.log_config({key: value})
    witness.did(run.id, key, value)
    print(f"step {n}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("witness", type=Path)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--calls", type=float, default=10)
    parser.add_argument("--width", type=int, default=50, help="points of a call")
    parser.add_argument("--turns", type=int, default=1, help="runs, one after the other")
    parser.add_argument("--resume", help="a run to go on with")
    given = parser.parse_args()
    witness, client = Witness(given.witness), tracker.Client()
    experiment = client.create_experiment("soak", task="asr")
    for turn in range(given.turns):
        if given.resume:
            run = client.resume_run(given.resume, from_step=10)
        else:
            run = experiment.start_run(f"{given.witness.stem}-{turn}", tags={"language": "en"})
        given.witness.with_suffix(".run").write_text(str(run.id))
        first = 1_000_000 if given.resume else 0
        checkpoint = given.witness.with_suffix(".pt")
        train(run, witness, checkpoint, given.seconds / given.turns, given.calls, given.width, first)
        run.log_metric("test-clean_wer", 0.05)
        run.finish(timeout=60)


if __name__ == "__main__":
    main()
