"""Faults of the server: workers that die, freeze, come and go between any two of their steps.

Every scenario runs on a cluster, ends in quiescence, and returns the oracle's verdict, in which
what differs from a pure fold of the whole log counts as changed.
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
from pathlib import Path
from typing import Any

from speech_experiment_consumers.failpoints import EXIT_CODE
from speech_experiment_infra.connections import clickhouse, postgres_pool

from .cluster import PROJECTIONS, Cluster, Member
from .folds import unlike_the_log
from .oracle import Testimony, Verdict, judge
from .report import progress
from .rounds import Rounds
from .scenarios import finish

WORKER = ("worker.agent", "worker.before_write", "worker.after_write")
LETTERS = ("letters.before", "letters.after")
POSTGRES = (*WORKER, *LETTERS, "postgres.locked", "postgres.before_commit", "postgres.after_commit")
METRICS = (
    *WORKER,
    *LETTERS,
    "metrics.before_pending",
    "metrics.before_insert",
    "metrics.after_insert",
    "metrics.before_advance",
    "metrics.after_advance",
)
COMPLETING = ("recovery.before_look", "recovery.after_look", "recovery.completed")
DELETING = ("recovery.before_delete", "recovery.after_delete")
RESTORING = ("recovery.before_restore", "recovery.put_back")
FAILPOINTS = {
    "metrics": (*METRICS, *COMPLETING, *DELETING, *RESTORING),
    "metadata": POSTGRES,
    "artifacts": POSTGRES,
    "control": tuple(each for each in POSTGRES if each not in LETTERS),  # no poison gets into its topic
}


async def machines(
    cluster: Cluster, folder: Path, dice: random.Random, seconds: float, most: int = 3
) -> Verdict:
    """Trainers behind a load balancer; up to `most` workers of a projection come, go and die, gateways too."""
    cluster.start_all(most)
    witnesses = [folder / f"machine{index}.witness" for index in range(4)]
    trainers = [cluster.trainer(path, path.stem, int(seconds * 100), "--rate", "100") for path in witnesses]
    deadline = time.monotonic() + seconds
    changes = 0
    while time.monotonic() < deadline:
        await asyncio.sleep(dice.uniform(0.5, 2.0))
        await _change(cluster, dice, most)
        if dice.random() < 0.15:
            cluster.kill_gateway(dice)
        changes += 1
        cluster.tend()
    finish(trainers, 300)
    cluster.start_all()
    cluster.wait_quiet()
    verdict = await judge(cluster.settings, Testimony.read(*witnesses))
    verdict.figures |= {"changes": changes}
    return await compared(cluster, verdict)


async def _change(cluster: Cluster, dice: random.Random, most: int) -> None:
    """One worker more or one less, of some projection."""
    projection = dice.choice(PROJECTIONS)
    members = cluster.of(projection)
    if len(members) < 2 or (len(members) < most and dice.random() < 0.5):
        cluster.start(projection)
    else:
        how = dice.choice([signal.SIGTERM, signal.SIGTERM, signal.SIGKILL])
        await asyncio.to_thread(cluster.end, dice.choice(members), how)


async def judged(cluster: Cluster, rounds: Rounds, **figures: object) -> Verdict:
    """Lets one worker of each projection finish, and compares everything."""
    cluster.start_all()
    cluster.wait_quiet()
    verdict = await judge(cluster.settings, rounds.testimony)
    verdict.figures |= figures
    return await compared(cluster, verdict)


async def compared(cluster: Cluster, verdict: Verdict) -> Verdict:
    """With what differs between the tables and a pure fold of the log."""
    for difference in await unlike_the_log(cluster.settings):
        verdict.blame("changed", difference)
    return verdict


async def crash_at(cluster: Cluster, rounds: Rounds, projection: str, name: str, action: str = "exit") -> int:
    """Brings a worker to a failpoint, where it ends; returns its exit status."""
    for member in cluster.of(projection):
        cluster.end(member, signal.SIGKILL)
    await rounds.send(cluster.settings)
    if name in COMPLETING:
        await _crash(cluster, projection, random.choice(("metrics.before_insert", "metrics.after_insert")))
    elif name in DELETING:
        await _crash(cluster, projection, "metrics.after_insert")
        await _restore_older_positions(cluster)
    elif name in RESTORING:
        await _catch_up(cluster, projection)
        await _lose_points(cluster, rounds)
    return await _crash(cluster, projection, name, action)


async def _crash(cluster: Cluster, projection: str, name: str, action: str = "exit") -> int:
    member = cluster.start(projection, instance="only", failpoints=f"{name}:{action}")
    status = await asyncio.to_thread(member.ended, 90)
    cluster.members.remove(member)
    return status


async def _restore_older_positions(cluster: Cluster) -> None:
    """Postgres as a backup has it that was made before the last vector was noted: ClickHouse is ahead."""
    async with postgres_pool(cluster.settings) as pool:
        schema = await _schema(pool, "metrics")
        await pool.execute(
            f"update {schema}.positions set pending_batch = null, pending_first = null, pending_last = null"
        )


async def _lose_points(cluster: Cluster, rounds: Rounds) -> None:
    """ClickHouse as a backup has it that lacks the newest rows of a partition: Postgres is ahead."""
    async with postgres_pool(cluster.settings) as pool, clickhouse(cluster.settings) as client:
        schema = await _schema(pool, "metrics")
        rows = await pool.fetch(
            f"select partition, rows_offset from {schema}.positions where rows_offset is not null"
        )
        partition, offset = rounds.dice.choice([tuple(row) for row in rows])
        lost = 2**64 - 1 - max(0, offset - rounds.dice.randrange(8))
        client.command(
            f"alter table metric_points_v{schema.rpartition('_v')[2]} delete "
            f"where partition = {partition} and inverted_offset <= {lost} settings mutations_sync = 2"
        )


async def _schema(pool: Any, projection: str) -> str:
    version = await pool.fetchval("select version from projection.live where name = $1", projection)
    return f"{projection}_v{version}"


async def _catch_up(cluster: Cluster, projection: str) -> None:
    """Lets a worker read to the end, and stops it cleanly."""
    member = cluster.start(projection, instance="only")
    while any(each["lag"] for each in cluster.status() if each["name"] == projection):  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    assert await asyncio.to_thread(cluster.end, member) == 0


async def crash_everywhere(
    cluster: Cluster, dice: random.Random, times: int, points: dict[str, tuple[str, ...]] = FAILPOINTS
) -> Verdict:
    """Every failpoint of every projection, so many times; the projections beside each other."""
    rounds = Rounds(dice, poisonous=True)
    crashes: list[str] = []
    total = times * sum(map(len, points.values()))

    async def walk(projection: str) -> None:
        path = [name for name in points[projection] for _ in range(times)]
        dice.shuffle(path)
        for name in path:
            status = await crash_at(cluster, rounds, projection, name)
            crashes.append(name)
            progress("workers ended", len(crashes), total)
            assert status == EXIT_CODE, f"{projection} at {name} ended with {status}"

    await asyncio.gather(*(walk(projection) for projection in points))
    return await judged(cluster, rounds, crashes=len(crashes))


async def raise_often(cluster: Cluster, dice: random.Random, rounds_of_load: int, chance: float) -> Verdict:
    """Errors that nobody expects, in a share of all steps, while the load goes on; workers are restarted."""
    rounds = Rounds(dice, poisonous=True)
    for projection in PROJECTIONS:
        names = METRICS if projection == "metrics" else POSTGRES
        armed = ",".join(f"{name}:raise@{chance}" for name in names)
        cluster.start(projection, instance="unsteady", failpoints=armed)
    for _ in range(rounds_of_load):
        await rounds.send(cluster.settings)
        await asyncio.sleep(0.1)
        cluster.tend(keep_failpoints=True)
    errors = sum(status != 0 for _, status in cluster.exits)
    cluster.dismiss()
    return await judged(cluster, rounds, errors=errors)


async def stop_cleanly(cluster: Cluster, dice: random.Random, times: int) -> Verdict:
    """SIGTERM under load: every worker ends with 0, and its successor has nothing to complete."""
    rounds = Rounds(dice)
    earlier = set(cluster.logs("metrics"))
    statuses: list[int] = []
    for _ in range(times):
        cluster.start_all()
        await rounds.send(cluster.settings, 2)
        await asyncio.to_thread(cluster.wait_reading)
        await rounds.send(cluster.settings, 2)
        await asyncio.sleep(dice.uniform(0.0, 0.5))
        statuses += await asyncio.gather(
            *(asyncio.to_thread(cluster.end, member) for member in list(cluster.members))
        )
    later = [log.read_text() for log in cluster.logs("metrics") if log not in earlier]
    reworked = sum("completes the pending vector" in text for text in later)
    verdict = await judged(cluster, rounds, stops=len(statuses), reworked=reworked)
    if any(statuses) or reworked:
        verdict.blame("changed", f"ended with {set(statuses)}; {reworked} left a vector to complete")
    return verdict


async def storm(cluster: Cluster, dice: random.Random, seconds: float, most: int = 3) -> Verdict:
    """Workers of all projections join, leave and die every second or two, under load."""
    rounds = Rounds(dice)
    cluster.start_all()
    deadline = time.monotonic() + seconds
    changes = 0
    while time.monotonic() < deadline:
        await rounds.send(cluster.settings, 2)
        await asyncio.sleep(dice.uniform(0.5, 1.5))
        await _change(cluster, dice, most)
        changes += 1
        cluster.tend()
    return await judged(cluster, rounds, changes=changes, exits=len(cluster.exits))


async def zombies(cluster: Cluster, dice: random.Random, times: int, frozen: float = 13.0) -> Verdict:
    """Workers frozen for longer than session and lock last, anywhere or between two steps, and thawed again.

    Another worker takes over meanwhile; the thawed one must not write what is no longer its own.
    """
    rounds = Rounds(dice)
    cluster.start_all(2)
    thawed: list[Member] = []
    for turn in range(times):
        projection = PROJECTIONS[turn % len(PROJECTIONS)]
        names = METRICS if projection == "metrics" else POSTGRES
        await rounds.send(cluster.settings, 2)
        if dice.random() < 0.5:
            place = dice.choice([name for name in names if name not in LETTERS])
            victim = cluster.start(projection, failpoints=f"{place}:stop@0.5")
        else:
            victim = dice.choice(cluster.of(projection))
            await asyncio.sleep(dice.uniform(0.0, 1.0))
            victim.signal(signal.SIGSTOP)
        await _load_for(cluster, rounds, frozen)
        victim.signal(signal.SIGCONT)
        thawed.append(victim)
        await _load_for(cluster, rounds, 1.0)
        for member in cluster.of(projection)[2:]:
            member.signal(signal.SIGCONT)
            cluster.end(member, signal.SIGKILL)
    exits = len(cluster.exits)
    cluster.dismiss()
    return await judged(cluster, rounds, frozen=len(thawed), exits=exits)


async def _load_for(cluster: Cluster, rounds: Rounds, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        await rounds.send(cluster.settings)
        await asyncio.sleep(0.5)
        cluster.tend()


async def outrun_the_window(cluster: Cluster, dice: random.Random, times: int, window: int = 3) -> Verdict:
    """More inserts than the store remembers tokens, between an insert and its repetition."""
    rounds = Rounds(dice)
    async with postgres_pool(cluster.settings) as pool, clickhouse(cluster.settings) as client:
        table = f"metric_points_v{(await _schema(pool, 'metrics')).rpartition('_v')[2]}"
        client.command(f"alter table {table} modify setting non_replicated_deduplication_window = {window}")
        inserts = 0
        for _ in range(times):
            for member in cluster.of("metrics"):
                cluster.end(member, signal.SIGKILL)
            await rounds.send(cluster.settings, 3)
            await _crash(cluster, "metrics", "metrics.after_insert")
            # The other partitions' worker goes on, as long as the dead one's session lasts.
            for _ in range(2 * window):
                inserts += 1
                _insert_elsewhere(client, table, inserts)
            await _catch_up(cluster, "metrics")
        client.command(f"alter table {table} delete where partition = 65535 settings mutations_sync = 2")
    return await judged(cluster, rounds, overruns=times, inserts=inserts)


def _insert_elsewhere(client: Any, table: str, number: int) -> None:
    """One more insert, of a row in a partition that no log has."""
    client.command(
        f"insert into {table} (run, key, has_step, step, producer, seq, time, value, partition, inverted_offset)"
        f" settings insert_deduplication_token = 'other-{number}', async_insert = 0"
        f" values (1, 1, 1, {number}, 1, {number}, now64(6), 1, 65535, {number})"
    )
