"""What may happen to the servers: every process killed, all at once, and poison in the log."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.faults import scenarios
from tests.faults.fixtures import Judged, dice, judged, stack  # noqa: F401 - fixtures are found by name
from tests.faults.stack import Stack

pytestmark = pytest.mark.chaos
takes = pytest.mark.takes


@pytest.mark.parametrize(
    ("victim", "blows"),
    [
        pytest.param("consumers-metadata", 100, marks=takes(minutes=4)),
        pytest.param("consumers-metrics", 100, marks=takes(minutes=4)),
        pytest.param("consumers-scores", 100, marks=takes(minutes=4)),
        pytest.param("consumers-artifacts-control", 100, marks=takes(minutes=4)),
        pytest.param("api", 30, marks=takes(minutes=2)),
        pytest.param("store", 30, marks=takes(minutes=2)),
        pytest.param("kafka", 20, marks=takes(minutes=2)),
        pytest.param("postgres", 20, marks=takes(minutes=2)),
        pytest.param("s3", 20, marks=takes(minutes=2)),
    ],
)
async def test_servers_killed(
    stack: Stack, tmp_path: Path, dice: random.Random, judged: Judged, victim: str, blows: int
) -> None:
    strike = scenarios.kill_child(stack, dice, (victim,))
    judged(blows, await scenarios.kill_under_load(stack, tmp_path, dice, blows, strike, victim))


@takes(minutes=2)
async def test_blackouts(stack: Stack, tmp_path: Path, dice: random.Random, judged: Judged) -> None:
    judged(10, await scenarios.kill_everything(stack, tmp_path, dice, 10))


@takes(minutes=3)
async def test_poison(stack: Stack, dice: random.Random, judged: Judged) -> None:
    verdict, parked = await scenarios.poisoned(stack, dice, 100_000, 1_000)
    verdict.figures["parked"] = parked
    judged(1_000, verdict)
    assert parked == 1_000


@takes(minutes=5)
async def test_rebuilds(stack: Stack, tmp_path: Path, dice: random.Random, judged: Judged) -> None:
    verdict, problems = await scenarios.rebuild_under_load(stack, tmp_path, dice, 5)
    judged(5, verdict)
    assert problems == []
