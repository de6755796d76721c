"""MLflow: the fluent API on SQLite, and its server's REST API on the same database."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.benchmarks.load import four_clients
from tests.benchmarks.processes import descendants, free_port, pss_bytes, server
from tests.benchmarks.stats import milliseconds, percentile
from tests.benchmarks.subjects import CURVE_POINTS, DRAWN, RUNS, curve_value, metrics_of, params_of
from tests.benchmarks.subjects.opened import first_view, opened
from tests.benchmarks.web import Connection, wait_for

SCRIPT = """
import sys
import mlflow
mlflow.set_tracking_uri("sqlite:///" + sys.argv[1] + "/mlflow.db")
with mlflow.start_run():
    mlflow.log_metrics({"train_loss": 1.0}, step=0)
"""
API = "/api/2.0/mlflow"


class Tracker:
    """mlflow.log_metrics into SQLite, the store that a user without a server gets."""

    def __init__(self, folder: Path) -> None:
        import mlflow  # type: ignore[import-not-found]

        mlflow.set_tracking_uri(_store(folder))
        mlflow.start_run()
        self._mlflow = mlflow

    def log(self, metrics: dict[str, float], step: int) -> None:
        self._mlflow.log_metrics(metrics, step=step)

    def finish(self) -> None:
        self._mlflow.end_run()


def recovered(folder: Path) -> int:
    """Steps in the database."""
    with sqlite3.connect(folder / "mlflow.db") as database:
        return int(database.execute("select count(distinct step) from metrics").fetchone()[0])


def curve(folder: Path, quick: bool) -> dict[str, float]:
    """metrics/get-history with its pages of 25,000, and the page's own downsample of 320 points."""
    run = _seed_curve(folder)
    with _serve(folder) as (connection, _):
        full = milliseconds(lambda: _history(connection, run), 1 if quick else 5)
        path = f"/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval?run_ids={run}&metric_key=train_loss&max_results=320"
        small = milliseconds(lambda: connection.get(path), 3 if quick else 10)
    return {"curve_full": percentile(full, 50), "curve_small": percentile(small, 50)}


def _seed_curve(folder: Path) -> str:
    client, experiment = _client(folder)
    from mlflow.entities import Metric  # type: ignore[import-not-found]

    run: str = client.create_run(experiment).info.run_id
    now = int(time.time() * 1000)
    for first in range(0, CURVE_POINTS, 1_000):
        points = [Metric("train_loss", curve_value(i), now + i, i) for i in range(first, first + 1_000)]
        client.log_batch(run, metrics=points)
    return run


def _history(connection: Connection, run: str) -> None:
    path = f"{API}/metrics/get-history?run_id={run}&metric_key=train_loss&max_results=25000"
    token, found = "", 0
    while True:
        page = json.loads(connection.get(path + (f"&page_token={token}" if token else "")))
        found += len(page.get("metrics", []))
        token = page.get("next_page_token", "")
        if not token:
            break
    if found != CURVE_POINTS:
        raise RuntimeError(f"the history has {found} points instead of {CURVE_POINTS}")


def catalogue(folder: Path, quick: bool) -> dict[str, float]:
    """Runs created straight in SQLite and (a tenth of them) over REST; searched over REST."""
    client, experiment = _client(folder)
    runs = 100 if quick else RUNS
    start = time.perf_counter()
    for i in range(runs):
        _create_locally(client, experiment, i)
    created = (time.perf_counter() - start) * RUNS / runs
    with _serve(folder) as (connection, _):
        taken = milliseconds(lambda: _search(connection, experiment), 10 if quick else 40)
        few = 10 if quick else 50
        start = time.perf_counter()
        for i in range(few):
            _create_over_rest(connection, experiment, i)
        over_rest = (time.perf_counter() - start) * RUNS / few
    return {
        "create_1k": created,
        "create_1k_rest": over_rest,
        "search_1k": percentile(taken, 95),
        "search_1k_p50": percentile(taken, 50),
    }


def _create_locally(client: Any, experiment: str, i: int) -> None:
    from mlflow.entities import Metric, Param

    run = client.create_run(experiment, run_name=f"run-{i}").info.run_id
    now = int(time.time() * 1000)
    metrics = [Metric(key, value, now, 0) for key, value in metrics_of(i).items()]
    client.log_batch(run, metrics=metrics, params=[Param(k, str(v)) for k, v in params_of(i).items()])
    client.set_terminated(run)


def _create_over_rest(connection: Connection, experiment: str, i: int) -> None:
    now = int(time.time() * 1000)
    created = connection.json(
        "POST",
        f"{API}/runs/create",
        {"experiment_id": experiment, "run_name": f"rest-{i}", "start_time": now},
    )
    run = created["run"]["info"]["run_id"]
    metrics = [{"key": k, "value": v, "timestamp": now, "step": 0} for k, v in metrics_of(i).items()]
    params = [{"key": k, "value": str(v)} for k, v in params_of(i).items()]
    connection.json("POST", f"{API}/runs/log-batch", {"run_id": run, "metrics": metrics, "params": params})
    connection.json("POST", f"{API}/runs/update", {"run_id": run, "status": "FINISHED", "end_time": now})


def _search(connection: Connection, experiment: str) -> None:
    query = {
        "experiment_ids": [experiment],
        "filter": "params.param_4 = 'adam' and metrics.metric_1 < 0.9",
        "order_by": ["metrics.metric_0 ASC"],
        "max_results": 50,
    }
    found = json.loads(
        connection.request(
            "POST", f"{API}/runs/search", json.dumps(query).encode(), {"Content-Type": "application/json"}
        )
    )
    if len(found.get("runs", [])) != 50:
        raise RuntimeError(f"the search found {len(found.get('runs', []))} runs instead of 50")


def ingest(folder: Path, quick: bool) -> dict[str, float]:
    """Four clients that send log-batch with its largest number of metrics, 1,000."""
    with _serve(folder) as (connection, _):
        return four_clients(lambda client: _sender(connection.url), 5 if quick else 20)


def _sender(url: str) -> Callable[[int], int]:
    connection = Connection(url)
    created = connection.json("POST", f"{API}/runs/create", {"experiment_id": "0"})
    run = created["run"]["info"]["run_id"]

    def send(batch: int) -> int:
        now = int(time.time() * 1000)
        metrics = [
            {
                "key": f"metric_{i % 4}",
                "value": curve_value(i),
                "timestamp": now,
                "step": batch * 250 + i // 4,
            }
            for i in range(1_000)
        ]
        connection.json("POST", f"{API}/runs/log-batch", {"run_id": run, "metrics": metrics})
        return 1_000

    return send


def page(folder: Path, quick: bool) -> dict[str, float]:
    """The list of an experiment's runs, and its chart of a metric over them."""
    client, experiment = _client(folder)
    for i in range(DRAWN):  # with no other metric, whose charts would come first
        client.create_run(experiment, run_name=f"run-{i:02}")
    _add_curves(folder, 2_000 if quick else CURVE_POINTS)
    times = 2 if quick else 5
    with _serve(folder) as (connection, _):
        runs = f"{connection.url}/#/experiments/{experiment}/runs"
        figures = first_view(runs, "/run-19/.test(document.body.innerText)", times)
        charts = f"{runs}?compareRunsMode=CHART"
        drawn = f"document.querySelectorAll('.js-plotly-plot .scatterlayer .trace').length >= {DRAWN // 2}"
        return figures | {"page_curves_cold": opened(charts, drawn, times)["taken"]}


def _add_curves(folder: Path, points: int) -> None:
    """The same curve in every run, written past the API: the page alone is measured."""
    now = int(time.time() * 1000)
    with sqlite3.connect(folder / "mlflow.db") as database:
        runs = [run for (run,) in database.execute("select run_uuid from runs")]
        for run in runs:
            rows = (("train_loss", curve_value(i), now + i, run, i, 0) for i in range(points))
            columns = "key, value, timestamp, run_uuid, step, is_nan"
            database.executemany(f"insert into metrics ({columns}) values (?, ?, ?, ?, ?, ?)", rows)
            last = ("train_loss", curve_value(points - 1), now + points, run, points - 1, 0)
            database.execute(f"insert into latest_metrics ({columns}) values (?, ?, ?, ?, ?, ?)", last)


def idle(folder: Path, quick: bool) -> dict[str, float]:
    start = time.monotonic()
    with _serve(folder) as (_, pid):
        ready = time.monotonic() - start
        time.sleep(5)
        return {"ready": ready, "idle": pss_bytes(descendants(pid)) / 1e9}


@contextmanager
def _serve(folder: Path) -> Iterator[tuple[Connection, int]]:
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--backend-store-uri",
        _store(folder),
        "--port",
        str(port),
    ]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    with server(command, port, folder, {"PATH": path}) as process:
        url = f"http://127.0.0.1:{port}"
        wait_for(url, "/health", 90)
        yield Connection(url), process.pid


def _client(folder: Path) -> tuple[Any, str]:
    import mlflow

    client = mlflow.MlflowClient(_store(folder))
    return client, client.create_experiment("bench")


def _store(folder: Path) -> str:
    return f"sqlite:///{folder}/mlflow.db"
