"""The past of 10,000 runs of which every one has changed since: one run's state, a search, a leaderboard."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import count
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from speech_experiment_schemas import Sealer
from speech_experiment_schemas.ids import experiment_id, uuid7
from speech_experiment_schemas.metrics import pack_calls
from speech_experiment_schemas.producers import ProducerOpened
from speech_experiment_schemas.runs import RunConfigured, RunEnvironment, RunFinished, RunStarted, RunTagged
from tests.benchmarks.ours.catalogue import BATCH_RUNS, PAGE, SETTLE
from tests.benchmarks.ours.described import config_of, fraction, metrics_of, tags_of
from tests.benchmarks.ours.posting import Poster
from tests.benchmarks.ours.records import EXPERIMENT
from tests.benchmarks.ours.stack import Stack, running_stack
from tests.benchmarks.stats import percentile
from tests.benchmarks.web import Connection

RUNS = 10_000
STATES = 60
SEARCH = {"filter": "params.encoder_layers >= 8 and not tags.stage = 'draft'", "order_by": "metrics.val_wer"}
PACKAGES = {f"package-{i}": "1.2.3" for i in range(100)}


def asof(quick: bool) -> dict[str, float]:
    """as_of_state (ms, p95), as_of_search and its repetition (s), beside the plain search (ms)."""
    runs = 1_000 if quick else RUNS
    with running_stack() as stack:
        ids = begin(stack, runs)
        connection = stack.connection()
        vector = connection.json("GET", "/api/v1/runs?limit=1")["vector"]
        expected = _search(connection, {})
        change(stack, ids)
        time.sleep(SETTLE)
        figures = {f"as_of_{name}": value for name, value in _searches(connection, vector, expected).items()}
        figures |= _states(connection, vector, ids)
        return figures


def begin(stack: Stack, runs: int) -> list[UUID]:
    """Runs with 20 params, an environment of 100 packages and 10 metrics, all queryable."""
    ids = [uuid7() for _ in range(runs)]
    _post(stack, (_begun(i, run) for i, run in enumerate(ids)))
    _wait(stack, f"name = 'run-{runs - 1:06}' and metrics.hours >= 0 and params.seed = {runs - 1}")
    return ids


def change(stack: Stack, ids: list[UUID]) -> None:
    """Gives every run another config, another tag, an end and another result."""
    _post(stack, (_changed(i, run) for i, run in enumerate(ids)))
    _wait(stack, f"name = 'run-{len(ids) - 1:06}' and metrics.later >= 0 and tags.stage = 'later'")


def _begun(i: int, run: UUID) -> list[bytes]:
    producer, subject = uuid7(), ("run", run)
    runs, metrics = Sealer(producer, "runs"), Sealer(producer, "metrics")
    experiment = experiment_id("default", EXPERIMENT)
    name = f"run-{i:06}"
    started = RunStarted(experiment=experiment, experiment_name=EXPERIMENT, name=name, tags=tags_of(i))
    environment = RunEnvironment(host="n", git={"commit": "abc"}, packages=PACKAGES)
    calls = [(None, time.time_ns() // 1000, None, metrics_of(i))]
    opened = ProducerOpened(client="benchmark")
    of_runs = (opened, started, RunConfigured(config=config_of(i)), environment)
    return [
        *(runs.seal(payload, subject) for payload in of_runs),
        *(metrics.seal(payload, subject) for payload in (opened, pack_calls(calls))),
    ]


def _changed(i: int, run: UUID) -> list[bytes]:
    producer, subject = uuid7(), ("run", run)
    runs, metrics = Sealer(producer, "runs"), Sealer(producer, "metrics")
    calls = [(None, time.time_ns() // 1000, None, {"val_wer": fraction(i, 77), "later": 1.0})]
    of_runs = (RunConfigured(config={"encoder_layers": 1}), RunTagged(tags={"stage": "later"}), RunFinished())
    return [
        *(runs.seal(payload, subject) for payload in of_runs),
        metrics.seal(pack_calls(calls), subject),
    ]


def _post(stack: Stack, runs: Iterator[list[bytes]]) -> None:
    poster = Poster(stack.url, stack.key)
    batch: list[bytes] = []
    for number in count(1):
        events = next(runs, None)
        batch += events or []
        if batch and (events is None or number % BATCH_RUNS == 0):
            poster.post(batch)
            batch = []
        if events is None:
            return


def _wait(stack: Stack, wanted: str) -> None:
    connection, deadline = stack.connection(), time.monotonic() + 600
    path = "/api/v1/runs?" + urlencode({"filter": wanted, "limit": 1})
    while not connection.json("GET", path)["runs"]:
        if time.monotonic() > deadline:
            raise RuntimeError(f"no run had {wanted} within 600 s")
        time.sleep(0.25)


def _search(connection: Connection, more: dict[str, str]) -> list[str]:
    path = "/api/v1/runs?" + urlencode({**SEARCH, "limit": str(PAGE), **more})
    return [run["id"] for run in connection.json("GET", path)["runs"]]


def _searches(connection: Connection, vector: str, expected: list[str]) -> dict[str, float]:
    """Of a vector that nobody asked for before, and again; seconds. A search with other results is an error."""
    figures: dict[str, float] = {}
    for name in ("search", "search_again"):
        start = time.perf_counter()
        found = _search(connection, {"as_of": vector})
        figures[name] = time.perf_counter() - start
        if found != expected:
            raise RuntimeError(f"the {name} found other runs than the vector's own answer")
    for name in ("leaderboard", "leaderboard_again"):
        start = time.perf_counter()
        rows = connection.json("GET", f"/api/v1/leaderboard?{urlencode({'as_of': vector})}")["rows"]
        figures[name] = time.perf_counter() - start
        if not rows:
            raise RuntimeError("the leaderboard of the past is empty")
    return figures


def _states(connection: Connection, vector: str, ids: list[UUID]) -> dict[str, float]:
    """One run at the vector, and at a vector of its own each time; milliseconds."""
    known, fresh = [], []
    for turn in range(STATES):
        run = ids[(turn * 7_919) % len(ids)]
        known.append(_state(connection, run, vector)[0])
        fresh.append(_state(connection, run, _moment(turn))[0])
    return {
        "as_of_state": percentile(sorted(fresh), 95),
        "as_of_state_p50": percentile(sorted(fresh), 50),
        "as_of_state_same_vector": percentile(sorted(known), 95),
    }


def _moment(turn: int) -> str:
    """A moment that no one asked about before."""
    return time.strftime(f"%Y-%m-%dT%H:%M:%S.{turn:06}Z", time.gmtime(time.time() - 2))


def _state(connection: Connection, run: UUID, as_of: str) -> tuple[float, Any]:
    start = time.perf_counter()
    body = connection.json("GET", f"/api/v1/runs/{run}?{urlencode({'as_of': as_of})}")
    taken = (time.perf_counter() - start) * 1e3
    if body["id"] != str(run):
        raise RuntimeError(f"asked for {run}, got {body['id']}")
    return taken, body
