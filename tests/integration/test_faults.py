"""The short form of the fault suite: a few blows of every kind, judged by the oracle; tests/chaos has the long one."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from tests.faults import disks, network, power, scenarios
from tests.faults.fixtures import dice, stack  # noqa: F401 - fixtures are found by name
from tests.faults.stack import Stack, running_stack

pytestmark = pytest.mark.stack


async def test_a_killed_trainer_loses_nothing_that_returned(
    stack: Stack, tmp_path: Path, dice: random.Random
) -> None:
    verdict = await scenarios.kill_trainers(stack, tmp_path, dice, 3)
    assert verdict.clean, verdict


@pytest.mark.parametrize(
    "victim", ["consumers-metadata", "consumers-metrics", "api", "store", "kafka", "postgres"]
)
async def test_a_killed_server_process_loses_and_doubles_nothing(
    stack: Stack, tmp_path: Path, dice: random.Random, victim: str
) -> None:
    strike = scenarios.kill_child(stack, dice, (victim,))
    verdict = await scenarios.kill_under_load(stack, tmp_path, dice, 2, strike, victim)
    assert verdict.clean, verdict


async def test_a_killed_drain_is_replaced_and_loses_nothing(
    stack: Stack, tmp_path: Path, dice: random.Random
) -> None:
    verdict = await scenarios.kill_under_load(stack, tmp_path, dice, 3, stack.kill_drains, "drain")
    assert verdict.clean, verdict


async def test_everything_killed_at_once_comes_back_with_all_data(
    stack: Stack, tmp_path: Path, dice: random.Random
) -> None:
    verdict = await scenarios.kill_everything(stack, tmp_path, dice, 1)
    assert verdict.clean, verdict


async def test_forked_children_are_producers_of_their_own(stack: Stack, tmp_path: Path) -> None:
    verdict = await scenarios.forked(stack, tmp_path, 3)
    assert verdict.clean, verdict


async def test_records_sent_three_times_recut_and_shuffled_count_once(
    stack: Stack, dice: random.Random
) -> None:
    verdict = await scenarios.delivered_wildly(stack, dice, 300)
    assert verdict.clean, verdict


async def test_poison_is_parked_and_the_good_arrive(stack: Stack, dice: random.Random) -> None:
    verdict, parked = await scenarios.poisoned(stack, dice, 1_000, 20)
    assert verdict.clean, verdict
    assert parked == 20


async def test_a_parked_range_that_is_replayed_fills_its_gap(stack: Stack, dice: random.Random) -> None:
    before, after = await scenarios.misplaced(stack, dice, 200)
    assert before.lost > 0
    assert after.clean, after


async def test_what_a_full_spool_drops_is_named_and_nothing_else_is_missing(
    stack: Stack, tmp_path: Path
) -> None:
    verdict, voided = await scenarios.starved(stack, tmp_path)
    assert 0 < verdict.lost <= voided, verdict
    verdict.lost = 0
    assert verdict.clean, verdict


async def test_a_clock_that_jumps_changes_nothing(stack: Stack, tmp_path: Path) -> None:
    verdict = await scenarios.skewed(stack, tmp_path, 20)
    assert verdict.clean, verdict


async def test_a_power_cut_takes_nothing_that_returned_200_ms_before(
    stack: Stack, tmp_path: Path, dice: random.Random
) -> None:
    verdict = await power.power_cuts(stack, tmp_path, dice, 3)
    assert verdict.clean, verdict


async def test_a_network_that_fails_in_every_way_loses_and_doubles_nothing(
    stack: Stack, tmp_path: Path, dice: random.Random
) -> None:
    verdict = await network.partitions(stack, tmp_path, dice, len(network.FAULTS))
    assert verdict.clean, verdict


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk to fill")
async def test_a_full_disk_takes_metrics_only_and_they_are_named(
    stack: Stack, tmp_path: Path, dice: random.Random
) -> None:
    verdict = await disks.disk_full(stack, tmp_path, dice, 3)
    assert verdict.clean, verdict


async def test_what_flipped_bits_take_is_named_and_the_rest_arrives(
    stack: Stack, tmp_path: Path, dice: random.Random
) -> None:
    verdict = await disks.bits_flipped(stack, tmp_path, dice, 3)
    assert verdict.clean, verdict


def test_another_log_under_the_same_databases_is_refused(tmp_path: Path) -> None:
    with running_stack(tmp_path) as stack:
        stack.trainer(tmp_path / "witness", "early", 10).wait(60)
        stack.wait_quiet()
        stack.down()
        swap_log(stack)
        with pytest.raises(RuntimeError, match="another log"):
            stack.up()


def swap_log(stack: Stack) -> None:
    """Puts an empty log in the place of the one that the databases were made from."""
    shutil.rmtree(stack.data / "kafka")
