"""Reading a topic side by side in several processes: each has some partitions, or a lane of all of them.

What holds for the workers of a cluster holds here: a partition has a position of its own, which whoever writes
locks, and events of several partitions may come in any order. So a part that is killed, or lives on beside its
successor, loses and doubles nothing.
"""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Mapping, Sequence

import msgspec

from ..exits import GAP, POISONED, WRONG_LOG
from ..sink import PoisonLimit, PositionGap, WrongLog
from .part import Portion, Share

MOST = 4
"""Processes that a rebuild takes by itself: each has its batches in memory, and people work beside it."""
WORTH = 50_000
"""Records to read; for fewer a process is not worth its start."""
_ERRORS = {GAP: PositionGap, WRONG_LOG: WrongLog, POISONED: PoisonLimit}


def processes(wanted: int, left: Mapping[int, int], *, laned: bool = False) -> int:
    """How many read; wanted: by the settings, 0 for as many as there are cores.

    left: partition → records to read; laned: whether one partition may be read by several.
    """
    most = wanted or min(sum(left.values()) // WORTH, os.cpu_count() or 1, MOST)
    return most if laned and filled(left) else min(most, filled(left))


def filled(left: Mapping[int, int]) -> int:
    """How many partitions have something to read."""
    return sum(1 for records in left.values() if records)


def shares(left: Mapping[int, int], count: int) -> list[list[int]]:
    """The partitions dealt out to `count` processes, with about as many records for each."""
    dealt: list[list[int]] = [[] for _ in range(count)]
    loads = [0] * count
    for partition in sorted((each for each in left if left[each]), key=lambda each: (-left[each], each)):
        least = loads.index(min(loads))
        dealt[least].append(partition)
        loads[least] += left[partition]
    return [share for share in dealt if share]


async def read_beside(name: str, parts: Sequence[Share], wrote: Callable[[Portion], None]) -> None:
    """Has each part read its share, in a process of its own; name: NAME:VERSION.

    Raises:
        PositionGap, WrongLog, PoisonLimit: as a part did; its log has more.
        RuntimeError: a part ended otherwise.
    """
    reading = [asyncio.create_task(_read(name, share, wrote)) for share in parts]
    try:
        await asyncio.gather(*reading)
    finally:
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)


async def _read(name: str, share: Share, wrote: Callable[[Portion], None]) -> None:
    command = [sys.executable, "-X", "faulthandler", "-m", f"{__package__}.part", name]
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    try:
        await _follow(process, share, wrote)
        code = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()  # at any moment: what it has not committed, the next one writes
            await process.wait()
    if code:
        raise _ERRORS.get(code, RuntimeError)(f"the process for {_told(share)} of {name} ended with {code}")


def _told(share: Share) -> str:
    return f"partitions {sorted(share.ends)}" if share.lane is None else f"lane {share.lane.number}"


async def _follow(process: Process, share: Share, wrote: Callable[[Portion], None]) -> None:
    assert process.stdin is not None  # noqa: S101 - asked for
    assert process.stdout is not None  # noqa: S101
    process.stdin.write(msgspec.json.encode(share) + b"\n")
    async for line in process.stdout:
        wrote(msgspec.json.decode(line, type=Portion))
