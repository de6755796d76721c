"""Disks that are full, really, and disks that change bits."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from speech_experiment_tracker.spool.page import areas_of

from .oracle import Testimony, Verdict
from .report import progress
from .scenarios import finish, verdict_of, verdict_on, wait_for
from .stack import Stack


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of that size, in memory; raises OSError for those who may not mount one."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        raise PermissionError(errno.EPERM, mounted.stderr.strip())
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False)


@contextlib.contextmanager
def full(disk: Path) -> Iterator[None]:
    """Takes all the space that is left, to the last byte."""
    balloon = disk / "balloon"
    with balloon.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)):
                    pass
    try:
        yield
    finally:
        balloon.unlink()


async def disk_full(stack: Stack, folder: Path, dice: random.Random, count: int) -> Verdict:
    """The disk of spool and journal is full again and again; training goes on, and what was dropped is named.

    Everything else is there: above all what is no metric, for which space was put aside. At some times
    the drain is killed while its journal cannot be written.
    """
    witness, enough = folder / "full.witness", folder / "enough"
    with small_disk(folder / "disk", "12m") as disk, stack.spooling_to(disk / "spool"):
        trainer = stack.trainer(witness, "full", 10_000_000, "--rate", "3000", "--until", str(enough))
        wait_for(witness.exists)
        for index in range(count):
            time.sleep(dice.uniform(0.3, 1.0))
            with full(disk), stack.frozen("api") if dice.random() < 0.5 else contextlib.nullcontext():
                time.sleep(dice.uniform(0.5, 1.5))
                if dice.random() < 0.5:
                    stack.kill_drains()
                time.sleep(dice.uniform(0.0, 0.5))
            progress("disk full", index + 1, count)
        enough.touch()
        finish([trainer])
        verdict = await verdict_of(stack, witness)
    return _excuse_named(verdict, Testimony.read(witness), only_metrics=True)


def _excuse_named(verdict: Verdict, testimony: Testimony, *, only_metrics: bool) -> Verdict:
    """Calls may be missing as far as the ledger names them."""
    missing = [call for _, call in testimony.returned.keys() - verdict.arrived]
    voided = int(str(verdict.figures.pop("voided", 0)))
    verdict.figures |= {"given up": len(missing), "named by voids": voided}
    if len(missing) <= voided and (not only_metrics or all("/n=" in call for call in missing)):
        configs = sum("oracle_" in call for call in missing)  # missed in the log, and in Postgres
        verdict.lost -= len(missing) + configs
        verdict.problems = [problem for problem in verdict.problems if not problem.startswith("lost")]
    return verdict


async def bits_flipped(stack: Stack, folder: Path, dice: random.Random, count: int) -> Verdict:
    """Bytes of segments and journals change while nobody looks; what they held is named, the rest arrives."""
    witnesses = []
    flips = 0
    for index in range(count):
        with stack.frozen("api"), stack.spooling_to(folder / f"spool{index}"):
            witnesses.append(folder / f"bits{index}.witness")
            trainer = stack.trainer(witnesses[-1], f"bits{index}", 1_000_000, "--rate", "3000")
            wait_for(witnesses[-1].exists)
            time.sleep(dice.uniform(0.2, 1.0))
            trainer.kill()
            stack.kill_drains()
            trainer.wait()
            flips += _flip(stack.spool, dice)
        with stack.spooling_to(folder / f"spool{index}"):
            stack.start_drain()
        progress("bits flipped", index + 1, count)
    with stack.spooling_to(folder):
        verdict = await verdict_on(stack, Testimony.read(*witnesses))
    verdict.figures["flips"] = flips
    return _excuse_named(verdict, Testimony.read(*witnesses), only_metrics=False)


def _flip(spool: Path, dice: random.Random) -> int:
    """Changes a bit in some of the files, where they hold something; the number of changes."""
    parts = [(path, 0, path.stat().st_size) for path in spool.glob("*/*/*.seg")]
    parts += [(path, 0, path.stat().st_size) for path in spool.glob("*/*/drain/*.book")]
    for path in spool.glob("*/*/*.page"):
        parts += [(path, *area) for area in areas_of(path.read_bytes()).values()]
    flips = 0
    for path, start, size in sorted(parts):
        content = bytearray(path.read_bytes())
        used = len(content[start : start + size].rstrip(b"\0"))
        for _ in range(dice.randrange(3) if used else 0):
            content[start + dice.randrange(used)] ^= 1 << dice.randrange(8)
            flips += 1
        with path.open("r+b") as file:
            file.write(content)
            os.fsync(file.fileno())
    return flips
