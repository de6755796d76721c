"""How the server is doing: lag, dead letters, workers, ingest; for people and for Prometheus."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from .health import readiness
from .outages import is_outage
from .positions import Place
from .problems import Problem
from .responses import json_response
from .routing import Routes
from .services import Services, services_of
from .telemetry import CONTENT_TYPE
from .versions import PROJECTION_OF, TOPIC_OF

routes = Routes("status")


class ProjectionStatus(msgspec.Struct):
    """lag: records in the log that are not projected yet; dead_letters: parked, not replayed."""

    name: str
    version: int
    topic: str
    lag: int
    dead_letters: int
    positions: dict[int, int]
    ends: dict[int, int]


class ServerStatus(msgspec.Struct):
    """workers: the latest word of each consumer process; ingest: counters since this process started."""

    ready: bool
    checks: dict[str, str]
    url: str
    pid: int
    uptime_seconds: float
    projections: list[ProjectionStatus]
    workers: list[dict[str, Any]]
    ingest: dict[str, float]


@routes.get("/api/v1/status", access="viewer", response=ServerStatus)
async def status(request: Request) -> Response:
    """The state of every part, as `speech-tracker status` shows it."""
    services = services_of(request)
    checks = await readiness(services)
    body = ServerStatus(
        ready=all(value == "ok" for value in checks.values()),
        checks=checks,
        url=services.settings.url,
        pid=os.getpid(),
        uptime_seconds=round(time.time() - services.telemetry.started, 3),
        projections=await _or_nothing(projections(services)),
        workers=await _or_nothing(workers(services)),
        ingest=services.telemetry.snapshot(),
    )
    return json_response(body)


@routes.get("/metrics", access="public", produces=CONTENT_TYPE)
async def metrics(request: Request) -> Response:
    """Counters and gauges in the Prometheus text format."""
    services = services_of(request)
    lines = [services.telemetry.text().decode()]
    lines += _lines(await _or_nothing(projections(services)), await _or_nothing(workers(services)))
    return Response("".join(lines), media_type=CONTENT_TYPE)


async def _or_nothing(reading: Any) -> list[Any]:
    """The list, or an empty one while a store is away: a status says what it can."""
    try:
        found: list[Any] = await reading
    except Problem:
        return []
    except Exception as error:
        if is_outage(error):
            return []
        raise
    return found


async def projections(services: Services) -> list[ProjectionStatus]:
    """Position, lag and dead letters of every live projection."""
    versions = await services.stores.versions.all()
    letters, projected, ends = await asyncio.gather(
        _dead_letters(services), services.positions.next_offsets(), services.ends.of(*PROJECTION_OF)
    )
    return [
        _projection(name, versions[name], letters.get(name, 0), projected, ends)
        for name in TOPIC_OF
        if name in versions
    ]


def _projection(
    name: str, version: int, letters: int, projected: Mapping[Place, int], ends: Mapping[Place, int]
) -> ProjectionStatus:
    topic = TOPIC_OF[name]
    end = {partition: offset for (each, partition), offset in ends.items() if each == topic}
    position = {partition: projected.get((topic, partition), 0) for partition in end}
    lag = sum(max(0, end[partition] - position[partition]) for partition in end)
    return ProjectionStatus(name, version, topic, lag, letters, position, end)


async def _dead_letters(services: Services) -> dict[str, int]:
    schemas = await services.stores.versions.schemas()
    if not schemas:
        return {}
    counts = (
        f"select '{name}' as name, count(*) as letters from {schema}.dead_letters where replayed_at is null"  # noqa: S608
        for name, schema in schemas.items()
    )
    rows = await services.stores.pool.fetch(" union all ".join(counts))
    return {row["name"]: row["letters"] for row in rows}


async def workers(services: Services) -> list[dict[str, Any]]:
    """What the consumer processes last said of themselves, with the age of that word in seconds."""
    query = """
        select status || jsonb_build_object(
            'projection', projection, 'version', version, 'worker', worker,
            'age_seconds', round(extract(epoch from now() - updated_at)::numeric, 3)) as worker
        from coord.workers where updated_at > now() - interval '1 minute'
        order by projection, updated_at desc"""
    try:
        rows = await services.stores.pool.fetch(query)
    except asyncpg.UndefinedTableError:
        return []
    return [msgspec.json.decode(row["worker"]) for row in rows]


def _lines(parts: list[ProjectionStatus], seen: list[dict[str, Any]]) -> list[str]:
    lag = [({"projection": each.name}, each.lag) for each in parts]
    letters = [({"projection": each.name}, each.dead_letters) for each in parts]
    named = [({name: str(each[name]) for name in ("projection", "version", "worker")}, each) for each in seen]
    latencies = [
        ({**labels, "quantile": quantile}, each[column][field] / 1000)
        for labels, each in named
        for column, field, quantile in (("latency_ms", "p50", "0.5"), ("latency_ms", "p99", "0.99"))
    ]
    return [
        *_gauge("speech_tracker_projection_lag", "Records in the log, not projected", lag),
        *_gauge("speech_tracker_dead_letters", "Records parked, not replayed", letters),
        *_gauge(
            "speech_tracker_worker_age_seconds",
            "Since a consumer process last reported",
            [(labels, each["age_seconds"]) for labels, each in named],
        ),
        *_gauge("speech_tracker_projection_seconds", "From the log's append to the projection", latencies),
    ]


def _gauge(name: str, meaning: str, samples: Sequence[tuple[dict[str, Any], float]]) -> list[str]:
    lines = [f"# HELP {name} {meaning}\n", f"# TYPE {name} gauge\n"]
    for labels, value in samples:
        text = ",".join(f'{label}="{_escaped(str(each))}"' for label, each in labels.items())
        lines.append(f"{name}{{{text}}} {value}\n")
    return lines


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
