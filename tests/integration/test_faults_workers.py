"""The short form of the faults of workers: one or two of every kind; tests/chaos/test_workers.py has the long one."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.faults import golden, past, servers
from tests.faults.cluster import Cluster, running_cluster
from tests.faults.fixtures import dice  # noqa: F401 - fixtures are found by name

pytestmark = pytest.mark.stack

STEPS = {
    "metrics": (
        "metrics.before_insert",
        "recovery.after_look",
        "recovery.before_delete",
        "recovery.put_back",
    ),
    "metadata": ("worker.agent", "postgres.before_commit"),
    "artifacts": ("letters.after", "postgres.locked"),
    "control": ("postgres.after_commit",),
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("cluster"), partitions=3, gateways=2) as running:
        yield running


@pytest.fixture(autouse=True)
def empty(cluster: Cluster) -> None:
    """Every scenario starts the workers that it wants."""
    cluster.dismiss()


async def test_a_worker_may_end_between_any_two_steps(cluster: Cluster, dice: random.Random) -> None:
    verdict = await servers.crash_everywhere(cluster, dice, 1, STEPS)
    assert verdict.clean, verdict


async def test_a_worker_stops_cleanly_and_leaves_no_work(cluster: Cluster, dice: random.Random) -> None:
    verdict = await servers.stop_cleanly(cluster, dice, 1)
    assert verdict.clean, verdict


async def test_workers_join_and_leave(cluster: Cluster, dice: random.Random) -> None:
    verdict = await servers.storm(cluster, dice, 6)
    assert verdict.clean, verdict


async def test_a_frozen_worker_does_not_write_what_another_took_over(
    cluster: Cluster, dice: random.Random
) -> None:
    verdict = await servers.zombies(cluster, dice, 1)
    assert verdict.clean, verdict


async def test_an_insert_is_repeated_long_after_the_store_forgot_its_token(
    cluster: Cluster, dice: random.Random
) -> None:
    verdict = await servers.outrun_the_window(cluster, dice, 1)
    assert verdict.clean, verdict


async def test_every_version_ever_written_is_projected(cluster: Cluster, dice: random.Random) -> None:
    verdict = await golden.upcast(cluster, dice, 1)
    assert verdict.clean, verdict


async def test_past_answers_stay_the_same_under_load(cluster: Cluster, dice: random.Random) -> None:
    verdict = await past.past_under_load(cluster, dice, 3)
    assert verdict.clean, verdict
