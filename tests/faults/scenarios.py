"""Each fault as one function over a live stack; short counts in `make test`, long ones in `make chaos`.

Every scenario ends in quiescence and returns what the oracle says.
"""

from __future__ import annotations

import contextlib
import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from speech_experiment_infra.connections import kafka_producer
from speech_experiment_schemas.ids import partition_of

from . import rebuilding
from .deliveries import HandmadeRun, garbage, poison, post
from .oracle import Testimony, Verdict, judge
from .report import progress
from .stack import Stack


async def verdict_of(stack: Stack, *witnesses: Path, within: float = 90) -> Verdict:
    """What the oracle says after quiescence."""
    return await verdict_on(stack, Testimony.read(*(path for path in witnesses if path.exists())), within)


async def verdict_on(stack: Stack, testimony: Testimony, within: float = 90) -> Verdict:
    """As verdict_of; the ledger too must call every run complete, and says how much was given up."""
    stack.wait_quiet(within)
    verdict = await judge(stack.settings, testimony)
    voided = 0
    for run in {run for run, _ in testimony.returned}:
        delivery = _delivery(stack, run)
        voided += delivery["voided"]
        if not delivery["complete"]:
            verdict.blame("lost", f"run {run} is {delivery['verdict']}")
    if voided:
        verdict.figures["voided"] = voided
    return verdict


def _delivery(stack: Stack, run: UUID) -> dict[str, Any]:
    """The ledger's answer; a drain that was killed has its last word said by the next one, some seconds later."""
    deadline = time.monotonic() + 15
    while True:
        delivery: dict[str, Any] = stack.get(f"/api/v1/runs/{run}/delivery")
        if delivery["complete"] or time.monotonic() > deadline:
            return delivery
        time.sleep(0.5)


def finish(trainers: list[subprocess.Popen[bytes]], timeout: float = 120) -> None:
    for trainer in trainers:
        trainer.wait(timeout)


async def kill_trainers(stack: Stack, folder: Path, dice: random.Random, count: int) -> Verdict:
    """kill -9 of trainers at random moments: every returned log() is delivered all the same."""
    witnesses = []
    for index in range(count):
        witnesses.append(folder / f"victim{index}.witness")
        trainer = stack.trainer(witnesses[-1], f"victim{index}", 1_000_000, "--rate", "2000")
        wait_for(witnesses[-1].exists)
        time.sleep(dice.uniform(0.05, 0.6))
        trainer.kill()
        trainer.wait()
        progress("trainers killed", index + 1, count)
    verdict = await verdict_of(stack, *witnesses)
    torn = len(Testimony.read(*witnesses).begun) - verdict.calls
    verdict.figures["calls under way"] = torn
    if torn > count:
        verdict.blame("lost", f"{torn} calls had begun and not returned at {count} kills")
    return verdict


async def kill_under_load(
    stack: Stack, folder: Path, dice: random.Random, count: int, strike: Callable[[], None], name: str
) -> Verdict:
    """`strike` at random moments while two trainers log; they notice nothing, and nothing is missing."""
    witnesses, enough = [folder / f"{name}{index}.witness" for index in range(2)], folder / "enough"
    options = ("--rate", "500", "--artifacts", "100", "--until", str(enough))
    trainers = [stack.trainer(path, path.stem, 10_000_000, *options) for path in witnesses]
    wait_for(lambda: all(path.exists() for path in witnesses))
    for done in range(count):
        time.sleep(dice.uniform(0.3, 1.0))
        strike()
        progress(f"blows to {name}", done + 1, count)
    enough.touch()
    finish(trainers)
    stack.wait_ready()
    return await verdict_of(stack, *witnesses)


def kill_child(stack: Stack, dice: random.Random, names: tuple[str, ...]) -> Callable[[], None]:
    def strike() -> None:
        with contextlib.suppress(KeyError):  # it is just being restarted from the last blow
            stack.kill(dice.choice(names))

    return strike


def freeze(stack: Stack, dice: random.Random, names: tuple[str, ...]) -> Callable[[], None]:
    """One of the servers stands still for a while, as behind a network that has gone silent."""

    def strike() -> None:
        with contextlib.suppress(KeyError), stack.frozen(dice.choice(names)):
            time.sleep(dice.uniform(0.5, 4.0))

    return strike


async def kill_everything(stack: Stack, folder: Path, dice: random.Random, count: int) -> Verdict:
    """Supervisor and all children killed at once, under load, and started again on the same folder."""

    def strike() -> None:
        stack.kill_everything()
        stack.up()

    return await kill_under_load(stack, folder, dice, count, strike, "blackout")


async def forked(stack: Stack, folder: Path, children: int) -> Verdict:
    """A trainer forks; parent and children log to one run, each as a producer of its own."""
    witness = folder / "fork.witness"
    trainer = stack.trainer(witness, "fork", 200, "--fork", str(children))
    finish([trainer])
    return await verdict_of(stack, witness, *folder.glob("fork.witness.*"))


async def skewed(stack: Stack, folder: Path, jumps: int) -> Verdict:
    """The trainer's clock jumps up to an hour forwards and back while it logs."""
    witness = folder / "skewed.witness"
    finish([stack.trainer(witness, "skewed", 50 * jumps, "--rate", "1000", "--skew", "3600")])
    return await verdict_of(stack, witness)


async def delivered_wildly(stack: Stack, dice: random.Random, calls: int) -> Verdict:
    """Every record three times, cut in three different ways, in random order."""
    run = HandmadeRun(dice)
    run.log(calls)
    deck = run.frame() * 3 + [record for _ in range(3) for record in run.metrics(run.random_cuts())]
    dice.shuffle(deck)
    while deck:
        size = dice.randrange(1, 12)
        batch, deck = deck[:size], deck[size:]
        status, reply = post(stack, batch)
        assert (status, reply.refused) == (200, [])
    stack.wait_quiet()
    verdict = await judge(stack.settings, run.testimony)
    verdict.reordered = 0  # the disorder is ours
    return verdict


async def poisoned(stack: Stack, dice: random.Random, good: int, bad: int) -> tuple[Verdict, int]:
    """Poison among good records, past the gate: the good arrive, the poison is parked and counted."""
    run = HandmadeRun(dice)
    run.log(good)
    records = run.metrics(list(range(1, good, max(1, good // 500))))
    parked_before = parked(stack)
    poisons = [poison(dice, records[0]) if dice.random() < 0.5 else garbage(dice) for _ in range(bad)]
    places = sorted(dice.randrange(len(records)) for _ in poisons)
    async with kafka_producer(stack.settings) as producer:
        sent = []
        for place, record in enumerate(records):
            while places and places[0] == place:
                places.pop(0)
                sent.append(await producer.send("metrics", poisons[len(places)], key=run.id.bytes))
            sent.append(await producer.send("metrics", record, key=run.id.bytes))
        for acknowledgement in sent:
            await acknowledgement
    post(stack, run.frame())
    stack.wait_quiet()
    return await judge(stack.settings, run.testimony), parked(stack) - parked_before


async def misplaced(stack: Stack, dice: random.Random, calls: int) -> tuple[Verdict, Verdict]:
    """Records in a partition that is not theirs are parked; a replay fills the gap that they left."""
    run = HandmadeRun(dice)
    run.log(calls)
    post(stack, run.frame())
    records = run.metrics(run.random_cuts())
    home = partition_of(run.id.bytes, stack.partitions)
    strays = set(dice.sample(range(1, len(records) - 1), min(3, len(records) - 2)))
    async with kafka_producer(stack.settings) as producer:
        for index, record in enumerate(records):
            partition = (home + 1) % stack.partitions if index in strays else home
            await producer.send_and_wait("metrics", record, key=run.id.bytes, partition=partition)
    stack.wait_quiet()
    before = await judge(stack.settings, run.testimony)
    for letter in stack.get("/api/v1/dead-letters?projection=metrics&limit=1000")["dead_letters"]:
        if letter["reason"] == "wrong_partition":
            status, body = stack.request(f"/api/v1/dead-letters/metrics/{letter['id']}/replay", method="POST")
            assert status == 200, body
    stack.wait_quiet()
    after = await judge(stack.settings, run.testimony)
    after.reordered = 0  # the disorder is ours
    return before, after


async def starved(stack: Stack, folder: Path) -> tuple[Verdict, int]:
    """A spool too small, and no server to empty it: training goes on, and what was dropped is named.

    Returns the verdict and how many calls the ledger says were given up.
    """
    witness = folder / "starved.witness"
    with stack.frozen("api"):
        quota = {"SPEECH_TRACKER_SPOOL_QUOTA": "2500000"}
        trainer = stack.trainer(witness, "starved", 60_000, environment=quota)
        wait_for(lambda: witness.exists() and b"starved/n=59999" in _tail(witness), timeout=60)
    finish([trainer])
    verdict = await verdict_of(stack, witness)
    (run,) = Testimony.read(witness).runs
    voided: int = stack.get(f"/api/v1/runs/{run}/delivery")["voided"]
    return verdict, voided


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 500))
        return file.read()


def parked(stack: Stack) -> int:
    return sum(projection["dead_letters"] for projection in stack.get("/api/v1/status")["projections"])


def wait_for(condition: Callable[[], bool], timeout: float = 30) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("what was waited for did not happen")
        time.sleep(0.01)


async def rebuild_under_load(
    stack: Stack,
    folder: Path,
    dice: random.Random,
    flips: int,
    *,
    projections: tuple[str, ...] = ("metadata", "metrics"),
) -> tuple[Verdict, list[str]]:
    """Trainers log and a reader reads while projections are rebuilt, their jobs killed, flipped, flipped back, retired.

    Returns the verdict, and what the reader found wrong: a failed request, or an answer without what was queryable.
    """
    witnesses = [folder / f"rebuild{index}.witness" for index in range(2)]
    trainers = [stack.trainer(path, path.stem, 1_000_000, "--rate", "100") for path in witnesses]
    wait_for(lambda: all(path.exists() for path in witnesses))
    try:
        with rebuilding.Reader(stack).reading() as reader:
            for number in range(flips):
                _rebuild_and_flip(stack, dice, projections[number % len(projections)])
                progress("rebuilds", number + 1, flips)
    finally:
        for trainer in trainers:
            trainer.kill()
        finish(trainers)
    verdict = await verdict_of(stack, *witnesses)
    verdict.figures["read back"] = reader.rounds
    return verdict, reader.problems


def _rebuild_and_flip(stack: Stack, dice: random.Random, name: str) -> None:
    """One rebuild, killed at a random moment; then back to the old version and forth again."""
    job = rebuilding.start(stack, name)
    time.sleep(dice.uniform(0.0, 4.0))
    rebuilding.kill_job(stack, job)
    job = rebuilding.finish(stack, job)
    assert job["phase"] == "done", job
    live = job["version"]
    assert rebuilding.versions(stack, name)[live] == "live"
    old = max(version for version, state in rebuilding.versions(stack, name).items() if state == "kept")
    for version in (old, live):
        status, answer = rebuilding.ask(stack, f"/{name}/{version}/flip", {})
        assert status == 200, answer
    status, answer = rebuilding.ask(stack, f"/{name}/{old}/retire")
    assert status == 200, answer
