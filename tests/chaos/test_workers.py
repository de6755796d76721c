"""What may happen to workers: ended at every step, stopped, frozen, failing, joining and leaving."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import golden, past, servers
from tests.faults.cluster import Cluster, running_cluster
from tests.faults.fixtures import Judged, dice, judged  # noqa: F401 - fixtures are found by name

pytestmark = pytest.mark.chaos
takes = pytest.mark.takes


@pytest.fixture(scope="module", params=[3, 24], ids=lambda count: f"{count}partitions")
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("cluster"), request.param, gateways=2) as running:
        yield running


@pytest.fixture(autouse=True)
def empty(cluster: Cluster) -> None:
    """Every scenario starts the workers that it wants."""
    cluster.dismiss()


@takes(minutes=15)
async def test_workers_ended_at_every_step(cluster: Cluster, dice: random.Random, judged: Judged) -> None:
    times = 20 if cluster.partitions == 3 else 1
    blows = times * sum(len(points) for points in servers.FAILPOINTS.values())
    judged(blows, await servers.crash_everywhere(cluster, dice, times))


@takes(minutes=3)
async def test_workers_stopped(cluster: Cluster, dice: random.Random, judged: Judged) -> None:
    judged(50, await servers.stop_cleanly(cluster, dice, 50 if cluster.partitions == 3 else 5))


@takes(minutes=3)
async def test_workers_raising(cluster: Cluster, dice: random.Random, judged: Judged) -> None:
    judged(300, await servers.raise_often(cluster, dice, 300, 0.02))


@takes(minutes=4)
async def test_workers_storming(cluster: Cluster, dice: random.Random, judged: Judged) -> None:
    judged(100, await servers.storm(cluster, dice, 150))


@takes(minutes=6)
async def test_workers_frozen(cluster: Cluster, dice: random.Random, judged: Judged) -> None:
    judged(20, await servers.zombies(cluster, dice, 20 if cluster.partitions == 3 else 4))


@takes(minutes=2)
async def test_windows_outrun(cluster: Cluster, dice: random.Random, judged: Judged) -> None:
    judged(10, await servers.outrun_the_window(cluster, dice, 10))


@takes(minutes=1)
async def test_corpus_upcast(cluster: Cluster, dice: random.Random, judged: Judged) -> None:
    judged(20, await golden.upcast(cluster, dice, 20))


@takes(minutes=3)
async def test_past_asked(cluster: Cluster, dice: random.Random, judged: Judged) -> None:
    judged(50, await past.past_under_load(cluster, dice, 50))


@takes(minutes=4)
async def test_machines(cluster: Cluster, tmp_path: Path, dice: random.Random, judged: Judged) -> None:
    judged(100, await servers.machines(cluster, tmp_path, dice, 120))
