"""1,000 runs created by the client, and searches over 1,000 and 100,000 runs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from speech_experiment_schemas import Sealer
from speech_experiment_schemas.ids import experiment_id, uuid7
from speech_experiment_schemas.metrics import pack_calls
from speech_experiment_schemas.producers import ProducerClosed, ProducerOpened
from speech_experiment_schemas.runs import RunConfigured, RunFinished, RunStarted
from tests.benchmarks.ours.described import CASES, config_of, metrics_of, questions, tags_of
from tests.benchmarks.ours.posting import Poster
from tests.benchmarks.ours.records import EXPERIMENT
from tests.benchmarks.ours.stack import Stack, running_stack
from tests.benchmarks.peers import REPOSITORY
from tests.benchmarks.stats import percentile
from tests.benchmarks.subjects import RUNS
from tests.benchmarks.web import Connection

MANY = 100_000
PAGE = 50
BATCH_RUNS = 100
SETTLE = 15.0
"""Seconds between the last run and the first search: Postgres gathers its statistics by itself."""


def catalogue(quick: bool) -> dict[str, float]:
    """create_1k (s, through the client, until all are queryable), verify_1k, and the searches of 1,000 runs."""
    runs = 100 if quick else RUNS
    with running_stack() as stack:
        figures = create(stack, runs)
        figures |= verify(stack, runs)
        figures |= searches(stack, "search_1k", runs, 10 if quick else 60)
        return figures


def search(quick: bool) -> dict[str, float]:
    """The searches of 100,000 runs, brought in through the gateway."""
    runs = 2_000 if quick else MANY
    with running_stack() as stack:
        figures = seed(stack, runs)
        return figures | searches(stack, "search_100k", runs, 10 if quick else 60)


def create(stack: Stack, runs: int) -> dict[str, float]:
    """Creates runs in a client's process, one after the other; the time until the last is queryable."""
    command = [sys.executable, "-m", "tests.benchmarks.ours.creating", str(runs)]
    env = {**os.environ, **stack.environment}
    client = subprocess.Popen(command, cwd=REPOSITORY, env=env, stdout=subprocess.PIPE, text=True)
    assert client.stdout is not None
    start = float(client.stdout.readline())
    connection = stack.connection()
    wait_for_runs(connection, runs, 120)
    queryable = time.time() - start
    finished = float(client.stdout.readline()) - start
    client.wait(60)
    return {"create_1k": queryable * RUNS / runs, "create_1k_client": finished * RUNS / runs}


def verify(stack: Stack, runs: int) -> dict[str, float]:
    """Seconds until every run is compared with the log; raises RuntimeError when any differs."""
    start = time.monotonic()
    path = f"/api/v1/verification?limit={runs}&timeout=600"
    answer = stack.connection().json("GET", path)
    seconds = time.monotonic() - start
    verified = answer["verifications"]
    found = [finding for each in verified for finding in each["findings"]] + answer["elsewhere"]
    if len(verified) < runs or found:
        raise RuntimeError(f"of {runs} runs {len(verified)} were verified, with findings {found[:3]}")
    return {"verify_1k": seconds * RUNS / runs}


def wait_for_runs(connection: Connection, runs: int, timeout: float) -> None:
    """Returns when that many runs have their config, status and metrics; raises RuntimeError when late."""
    path = "/api/v1/runs?" + urlencode(
        {
            "filter": "status = 'finished' and params.seed >= 0 and metrics.hours >= 0",
            "order_by": "created desc",
            "limit": 1000,
        }
    )
    deadline = time.monotonic() + timeout
    found = 0
    while time.monotonic() < deadline:
        found = sum(len(page["runs"]) for page in pages(connection, path))
        if found >= runs:
            return
        time.sleep(0.1)
    raise RuntimeError(f"only {found} of {runs} runs were queryable within {timeout:.0f} s")


def pages(connection: Connection, path: str) -> Iterator[dict[str, Any]]:
    """All pages of a search."""
    page = connection.json("GET", path)
    yield page
    while page.get("next_cursor"):
        page = connection.json("GET", f"{path}&{urlencode({'cursor': page['next_cursor']})}")
        yield page


def seed(stack: Stack, runs: int) -> dict[str, float]:
    """Brings runs in through the gateway; runs per second until all are in the tables."""
    start = time.monotonic()
    poster = Poster(stack.url, stack.key)
    for first in range(0, runs, BATCH_RUNS):
        records = [record for i in range(first, min(runs, first + BATCH_RUNS)) for record in events_of(i)]
        poster.post(records)
    sent = time.monotonic() - start
    _wait_for_last(stack, runs)
    seconds = time.monotonic() - start
    return {"seed_runs_per_s": runs / seconds, "seed_sent_s": sent, "seed_s": seconds}


def events_of(i: int) -> list[bytes]:
    """A whole run in few events: started, configured, ten metrics, finished, closed."""
    run, producer = uuid7(), uuid7()
    subject = ("run", run)
    runs, metrics = Sealer(producer, "runs"), Sealer(producer, "metrics")
    experiment = experiment_id("default", EXPERIMENT)
    started = RunStarted(
        experiment=experiment, experiment_name=EXPERIMENT, name=f"run-{i:06}", tags=tags_of(i)
    )
    opened = ProducerOpened(client="benchmark")
    of_runs = (
        opened,
        started,
        RunConfigured(config=config_of(i)),
        RunFinished(),
        ProducerClosed(reason="finished"),
    )
    calls = [(None, time.time_ns() // 1000, None, metrics_of(i))]
    of_metrics = (opened, pack_calls(calls), ProducerClosed(reason="finished"))
    return [
        *(runs.seal(payload, subject) for payload in of_runs),
        *(metrics.seal(payload, subject) for payload in of_metrics),
    ]


def _wait_for_last(stack: Stack, runs: int) -> None:
    """Everything of one partition is in order: the last run's rows mean all runs' rows."""
    connection = stack.connection()
    last = f"name = 'run-{runs - 1:06}' and status = 'finished' and metrics.hours >= 0 and params.seed = {runs - 1}"
    path = "/api/v1/runs?" + urlencode({"filter": last, "limit": 1})
    deadline = time.monotonic() + 600
    while not connection.json("GET", path)["runs"]:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{runs} runs were not queryable within 600 s")
        time.sleep(0.25)


def searches(stack: Stack, name: str, runs: int, times: int) -> dict[str, float]:
    """p95 of each case, in milliseconds, limit 50."""
    connection = stack.connection()
    figures: dict[str, float] = {}
    time.sleep(SETTLE)
    for case in CASES:
        taken = sorted(islice(_asked(connection, case, runs), times))
        figures[f"{name}_{case}"] = percentile(taken, 95)
        figures[f"{name}_{case}_p50"] = percentile(taken, 50)
    if name == "search_1k":
        figures[name] = figures[f"{name}_order"]
    return figures


def _asked(connection: Connection, case: str, runs: int) -> Iterator[float]:
    """Milliseconds of one question after the other; the first two only warm up."""
    cursor = _deep(connection, runs) if case == "cursor" else None
    turn = 0
    while True:
        query = {**questions(case, turn), "limit": str(PAGE)}
        path = "/api/v1/runs?" + urlencode(query | ({"cursor": cursor} if cursor else {}))
        start = time.perf_counter_ns()
        body = connection.get(path)
        taken = (time.perf_counter_ns() - start) / 1e6
        if turn >= 2:
            yield taken
        elif b'"id"' not in body:
            raise RuntimeError(f"the search {query} found nothing")
        turn += 1


def _deep(connection: Connection, runs: int) -> str:
    """A cursor near the end, with a page still to come."""
    path = "/api/v1/runs?" + urlencode(
        {**questions("cursor", 0), "limit": "1000" if runs > 10_000 else str(PAGE)}
    )
    seen, cursor = 0, None
    for page in pages(connection, path):
        seen += len(page["runs"])
        if cursor is not None and seen > runs - PAGE:
            break
        cursor = page.get("next_cursor") or cursor
    if cursor is None:
        raise RuntimeError(f"the search of {runs} runs has one page only")
    return str(cursor)
