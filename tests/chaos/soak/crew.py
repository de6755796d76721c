"""The trainers and readers of a soak: who runs, who follows whom, and what they have witnessed."""

from __future__ import annotations

import itertools
import os
import random
import subprocess
import sys
import time
from pathlib import Path

from tests.faults.stack import Stack

LIFE_SECONDS = (50.0, 110.0)
"""The shortest and the longest life of a trainer that ends."""


class Crew:
    """Keeps some short-lived trainers, a few that stay, and readers at work; `tend` it about once a second."""

    def __init__(self, stack: Stack, dice: random.Random, seconds: float, short: int = 4) -> None:
        self._stack, self._dice = stack, dice
        self._end = time.monotonic() + seconds
        self._numbers = itertools.count()
        self._started: dict[Path, subprocess.Popen[bytes]] = {}
        self._doomed: dict[Path, float] = {}
        self._widowed: list[Path] = []
        self.problems: list[str] = []
        self.staying = {
            "trainer": self._start("staying", seconds, "--calls", "10", "--width", "20"),
            "trainer of many runs": self._start(
                "turning", seconds, "--turns", str(max(1, round(seconds / 60)))
            ),
        }
        self.readers = [
            self._python("tests.chaos.soak.reader", str(seconds), role) for role in ("queries", "live")
        ]
        self._short = short

    @property
    def witnesses(self) -> list[Path]:
        return sorted(self._stack.folder.glob("*.witness"))

    def tend(self) -> None:
        """Kills who is due, notes who failed, and starts those who follow."""
        for witness, process in list(self._started.items()):
            if process.poll() is None and time.monotonic() > self._doomed.get(witness, float("inf")):
                process.kill()
                process.wait()
                self._widowed.append(witness)
            if process.poll() is not None:
                self._note_end(witness, process)
        while self._alive() < self._short and time.monotonic() + LIFE_SECONDS[1] < self._end:
            self._replace()

    def join(self, timeout: float) -> None:
        """Waits for the last ones."""
        deadline = time.monotonic() + timeout
        for witness, process in list(self._started.items()):
            process.wait(max(1.0, deadline - time.monotonic()))
            self._note_end(witness, process)
        for reader in self.readers:
            if reader.wait(max(1.0, deadline - time.monotonic())):
                self.problems.append(f"a reader ended with {reader.returncode}")

    def stop(self) -> None:
        for process in [*self._started.values(), *self.readers]:
            process.kill()
            process.wait()

    def _alive(self) -> int:
        staying = {process.pid for process in self.staying.values()}
        return sum(process.pid not in staying for process in self._started.values())

    def _replace(self) -> None:
        """One new trainer: it goes on with a run that was killed, or begins one, and may have to die early."""
        life = self._dice.uniform(*LIFE_SECONDS)
        while self._widowed:
            begun = self._widowed.pop().with_suffix(".run")
            if begun.exists():  # on a busy machine one may die before it has begun its run
                self._start("resuming", life, "--resume", begun.read_text())
                return
        name = f"short{next(self._numbers)}"
        self._start(name, life)
        if self._dice.random() < 0.15:
            self._doomed[self._witness(name)] = time.monotonic() + life / 2

    def _note_end(self, witness: Path, process: subprocess.Popen[bytes]) -> None:
        del self._started[witness]
        if process.returncode and witness not in self._doomed:
            self.problems.append(f"{witness.stem} ended with {process.returncode}")

    def _witness(self, name: str) -> Path:
        return self._stack.folder / f"{name}.witness"

    def _start(self, name: str, seconds: float, *options: str) -> subprocess.Popen[bytes]:
        witness = self._witness(name if name not in ("resuming",) else f"{name}{next(self._numbers)}")
        process = self._python("tests.chaos.soak.trainer", str(witness), str(seconds), *options)
        self._started[witness] = process
        return process

    def _python(self, module: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self._stack.folder / f"{module.rpartition('.')[2]}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                env=os.environ | self._stack.environment,
                stdout=log,
                stderr=log,
            )
