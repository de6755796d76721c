"""tensorboardX writes event files, TensorBoard serves them."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from urllib.parse import quote

from tensorboardX import SummaryWriter  # type: ignore[import-not-found]

from tests.benchmarks.processes import descendants, free_port, pss_bytes, server
from tests.benchmarks.stats import milliseconds, percentile
from tests.benchmarks.subjects import CURVE_POINTS, DRAWN, curve_value
from tests.benchmarks.subjects.opened import first_view, opened
from tests.benchmarks.web import Connection, wait_for

SCRIPT = """
import sys
from tensorboardX import SummaryWriter
writer = SummaryWriter(sys.argv[1])
writer.add_scalar("train_loss", 1.0, 0)
writer.close()
"""


class Tracker:
    """add_scalar for each value: what TensorBoard's users write."""

    def __init__(self, folder: Path) -> None:
        self._writer = SummaryWriter(str(folder / "logs"))

    def log(self, metrics: dict[str, float], step: int) -> None:
        for key, value in metrics.items():
            self._writer.add_scalar(key, value, step)

    def finish(self) -> None:
        self._writer.close()


def recovered(folder: Path) -> int:
    """Steps whose every value can be read from the event file."""
    from tensorboard.backend.event_processing.event_file_loader import (  # type: ignore[import-not-found]
        EventFileLoader,
    )

    values: dict[int, int] = {}
    for file in (folder / "logs").iterdir():
        for event in EventFileLoader(str(file)).Load():
            values[event.step] = values.get(event.step, 0) + len(event.summary.value)
    return sum(count >= 4 for count in values.values())


def curve(folder: Path, quick: bool) -> dict[str, float]:
    """A curve over HTTP, once with all points kept and once with TensorBoard's own reservoir of 2,000."""
    with SummaryWriter(str(folder / "logs" / "run")) as writer:
        for step in range(CURVE_POINTS):
            writer.add_scalar("train_loss", curve_value(step), step)
    return {
        "curve_full": _curve(folder, CURVE_POINTS, quick),
        "curve_small": _curve(folder, 2_000, quick),
    }


def _curve(folder: Path, points: int, quick: bool) -> float:
    port = free_port()
    with server([*_command(folder, port), f"--samples_per_plugin=scalars={points}"], port, folder):
        url = f"http://127.0.0.1:{port}"
        path = f"/data/plugin/scalars/scalars?run=run&tag={quote('train_loss')}"
        wait_for(url, path, 60)
        connection = Connection(url)
        _wait_for_all(connection, path, min(points, CURVE_POINTS))
        return percentile(milliseconds(lambda: connection.get(path), 5 if quick else 15), 50)


def _wait_for_all(connection: Connection, path: str, points: int) -> None:
    deadline = time.monotonic() + 60
    while len(connection.json("GET", path)) < points:
        if time.monotonic() > deadline:
            raise RuntimeError(f"TensorBoard did not load {points} points within 60 s")
        time.sleep(0.3)


def page(folder: Path, quick: bool) -> dict[str, float]:
    """The dashboard that TensorBoard opens with: its first view is the curves."""
    first = folder / "logs" / "run-00"
    with SummaryWriter(str(first)) as writer:
        for step in range(2_000 if quick else CURVE_POINTS):
            writer.add_scalar("train_loss", curve_value(step), step)
    for number in range(1, DRAWN):
        shutil.copytree(first, folder / "logs" / f"run-{number:02}")
    port = free_port()
    with server(_command(folder, port), port, folder):
        url = f"http://127.0.0.1:{port}"
        path = f"/data/plugin/scalars/scalars?run=run-{DRAWN - 1:02}&tag=train_loss"
        wait_for(url, path, 600)  # it reads 20 runs of 100,000 points one after the other
        _wait_for_all(Connection(url), path, 1_000)
        figures = first_view(
            url,
            "document.querySelectorAll('line-chart').length > 0 && /run-00/.test(document.body.innerText)",
            2 if quick else 5,
        )
        return figures | {"page_curves_cold": opened(url, _DRAWN, 2 if quick else 5)["taken"]}


_DRAWN = f"document.querySelectorAll('scalar-card tb-data-table-content-row').length >= {DRAWN}"
"""The curves are on a canvas; the table below them has a row with the last value of each once they are drawn."""


def idle(folder: Path, quick: bool) -> dict[str, float]:
    (folder / "logs").mkdir()
    port = free_port()
    start = time.monotonic()
    with server(_command(folder, port), port, folder) as process:
        wait_for(f"http://127.0.0.1:{port}", "/data/runs", 60)
        ready = time.monotonic() - start
        time.sleep(2)
        return {"ready": ready, "idle": pss_bytes(descendants(process.pid)) / 1e9}


def _command(folder: Path, port: int) -> list[str]:
    logs = str(folder / "logs")
    return [
        sys.executable,
        "-m",
        "tensorboard.main",
        "--logdir",
        logs,
        "--port",
        str(port),
        "--load_fast=false",
    ]
