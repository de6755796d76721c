"""Power cuts: everything that was not synced is lost, or torn, or there by chance.

The clients' processes run with a seam (seam/sitecustomize.py) that keeps, beside the spool, a shadow
of what each returned fsync and fdatasync has brought onto the disk. At a cut they are killed, and the
spool is made what a disk may hold then: a file is its last synced content with any of its later pages,
some of them torn between their sectors; a folder is its last synced entries with any of the later
creations, removals and renames. The servers are other machines, and go on.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import stat
import threading
import time
from collections import deque
from pathlib import Path

from .oracle import Testimony, Verdict
from .report import progress
from .scenarios import verdict_on, wait_for
from .seam.sitecustomize import Entries, Shadow, entries_of
from .stack import Stack

PAGE, SECTOR = 4096, 512
SEAM = Path(__file__).parent / "seam"
PROMISE = 0.2
"""Seconds after which a call that returned is on the disk."""


class Disk:
    """A folder whose power can be cut.

    chance  that a page or an entry that was not synced is on the disk all the same
    """

    def __init__(self, root: Path, dice: random.Random) -> None:
        self.root = root
        self.dice = dice
        self.chance = 0.5
        self._shadow = Shadow(str(root), f"{root}.shadow")
        root.mkdir(parents=True)
        self._keep_all()

    @property
    def environment(self) -> dict[str, str]:
        """What makes a Python process keep the shadow."""
        return {"PYTHONPATH": str(SEAM), "SHADOW_OF": self._shadow.root, "SHADOW": self._shadow.folder}

    def cut(self) -> None:
        """Call it when every process that writes there is gone."""
        self.chance = self.dice.choice([0.0, 0.3, 0.7])
        after = self.root.with_name(f"{self.root.name}.after")
        self._restore_folder(self.root, after)
        shutil.rmtree(self.root)
        after.rename(self.root)
        self._keep_all()

    def _keep_all(self) -> None:
        """What is there now is on the disk."""
        shutil.rmtree(self._shadow.folder, ignore_errors=True)
        Path(self._shadow.folder).mkdir()
        for path, _, files in os.walk(self.root):
            self._shadow.keep_names(path, entries_of(path))
            for name in files:
                file = Path(path, name)
                shutil.copyfile(file, self._place(file.stat().st_ino, "data"))
                os.link(file, self._place(file.stat().st_ino, "link"))

    def _place(self, inode: int, kind: str) -> Path:
        return Path(self._shadow.folder, f"{inode}.{kind}")

    def _by_chance(self) -> bool:
        return self.dice.random() < self.chance

    def _restore_folder(self, path: Path, target: Path) -> None:
        target.mkdir(mode=0o700)
        now = entries_of(str(path)) if path.is_dir() else {}
        names = {inode: name for name, inode in now.items()}
        for name, inode in sorted(self._entries_after(now, self._shadow.kept_names(str(path))).items()):
            if name.endswith("/"):
                self._restore_folder(path / name, target / name)
                continue
            source = path / names[inode] if inode in names else self._place(inode, "link")
            if source.exists() and not stat.S_ISREG(source.stat().st_mode):
                continue  # a pipe is no data
            (target / name).write_bytes(self._content_after(inode, source))
            (target / name).chmod(0o600)

    def _entries_after(self, now: Entries, kept: Entries) -> Entries:
        names = {inode: name for name, inode in kept.items()}
        after: Entries = {}
        for name, inode in sorted(now.items()):
            if kept.get(name) == inode or self._by_chance():
                after[name] = inode
                continue
            if name in kept:
                after[name] = kept[name]  # its replacement did not happen
            if inode in names:
                after[names[inode]] = inode  # its renaming did not happen
        for name, inode in sorted(kept.items()):
            is_removed = name not in now and inode not in now.values()
            if is_removed and not self._by_chance():
                after[name] = inode
        return after

    def _content_after(self, inode: int, source: Path) -> bytes:
        kept = _read(self._place(inode, "data"))
        now = _read(source) if source.exists() else kept
        if now == kept:
            return now
        size = len(now) if self._by_chance() else len(kept)
        return b"".join(self._page_after(kept, now, place) for place in range(0, size, PAGE))[:size]

    def _page_after(self, kept: bytes, now: bytes, place: int) -> bytes:
        old, new = (each[place : place + PAGE].ljust(PAGE, b"\0") for each in (kept, now))
        if old == new or not self._by_chance():
            return old
        if self.dice.random() < 0.7:
            return new
        sectors = range(0, PAGE, SECTOR)
        return b"".join((old, new)[self.dice.random() < 0.5][at : at + SECTOR] for at in sectors)


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


class Canary(threading.Thread):
    """Syncs a few small files every 100 ms, as a client does, and knows how long this machine takes for it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.gaps: deque[float] = deque(maxlen=15)
        self.stopped = False
        self._files = [os.open(folder / f"canary{n}", os.O_RDWR | os.O_CREAT) for n in range(5)]

    def run(self) -> None:
        before = time.monotonic()
        while not self.stopped:
            time.sleep(0.1)
            started = time.monotonic()
            for fd in self._files:
                os.pwrite(fd, os.urandom(64), 0)
                os.fdatasync(fd)
            self.gaps.append(time.monotonic() - before)
            before = started

    def promise(self) -> float:
        """Seconds within which a call that returned can be on the disk: 0.2, or more on a busy machine."""
        return max([PROMISE, *self.gaps])


async def power_cuts(stack: Stack, folder: Path, dice: random.Random, count: int) -> Verdict:
    """The client's machine loses its power while a trainer logs and its drain delivers, and comes back.

    Every call that returned 200 ms before the cut is delivered, and nothing twice; where the disk itself
    was slower, so much before. At some cuts the server has been silent, so that much is sealed and waits
    in the journal, or is on the way.
    """
    disk, canary = Disk(folder / "spool", dice), Canary(folder)
    canary.start()
    promises = []
    testimony, late = Testimony(), Testimony()
    with stack.spooling_to(disk.root):
        for index in range(count):
            witness = folder / f"dark{index}.witness"
            is_silent = dice.random() < 0.5
            with stack.frozen("api") if is_silent else contextlib.nullcontext():
                at = _log_until_dark(stack, disk, witness, dice)
            promises.append(canary.promise())
            disk.cut()
            said = Testimony.read(witness)
            testimony.add(said.until(at - promises[-1]))
            late.add(Testimony(times={call: at - time for call, time in said.times.items()}))
            progress("power cuts", index + 1, count)
        stack.start_drain()
        verdict = await verdict_on(stack, testimony)
    canary.stopped = True
    lost = [age for call, age in late.times.items() if call not in verdict.arrived]
    verdict.figures |= {
        "slower disk at": sum(promise > PROMISE for promise in promises),
        "its syncs up to, ms": round(1000 * max(promises)),
        "oldest call lost, ms": round(1000 * max(lost, default=0.0)),
        "late calls lost": len(lost),
    }
    return verdict


def _log_until_dark(stack: Stack, disk: Disk, witness: Path, dice: random.Random) -> float:
    """Starts a trainer and kills it and its drain at a random moment, which is returned."""
    options = dice.choice(
        [("--rate", "200", "--artifacts", "40"), ("--rate", "2000", "--artifacts", "200"), ()]
    )
    trainer = stack.trainer(witness, witness.stem, 10_000_000, *options, environment=disk.environment)
    wait_for(witness.exists)
    time.sleep(dice.uniform(0.05, 1.5))
    at = time.monotonic()
    trainer.kill()
    stack.kill_drains()
    trainer.wait()
    return at
