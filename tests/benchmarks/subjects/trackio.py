"""Trackio: SQLite in a folder, filled by a thread of the caller; a small server for the dashboard."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.load import four_clients
from tests.benchmarks.processes import descendants, free_port, pss_bytes, server
from tests.benchmarks.stats import milliseconds, percentile
from tests.benchmarks.subjects import CURVE_POINTS, DRAWN, RUNS, curve_value, metrics_of, params_of
from tests.benchmarks.subjects.opened import first_view, opened
from tests.benchmarks.web import Connection, wait_for

SCRIPT = """
import os, sys
os.environ["TRACKIO_DIR"] = sys.argv[1]
import trackio
trackio.init(project="bench", name="process")
trackio.log({"train_loss": 1.0})
trackio.finish()
"""
SERVER = """
import sys, trackio
trackio.show(open_browser=False, host="127.0.0.1", server_port=int(sys.argv[1]))
"""
SEARCH = """
select c.run_name, json_extract(m.metrics, '$.metric_0') as score
from configs c join metrics m on m.run_id = c.run_id
where json_extract(c.config, '$.param_0') >= 12
order by score limit 50
"""


class Tracker:
    """The default settings of trackio.init."""

    def __init__(self, folder: Path) -> None:
        os.environ["TRACKIO_DIR"] = str(folder)
        import trackio  # type: ignore[import-not-found]

        self._run = trackio.init(project="bench", name="run")
        self._finish = trackio.finish

    def log(self, metrics: dict[str, float], step: int) -> None:
        self._run.log(metrics, step=step)

    def finish(self) -> None:
        self._finish()


def recovered(folder: Path) -> int:
    """Steps in the database, read after a wait: nobody is left who could still write."""
    with sqlite3.connect(folder / "bench.db") as database:
        return int(database.execute("select count(distinct step) from metrics").fetchone()[0])


def curve(folder: Path, quick: bool) -> dict[str, float]:
    """The curve of a run with one key, whole and with the server's own limit of points."""
    os.environ["TRACKIO_DIR"] = str(folder)
    from trackio.sqlite_storage import SQLiteStorage  # type: ignore[import-not-found]

    for first in range(0, CURVE_POINTS, 20_000):
        steps = list(range(first, first + 20_000))
        logs = [{"train_loss": curve_value(step)} for step in steps]
        SQLiteStorage.bulk_log("bench", "run", logs, steps, config={})
    times = 3 if quick else 10
    with _serve(folder) as (connection, _):
        return {
            "curve_full": _curve(connection, CURVE_POINTS, times),
            "curve_small": _curve(connection, 2_000, times),
        }


def _curve(connection: Connection, points: int, times: int) -> float:
    query = {"project": "bench", "run": "run", "metric_name": "train_loss", "max_points": points}
    found = len(json.loads(_call(connection, "get_metric_values", query))["data"])
    if not points / 2 <= found <= points:
        raise RuntimeError(f"the curve has {found} points instead of {points}")
    return percentile(milliseconds(lambda: _call(connection, "get_metric_values", query), times), 50)


def catalogue(folder: Path, quick: bool) -> dict[str, float]:
    """Runs created one after the other, then searched by the server's read-only SQL."""
    os.environ["TRACKIO_DIR"] = str(folder)
    import trackio

    start = time.perf_counter()
    for i in range(100 if quick else RUNS):
        trackio.init(project="bench", name=f"run-{i}", config=params_of(i))
        trackio.log(metrics_of(i))
        trackio.finish()
    created = time.perf_counter() - start
    with _serve(folder) as (connection, _):
        query = {"project": "bench", "query": SEARCH}
        found = len(json.loads(_call(connection, "query_project", query))["data"]["rows"])
        if found != 50 and not quick:
            raise RuntimeError(f"the search found {found} runs instead of 50")
        taken = milliseconds(lambda: _call(connection, "query_project", query), 20 if quick else 100)
    scale = 10 if quick else 1
    return {
        "create_1k": created * scale,
        "search_1k": percentile(taken, 95),
        "search_1k_p50": percentile(taken, 50),
    }


def page(folder: Path, quick: bool) -> dict[str, float]:
    """The dashboard of a project: its first view is the curves of its runs."""
    os.environ["TRACKIO_DIR"] = str(folder)
    from trackio.sqlite_storage import SQLiteStorage

    points = 2_000 if quick else CURVE_POINTS
    steps = list(range(points))
    logs = [{"train_loss": curve_value(step)} for step in steps]
    for number in range(DRAWN):
        SQLiteStorage.bulk_log("bench", f"run-{number:02}", logs, steps, config={})
    times = 2 if quick else 5
    with _serve(folder) as (connection, _):
        url = f"{connection.url}/?project=bench"
        figures = first_view(url, "/run-00/.test(document.body.innerText)", times)
        return figures | {
            "page_curves_cold": opened(url, "document.querySelector('canvas, svg.marks')", times)["taken"]
        }


def idle(folder: Path, quick: bool) -> dict[str, float]:
    start = time.monotonic()
    with _serve(folder) as (_, pid):
        ready = time.monotonic() - start
        time.sleep(2)
        return {"ready": ready, "idle": pss_bytes(descendants(pid)) / 1e9}


def ingest(folder: Path, quick: bool) -> dict[str, float]:
    """Four clients that send batches of 250 steps with four metrics to the server's bulk_log."""
    with _serve(folder) as (connection, _):
        token = connection.headers["X-Trackio-Write-Token"]
        return four_clients(lambda client: _sender(connection.url, token, client), 5 if quick else 20)


def _sender(url: str, token: str, client: int) -> Callable[[int], int]:
    connection = Connection(url, {"X-Trackio-Write-Token": token})

    def send(batch: int) -> int:
        logs = [_entry(client, step) for step in range(batch * 250, (batch + 1) * 250)]
        _call(connection, "bulk_log", {"logs": logs, "hf_token": None})
        return 1_000

    return send


def _entry(client: int, step: int) -> dict[str, object]:
    metrics = {f"metric_{i}": curve_value(step + i) for i in range(4)}
    return {"project": "ingest", "run": f"run-{client}", "metrics": metrics, "step": step, "config": None}


def _call(connection: Connection, name: str, arguments: Mapping[str, object]) -> bytes:
    body = json.dumps({"kwargs": arguments}).encode()
    return connection.request("POST", f"/api/{name}", body, {"Content-Type": "application/json"})


@contextmanager
def _serve(folder: Path) -> Iterator[tuple[Connection, int]]:
    port = free_port()
    command = [sys.executable, "-c", SERVER, str(port)]
    with server(command, port, folder, {"TRACKIO_DIR": str(folder), "PYTHONUNBUFFERED": "1"}) as process:
        url = f"http://127.0.0.1:{port}"
        wait_for(url, "/version", 60)
        yield Connection(url, {"X-Trackio-Write-Token": _write_token(folder)}), process.pid


def _write_token(folder: Path) -> str:
    """The token that the server prints once it is up."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = re.search(r"write_token=([\w-]+)", (folder / "server.log").read_text())
        if found:
            return found.group(1)
        time.sleep(0.05)
    raise RuntimeError("trackio's server printed no write token within 10 s")
