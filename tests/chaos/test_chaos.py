"""The long form of the fault suite: `make chaos`, minutes to an hour; SPEECH_TRACKER_TEST_SEED replays a run."""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path

import pytest

from tests.faults import scenarios
from tests.faults.fixtures import dice, stack  # noqa: F401 - fixtures are found by name
from tests.faults.stack import Stack

pytestmark = pytest.mark.chaos


async def test_killed_trainers(stack: Stack, tmp_path: Path, dice: random.Random) -> None:
    verdict = await scenarios.kill_trainers(stack, tmp_path, dice, 200)
    assert verdict.clean, verdict


@pytest.mark.parametrize(
    ("victim", "blows"),
    [
        ("consumers-metadata", 100),
        ("consumers-metrics", 100),
        ("api", 30),
        ("store", 30),
        ("kafka", 20),
        ("postgres", 20),
        ("s3", 10),
    ],
)
async def test_killed_server_processes(
    stack: Stack, tmp_path: Path, dice: random.Random, victim: str, blows: int
) -> None:
    strike = scenarios.kill_child(stack, dice, (victim,))
    verdict = await scenarios.kill_under_load(stack, tmp_path, dice, blows, strike, victim)
    assert verdict.clean, verdict


async def test_killed_drains(stack: Stack, tmp_path: Path, dice: random.Random) -> None:
    strike = partial(scenarios.kill_drains, stack)
    verdict = await scenarios.kill_under_load(stack, tmp_path, dice, 50, strike, "drain")
    assert verdict.clean, verdict


async def test_everything_killed_at_once(stack: Stack, tmp_path: Path, dice: random.Random) -> None:
    verdict = await scenarios.kill_everything(stack, tmp_path, dice, 10)
    assert verdict.clean, verdict


async def test_many_forks(stack: Stack, tmp_path: Path) -> None:
    verdict = await scenarios.forked(stack, tmp_path, 100)
    assert verdict.clean, verdict


async def test_wild_delivery(stack: Stack, dice: random.Random) -> None:
    for _ in range(20):
        verdict = await scenarios.delivered_wildly(stack, dice, 2_000)
        assert verdict.clean, verdict


async def test_much_poison(stack: Stack, dice: random.Random) -> None:
    verdict, parked = await scenarios.poisoned(stack, dice, 100_000, 1_000)
    assert verdict.clean, verdict
    assert parked == 1_000
