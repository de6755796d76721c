"""GET /runs/{id}/curves and /curves: points of metrics, whole or thinned out with their extremes kept."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from speech_experiment_projections.curves import CurveRequest, CurveRun, Speaker, curve_query
from speech_experiment_projections.effective import Resume
from speech_experiment_schemas.ids import run_hash

from ..params import flag, integer, number, path_uuid
from ..problems import bad_request
from ..routing import Param, Routes
from .documents import Curves, ManyCurves
from .reading import AS_OF, Reading, missing_run, reading
from .sql import Binder
from .visibility import visible

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

routes = Routes("curves")

ARROW = "application/vnd.apache.arrow.stream"
AXES = ("step", "epoch", "time", "relative")
MAX_RUNS, MAX_KEYS = 200, 200
DEFAULT_POINTS, MAX_POINTS = 2_000, 100_000
MAX_THINNED, MAX_WHOLE = 4_000_000, 50
"""Points of one answer when thinned out; series of one answer when whole."""
THIN_HERE = 500_000
"""Up to so many points it is quicker to read them all and thin them out here than in the store."""
_UNCOMPRESSED = {"output_format_arrow_compression_method": "none"}
_IN_TURN = {"max_threads": 1}
"""So few points are in their order as they are read: by one thread alone they need not be merged."""

PARAMS = [
    Param("key", "metric; may be given several times", required=True, many=True),
    Param(
        "points", f"about so many a series, extremes kept; 0: all of them (default {DEFAULT_POINTS:,})", int
    ),
    Param("axis", "step, epoch, time or relative (default step)"),
    Param("begin", "only from here on the axis: a step, an epoch, or seconds as in the answer", float),
    Param("end", "only up to here on the axis", float),
    Param("rank", "one rank, or `all` (default 0)"),
    Param("abandoned", "the abandoned tails of resumed runs too, flagged (default false)", bool),
    AS_OF,
]


@routes.get("/api/v1/runs/{id}/curves", access="viewer", response=Curves, params=PARAMS)
async def run_curves(request: Request) -> Response:
    """Curves of a run, as JSON or, with Accept: application/vnd.apache.arrow.stream, as one Arrow table."""
    return await _curves(request, [path_uuid(request)], many=False)


@routes.get(
    "/api/v1/curves",
    access="viewer",
    response=ManyCurves,
    params=[Param("run", "id; may be given several times", required=True, many=True), *PARAMS],
)
async def many_curves(request: Request) -> Response:
    """Curves of several runs; the Arrow table has a column `run`."""
    runs = [_uuid(text) for text in dict.fromkeys(request.query_params.getlist("run"))]
    if not 0 < len(runs) <= MAX_RUNS:
        raise bad_request(f"name 1 to {MAX_RUNS} runs, got {len(runs)}", "run")
    return await _curves(request, runs, many=True)


async def _curves(request: Request, runs: list[UUID], many: bool) -> Response:
    keys = _keys(request)
    async with reading(request) as read:
        if read.unchanged:
            return read.not_modified()
        await read.world.series(runs, keys)
        known = await _known(read, runs, keys)
    asked = _request(read, known.runs, keys)
    client: Client = read.services.stores.clickhouse
    table = f"metric_points_v{read.tables.versions[1]}"
    arrow = ARROW in request.headers.get("accept", "")
    answer = _Answer(runs, many, read.vector.token(), arrow)
    here = known.points * _share(asked, known.last_step) <= THIN_HERE
    body = await asyncio.to_thread(_body, client, table, asked, answer, here)
    return Response(body, media_type=ARROW if arrow else "application/json", headers=read.headers)


class _Answer(NamedTuple):
    """How an answer is written."""

    runs: Sequence[UUID]
    many: bool
    vector: str
    arrow: bool


def _body(client: Client, table: str, asked: CurveRequest, answer: _Answer, here: bool) -> bytes:
    """Asks the store and writes the answer; blocks, so it has a thread of its own.

    here: whether curves are to be thinned out here.
    """
    from .points import Points, arrow_body, json_body, thin_out

    query = curve_query(table, replace(asked, points=0) if here else asked)
    settings: dict[str, Any] = _UNCOMPRESSED | (_IN_TURN if here else {})
    stream = client.raw_query(query.sql, query.parameters, settings=settings, fmt="ArrowStream")
    points = Points(stream, query.columns, answer.runs, asked)
    if here and asked.points:
        thin_out(points, asked.points)
    if answer.arrow:
        return arrow_body(points, answer.many)
    return json_body(points, answer.many, answer.vector)


class _Known(NamedTuple):
    """What Postgres says of the runs, how many points their effective curves have in all, and the last step of any."""

    runs: tuple[CurveRun, ...]
    points: int
    last_step: int


def _share(asked: CurveRequest, last_step: int) -> float:
    """About which part of their points lies between `begin` and `end`: as if steps had points alike."""
    if asked.axis != "step":
        return 1.0
    begin = max(0.0, asked.begin or 0.0)
    end = last_step if asked.end is None else min(asked.end, last_step)
    return min(1.0, max(0.0, end - begin + 1) / (last_step + 1)) if last_step > 0 else 1.0


async def _known(read: Reading, runs: list[UUID], keys: tuple[str, ...]) -> _Known:
    """The ledger's and the attempts' word on the runs, in their order; 404 names one that is not to be seen."""
    bind, metrics = Binder(), read.tables.metrics
    ledger = f"from {metrics}.ledger l where l.run_id = r.id order by l.producer"
    attempts = f'from {metrics}.attempts a where a.run_id = r.id order by a.attempt, a."offset"'
    sql = f"""
        select r.id, coalesce(r.started_at, r.created_at) as origin,
            array(select l.hash {ledger}) as producers,
            array(select coalesce(l.rank, 0) {ledger}) as ranks,
            array(select coalesce(l.attempt, 1) {ledger}) as tries,
            array(select a.attempt {attempts}) as attempts,
            array(select a.from_step {attempts}) as from_steps,
            s.points, s.last_step
        from {read.tables.metadata}.runs r
        cross join lateral (
            select coalesce(sum(s.count), 0)::bigint as points, max(s.last_step) as last_step
            from {metrics}.summaries s where s.run_id = r.id and s.key = any({bind(list(keys), "text[]")})) s
        where r.id = any({bind(runs, "uuid[]")}) and {visible(read.tables, bind, read.scope)}"""
    rows = {row["id"]: row for row in await read.fetch(sql, *bind.values)}
    for run in runs:
        if run not in rows:
            raise missing_run(run, read)
    return _Known(
        tuple(_curve_run(rows[run]) for run in runs),
        sum(row["points"] for row in rows.values()),
        max((row["last_step"] or 0 for row in rows.values()), default=0),
    )


def _curve_run(row: Any) -> CurveRun:
    hashes = (value % 2**64 for value in row["producers"])
    return CurveRun(
        hash=run_hash(row["id"]),
        speakers=tuple(map(Speaker, hashes, row["ranks"], row["tries"])),
        resumes=tuple(map(Resume, row["attempts"], row["from_steps"])),
        origin=_microseconds(row["origin"]),
    )


def _microseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)


def _request(read: Reading, runs: tuple[CurveRun, ...], keys: tuple[str, ...]) -> CurveRequest:
    request = read.request
    points = integer(request, "points", DEFAULT_POINTS, 0, MAX_POINTS)
    series = len(runs) * len(keys)
    if points * series > MAX_THINNED:
        limit = MAX_THINNED // series
        raise bad_request(f"{series} series may have at most {limit} points each, got {points}", "points")
    if not points and series > MAX_WHOLE:
        raise bad_request(
            f"at most {MAX_WHOLE} whole curves are given at once, got {series}; set points", "points"
        )
    axis = request.query_params.get("axis", "step")
    if axis not in AXES:
        raise bad_request(f"must be one of {', '.join(AXES)}, got {axis[:50]!r}", "axis")
    return CurveRequest(
        runs=runs,
        keys=keys,
        axis=axis,  # type: ignore[arg-type]
        points=points,
        rank=_rank(request),
        abandoned=flag(request, "abandoned"),
        begin=_place(request, "begin", axis),
        end=_place(request, "end", axis),
        as_of=read.vector.below("metrics"),
    )


def _place(request: Request, name: str, axis: str) -> float | None:
    """A place on the axis, as the store has it."""
    value = number(request, name)
    return value if value is None or axis in ("step", "epoch") else value * 1e6


def _rank(request: Request) -> int | None:
    if request.query_params.get("rank") == "all":
        return None
    return integer(request, "rank", 0, 0, 2**31 - 1)


def _keys(request: Request) -> tuple[str, ...]:
    keys = tuple(dict.fromkeys(request.query_params.getlist("key")))
    if not 0 < len(keys) <= MAX_KEYS:
        raise bad_request(
            f"name 1 to {MAX_KEYS} metrics, as key=train_loss&key=val_wer; got {len(keys)}", "key"
        )
    return keys


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise bad_request(f"{text[:50]!r} is not the id of a run", "run") from None
