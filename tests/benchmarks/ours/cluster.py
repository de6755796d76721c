"""Several processes of each kind on one log of 24 partitions: what each further worker of metrics brings.

Two gateways behind one address, external stores, one to three workers of metrics. Workers are given
a backlog, so that they alone are the limit, for as long as there are cores for them and for the store.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from speech_experiment_infra.settings import Settings
from tests.benchmarks.ours.generator import Board, Load, Sent
from tests.benchmarks.ours.loading import load, start_generator, wrong_runs
from tests.benchmarks.ours.stack import Stack
from tests.benchmarks.processes import descendants
from tests.faults.cluster import Cluster

PARTITIONS, GATEWAYS, MOST_WORKERS = 24, 2, 3
_OTHERS = ("metadata", "artifacts")
_TIMEOUT = 180.0


class ClusterStack(Stack):
    """The cluster as the other benchmarks know a stack."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster.folder, cluster.port)
        self.cluster = cluster

    @property
    def settings(self) -> Settings:  # type: ignore[override]
        return self.cluster.settings

    def pids(self) -> set[int]:
        return set().union(*(descendants(pid) for pid in self.cluster.children().values()))

    def scale(self, workers: int) -> None:
        """So many workers of metrics, and no more; they may have to leave the group first."""
        for member in self.cluster.of("metrics"):
            self.cluster.end(member)
        for _ in range(workers):
            self.cluster.start("metrics")


def cluster(quick: bool) -> dict[str, float]:
    """cluster_1 … cluster_3 (points/s of so many workers on a backlog, and the cores used), cluster_live."""
    seconds = 3 if quick else 20
    figures: dict[str, float] = {"cluster_cores": float(os.cpu_count() or 0), "cluster_wrong": 0}
    with _running() as stack:
        for workers in range(1, MOST_WORKERS + 1):
            figures |= _backlog(stack, workers, seconds)
        figures |= _live(stack, seconds)
    return figures


@contextmanager
def _running() -> Iterator[ClusterStack]:
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        running = Cluster(Path(folder), PARTITIONS, GATEWAYS)
        try:
            running.up()
            for projection in _OTHERS:
                running.start(projection)
            yield ClusterStack(running)
        finally:
            running.down()


def _backlog(stack: ClusterStack, workers: int, seconds: float) -> dict[str, float]:
    """Points per second that the workers project of what was sent while there was none."""
    stack.scale(0)
    before = stack.points()
    sent = _send(stack, seconds)
    points = sum(run.points for run in sent.runs)
    stack.scale(workers)
    stack.cluster.wait_reading()
    start, first, used = time.monotonic(), stack.points() - before, stack.cpu()
    while (done := stack.points() - before) < points:
        if time.monotonic() - start > _TIMEOUT:
            raise RuntimeError(
                f"{workers} workers projected {done:,} of {points:,} points in {_TIMEOUT:.0f} s"
            )
        time.sleep(0.02)
    took = time.monotonic() - start
    spent = {part: cpu - used.get(part, 0.0) for part, cpu in stack.cpu().items()}
    wrong = wrong_runs(stack, sent)
    if wrong:
        raise RuntimeError("; ".join(wrong[:3]))
    name = f"cluster_{workers}"
    return {
        name: (points - first) / took,
        f"{name}_points": float(points),
        f"{name}_cores_used": sum(spent.values()) / took,
        f"{name}_cores_metrics": spent.get("metrics", 0.0) / took,
        f"{name}_cores_store": spent.get("store", 0.0) / took,
    }


def _send(stack: ClusterStack, seconds: float) -> Sent:
    board = Board(stack.folder / f"board-{time.monotonic_ns()}")
    process = start_generator(_load(stack, seconds, board.path))
    output, errors = process.communicate(timeout=seconds + _TIMEOUT)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args, output, errors)
    return msgspec.json.decode(output.splitlines()[-1], type=Sent)


def _load(stack: ClusterStack, seconds: float, board: str = "", window: int = 0) -> Load:
    return Load(url=stack.url, key=stack.key, board=board, seconds=seconds, window=window)


def _live(stack: ClusterStack, seconds: float) -> dict[str, float]:
    """Points per second from the gateways to queries, all workers at once; nothing is wrong afterwards."""
    with load(stack, _load(stack, seconds, window=6_000_000)) as running:
        pass
    wrong = wrong_runs(stack, running.result())
    return {"cluster_live": running.rate, "cluster_wrong": float(len(wrong))}
