"""What may happen to those who log: killed trainers and drains, forks, clocks, power, network, disks."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults import disks, network, power, scenarios
from tests.faults.fixtures import Judged, dice, judged, stack  # noqa: F401 - fixtures are found by name
from tests.faults.oracle import Verdict
from tests.faults.stack import Stack

pytestmark = pytest.mark.chaos
takes = pytest.mark.takes


@takes(minutes=5)
async def test_trainers_killed(stack: Stack, tmp_path: Path, dice: random.Random, judged: Judged) -> None:
    judged(200, await scenarios.kill_trainers(stack, tmp_path, dice, 200))


@takes(minutes=2)
async def test_drains_killed(stack: Stack, tmp_path: Path, dice: random.Random, judged: Judged) -> None:
    judged(50, await scenarios.kill_under_load(stack, tmp_path, dice, 50, stack.kill_drains, "drain"))


@takes(minutes=1)
async def test_forks(stack: Stack, tmp_path: Path, judged: Judged) -> None:
    judged(100, await scenarios.forked(stack, tmp_path, 100))


@takes(minutes=1)
async def test_clocks_skewed(stack: Stack, tmp_path: Path, judged: Judged) -> None:
    judged(200, await scenarios.skewed(stack, tmp_path, 200))


@takes(minutes=1)
async def test_spools_starved(stack: Stack, tmp_path: Path, judged: Judged) -> None:
    verdict, voided = await scenarios.starved(stack, tmp_path)
    assert 0 < verdict.lost <= voided, verdict
    verdict.figures |= {"dropped": verdict.lost, "named by voids": voided}
    verdict.lost = 0
    judged(1, verdict)


@takes(minutes=2)
async def test_deliveries_wild(stack: Stack, dice: random.Random, judged: Judged) -> None:
    total = await scenarios.delivered_wildly(stack, dice, 2_000)
    for _ in range(49):
        total += await scenarios.delivered_wildly(stack, dice, 2_000)
    judged(50, total)


@takes(minutes=4)
async def test_power_lost(stack: Stack, tmp_path: Path, dice: random.Random, judged: Judged) -> None:
    judged(50, await power.power_cuts(stack, tmp_path, dice, 50))


@takes(minutes=3)
async def test_networks_fail(stack: Stack, tmp_path: Path, dice: random.Random, judged: Judged) -> None:
    judged(20, await network.partitions(stack, tmp_path, dice, 20))


@takes(minutes=2)
async def test_servers_frozen(stack: Stack, tmp_path: Path, dice: random.Random, judged: Judged) -> None:
    strike = scenarios.freeze(stack, dice, ("kafka", "postgres", "store", "s3", "api"))
    judged(20, await scenarios.kill_under_load(stack, tmp_path, dice, 20, strike, "frozen"))


@takes(minutes=2)
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk to fill")
async def test_disks_full(stack: Stack, tmp_path: Path, dice: random.Random, judged: Judged) -> None:
    judged(20, await disks.disk_full(stack, tmp_path, dice, 20))


@takes(minutes=3)
async def test_bits_flipped(stack: Stack, tmp_path: Path, dice: random.Random, judged: Judged) -> None:
    judged(50, await disks.bits_flipped(stack, tmp_path, dice, 50))


@takes(minutes=4)
def test_every_bit_of_the_spool(judged: Judged) -> None:
    """The exhaustive form of tests/unit/producers/test_damage.py: eight bits of every byte instead of one."""
    answer = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/unit/producers/test_damage.py"],
        env=os.environ | {"SPEECH_TRACKER_EVERY_BIT": "1"},
        check=False,
    )
    verdict = Verdict()
    if answer.returncode:
        verdict.blame("lost", "see the tests' output")
    judged(1, verdict)
