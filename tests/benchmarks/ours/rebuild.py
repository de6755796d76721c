"""Rebuilds of a log of metrics and one of metadata, and how soon a killed server is back with that data in it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterable
from http.client import HTTPException
from typing import Any

import msgspec

from speech_experiment_infra.connections import kafka_producer
from speech_experiment_infra.settings import Settings
from speech_experiment_infra.state import stack_status
from speech_experiment_schemas import decode, record_key
from speech_experiment_schemas.stamps import stamp
from speech_experiment_schemas.wire import CONTENT_TYPE, IngestReply, encode_batch
from tests.benchmarks.ours.catalogue import events_of
from tests.benchmarks.ours.records import SyntheticRun, Template
from tests.benchmarks.ours.stack import Stack, running_stack
from tests.benchmarks.web import Connection, HttpError

POINTS, RECORD_POINTS, KEYS, RUNS = 40_000_000, 5_000, 20, 100
EVENTS_PER_RUN = 5
"""Opened, started, configured with 20 params, finished, closed."""
METADATA_RUNS = 20_000
_PATIENCE = 900


def rebuild(quick: bool) -> dict[str, float]:
    """Points and events per second while the log is read; CPU seconds of all parts per million of each."""
    points, runs = (2_000_000, 1_000) if quick else (POINTS, METADATA_RUNS)
    with running_stack() as stack:
        asyncio.run(_append(stack.settings, _metrics(points)))
        asyncio.run(_append(stack.settings, (record for i in range(runs) for record in events_of(i))))
        _wait_quiet(stack)
        metrics, used = _rebuilt(stack, "metrics")
        figures = {
            "rebuild_points": metrics["mean_points_per_second"],
            "rebuild_points_cpu_ns": 1e9 * used / metrics["points"],
            "rebuild_points_job_cpu_ns": 1e9 * metrics["cpu_seconds"] / metrics["points"],
        }
        metadata, used = _rebuilt(stack, "metadata")
        figures |= {
            "rebuild_events": metadata["mean_records_per_second"],
            "rebuild_events_cpu_us": 1e6 * used / metadata["records"],
            "rebuild_events_job_cpu_us": 1e6 * metadata["cpu_seconds"] / metadata["records"],
        }
        return figures | {"back_everything": _killed(stack, None), "back_api": _killed(stack, "api")}


def _metrics(points: int) -> Iterable[bytes]:
    runs = [SyntheticRun(f"rebuilt-{i:03}") for i in range(RUNS)]
    template = Template([f"metric_{i:02}" for i in range(KEYS)], RECORD_POINTS)
    for run in runs:
        yield from run.opening()
    for turn in range(points // template.points):
        yield runs[turn % RUNS].record(template)
    for run in runs:
        yield from run.closing()


async def _append(settings: Settings, records: Iterable[bytes]) -> None:
    """Straight into the log, stamped as the gateway would."""
    async with kafka_producer(settings, linger_ms=5) as producer:
        headers = stamp("benchmark", "default")
        waiting: list[Any] = []
        for record in records:
            envelope = decode(record)
            waiting.append(
                await producer.send(envelope.stream, record, key=record_key(envelope), headers=headers)
            )
            if len(waiting) >= 2_000:
                await asyncio.gather(*waiting)
                waiting = []
        await asyncio.gather(*waiting)


def _wait_quiet(stack: Stack) -> None:
    connection = stack.connection()
    deadline = time.monotonic() + _PATIENCE
    while any(each["lag"] for each in connection.json("GET", "/api/v1/status")["projections"]):
        if time.monotonic() > deadline:
            raise RuntimeError(f"the projections were not level within {_PATIENCE} s")
        time.sleep(0.5)


def _rebuilt(stack: Stack, name: str) -> tuple[dict[str, Any], float]:
    """The progress of a rebuild at its end, and the CPU seconds that the whole stack used until it was read."""
    connection = stack.connection()
    before = sum(stack.cpu().values())
    job = connection.json("POST", "/api/v1/rebuilds", {"projection": name, "flip": False})
    path = f"/api/v1/rebuilds/{name}/{job['version']}"
    used = 0.0
    deadline = time.monotonic() + _PATIENCE
    while not job["over"]:
        if time.monotonic() > deadline:
            raise RuntimeError(f"the rebuild was not over within {_PATIENCE} s: {job}")
        time.sleep(0.2)
        if job["phase"] in ("waiting", "reading"):
            used = sum(stack.cpu().values()) - before
        job = connection.json("GET", path)
    if job["phase"] != "done":
        raise RuntimeError(f"the rebuild is {job['phase']}: {job['findings'] or job['error']}")
    progress: dict[str, Any] = job["progress"]
    return progress, used


def _killed(stack: Stack, child: str | None) -> float:
    """Seconds from kill -9 of everything and a new start, or of one child, until ingest and queries are back."""
    status = stack_status(stack.data_dir)
    pids = {name: each["pid"] for name, each in status["children"].items()}
    victims = [status["pid"], *pids.values()] if child is None else [pids[child]]
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    start = time.monotonic()
    if child is None:
        stack.up()
    run = SyntheticRun("after the kill")
    while True:
        try:
            connection = stack.connection()
            _write_and_read(connection, run)
            return time.monotonic() - start
        except (OSError, HTTPException, HttpError):
            time.sleep(0.02)


def _write_and_read(connection: Connection, run: SyntheticRun) -> None:
    body = connection.request(
        "POST", "/api/v1/ingest", encode_batch(run.opening()), {"Content-Type": CONTENT_TYPE}
    )
    reply = msgspec.msgpack.decode(body, type=IngestReply)
    positions = ",".join(f"{topic}:{partition}:{offset}" for topic, partition, offset in reply.positions)
    connection.get(f"/api/v1/wait?positions={positions}&timeout=30")
    connection.get(f"/api/v1/runs/{run.run}")
