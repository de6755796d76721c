"""A load beside a measurement: the generator's process, how far readers are, and the oracle."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

import msgspec

from speech_experiment_schemas.ids import run_hash
from tests.benchmarks.ours.generator import Board, Load, Sent, SentRun
from tests.benchmarks.ours.stack import Stack
from tests.benchmarks.peers import REPOSITORY

SAMPLE_SECONDS = 0.1
SETTLE_SECONDS = 120


@dataclass
class Sample:
    """Seconds since the start, points acknowledged and points queryable at that moment."""

    at: float
    sent: int
    queryable: int


@dataclass
class Running:
    """A generator under way; `samples` grows until it is settled; cpu: seconds that each part then had used."""

    stack: Stack
    process: subprocess.Popen[bytes]
    board: Board
    before: int
    started: float = 0.0
    samples: list[Sample] = field(default_factory=list)
    sent: Sent | None = None
    cpu: dict[str, float] = field(default_factory=dict)

    def watch(self) -> None:
        """Samples until the generator has ended and everything sent is queryable, or nothing moves."""
        moved, before = time.monotonic(), self.stack.cpu()
        while time.monotonic() - moved < SETTLE_SECONDS:
            ended = self.process.poll() is not None
            if self._sample():
                moved = time.monotonic()
            if ended and self.board.queryable >= self.board.sent:
                break
            time.sleep(SAMPLE_SECONDS)
        self.cpu = {part: used - before.get(part, 0.0) for part, used in self.stack.cpu().items()}

    def _sample(self) -> bool:
        """Whether more is queryable than before; the clock starts with the first point sent."""
        sent, queryable = self.board.sent, self.stack.points() - self.before
        now = time.monotonic()
        if not self.started and sent:
            self.started = now
        if self.started:
            self.samples.append(Sample(now - self.started, sent, queryable))
        moved, self.board.queryable = queryable > self.board.queryable, queryable
        return moved

    @property
    def rate(self) -> float:
        """Points per second from the first one sent until the last one was queryable."""
        return self.samples[-1].queryable / self.samples[-1].at

    @property
    def offered(self) -> float:
        """Points per second that the gateway acknowledged while the generator sent."""
        sent = self.result()
        return sum(run.points for run in sent.runs) / sent.seconds

    def beside(self, figures: dict[str, float], wanted: float) -> dict[str, float]:
        """Figures measured beside this load; set aside under other names when it fell short of its rate."""
        if self.offered >= 0.95 * wanted:
            return figures
        return {f"{name}_at_{self.offered / 1000:.0f}k": value for name, value in figures.items()}

    def result(self) -> Sent:
        """What was sent; raises RuntimeError when the generator failed."""
        if self.sent is None:
            output, errors = self.process.communicate(timeout=60)
            if self.process.returncode:
                raise RuntimeError(f"the generator failed: {errors.decode(errors='replace')[-1500:]}")
            self.sent = msgspec.json.decode(output.splitlines()[-1], type=Sent)
        return self.sent


@contextmanager
def load(stack: Stack, wanted: Load) -> Iterator[Running]:
    """Runs a generator, watched from a thread; at the end waits until all of it is queryable."""
    board = Board(stack.folder / f"board-{time.monotonic_ns()}")
    before = stack.points()
    process = start_generator(msgspec.structs.replace(wanted, board=board.path))
    running = Running(stack, process, board, before)
    watcher = threading.Thread(target=running.watch)
    watcher.start()
    try:
        yield running
    except BaseException:
        board.stop()
        raise
    finally:
        watcher.join()
        process.wait(60)


def start_generator(wanted: Load) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.benchmarks.ours.generator", msgspec.json.encode(wanted).decode()]
    return subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def wrong_runs(stack: Stack, sent: Sent) -> list[str]:
    """Runs whose points, sum or records in the table differ from what was acknowledged, in words."""
    stored = {
        int(run): (int(points), float(total), int(records))
        for run, points, total, records in stack.rows(
            f"select run, count(), sum(value), uniqExact(inverted_offset) from {stack.points_table} final group by run"
        )
    }
    plain = dict(stack.rows(f"select run, count() from {stack.points_table} group by run"))
    problems = []
    for run in sent.runs:
        number = run_hash(UUID(run.run))
        found = (*stored.get(number, (0, 0.0, 0)), int(plain.get(number, 0)))
        if found != _expected(run):
            problems.append(f"{run.run}: (points, sum, records, rows) {found}, sent {_expected(run)}")
    return problems


def _expected(run: SentRun) -> tuple[int, float, int, int]:
    return run.points, run.sum, run.records, run.points
