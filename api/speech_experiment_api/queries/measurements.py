"""GET /measurements and /measurements/comparison: tasks other than recognition, and which system is better.

Numbers stand side by side only where their definitions are equal: else the answer says what differs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from speech_experiment_projections.scoring.definitions import Definition, differences
from speech_experiment_projections.scoring.intervals import LEVEL
from speech_experiment_projections.scoring.paired import Parts
from speech_experiment_schemas.ids import birth_name

from ..params import identity, integer, plain
from ..problems import Problem, bad_request
from ..routing import Param, Routes
from .calculators import answered
from .directions import higher_is_better
from .needs import needs_of
from .plans import Planner
from .reading import Reading, filter_problem, reading
from .runs import FILTER_PARAMS, question_of
from .scored import known
from .sql import Binder
from .syntax import FilterError

routes = Routes("measurements")
MAX_ROWS, DEFAULT_ROWS = 1_000, 100
_PAIRED, _DRAWS = 50, 2_000
"""Systems that are set against the best one, and draws of each: a second for 2,000 parts."""
_RUN = Param("run", "only those of a run")
_TASK = Param("task", "diarization, meeting, verification, spotting, listening, synthesis or intelligibility")
_TEST_SET = Param("test_set", "the name of the set")
_DEFINITION = Param("definition", "only those of a definition: its identity, or the beginning of it")


class Measurement(msgspec.Struct, kw_only=True):
    """headline  name of the number that systems are compared by
    values     numbers by name: seconds, shares and counts, never per cent
    intervals  {name: {low, high, level, method}} of those that have one
    definition what the numbers mean; those of one `identity` mean the same
    items      the parts that the numbers are pooled from, in columns: kind, total, ids, columns
    artifacts  role → path within the run, of what was scored
    """

    id: UUID
    run_id: UUID
    run: str
    task: str
    test_set: str
    name: str | None
    headline: str
    identity: str
    definition: dict[str, Any]
    values: dict[str, Any]
    intervals: dict[str, Any]
    items: dict[str, Any]
    artifacts: dict[str, str]
    decoding: dict[str, Any]
    checkpoint: str | None
    logged_at: datetime


class AgainstBest(msgspec.Struct):
    """How far a measurement is from the best one, by the parts that both have.

    difference   of the headline number on these parts, this one minus the best: above 0 it is worse
    low, high    ends of its interval at `level`, by draws of the parts
    improvement  share of draws in which this one is better, ties counted half
    parts        recordings, sessions or utterances that both have
    """

    difference: float
    low: float
    high: float
    level: float
    improvement: float
    parts: int


class ComparedMeasurement(Measurement, kw_only=True):
    """against_best  null for the best itself, for tasks without parts, and for parts of other references"""

    against_best: AgainstBest | None = None


class Measurements(msgspec.Struct):
    measurements: list[Measurement]
    vector: str


class MeasurementComparison(msgspec.Struct):
    """The newest measurement of each run and name, the best first."""

    task: str
    test_set: str
    headline: str | None
    higher_is_better: bool
    definition: dict[str, Any] | None
    identity: str | None
    measurements: list[ComparedMeasurement]
    vector: str


@routes.get(
    "/api/v1/measurements",
    access="viewer",
    response=Measurements,
    params=[
        _RUN,
        _TASK,
        _TEST_SET,
        _DEFINITION,
        *FILTER_PARAMS,
        Param("limit", f"rows, up to {MAX_ROWS} (default {DEFAULT_ROWS})", int),
    ],
)
async def measurements(request: Request) -> Response:
    """What runs measured, the newest first."""
    async with reading(request) as read:
        if read.unchanged:
            return read.not_modified()
        limit = integer(request, "limit", DEFAULT_ROWS, 1, MAX_ROWS)
        found = await _rows(read, f"select * from found m order by m.logged_at desc, m.id desc limit {limit}")
        return read.answer({"measurements": found})


@routes.get(
    "/api/v1/measurements/comparison",
    access="viewer",
    response=MeasurementComparison,
    params=[_TASK, _TEST_SET, _DEFINITION, *FILTER_PARAMS],
)
async def comparison(request: Request) -> Response:
    """Systems by their newest measurements on one set; 409 where these do not mean the same."""
    return await answered(request, _compared)


async def _compared(read: Reading) -> Callable[[], dict[str, Any]]:
    for name in ("task", "test_set"):
        if not read.request.query_params.get(name):
            raise bad_request(f"{name} is missing; a comparison is of one task on one test set", name)
    newest = (
        "select distinct on (m.run_id, coalesce(m.name, ''), m.identity) * from found m "
        "order by m.run_id, coalesce(m.name, ''), m.identity, m.logged_at desc, m.\"offset\" desc"
    )
    found = await _rows(read, f"select * from ({newest}) n limit {MAX_ROWS}")
    _refuse_mixtures(found)

    def work() -> dict[str, Any]:
        ranked = _ranked(read.request, found)
        for row in ranked["measurements"]:
            row["against_best"] = None
        _set_against_best(ranked["measurements"][:_PAIRED])
        return ranked

    return work


def _set_against_best(rows: Sequence[dict[str, Any]]) -> None:
    """Tells of each row but the first how far it is from that one."""
    parts = [Parts(row["task"], row["items"]["ids"], row["items"]["columns"]) for row in rows]
    for row, mine in zip(rows[1:], parts[1:], strict=True):
        found = mine.compared_with(parts[0], draws=_DRAWS)
        if found is not None:
            (difference, improvement), common = found
            row["against_best"] = {
                "difference": difference.value,
                "low": difference.low,
                "high": difference.high,
                "level": LEVEL,
                "improvement": improvement,
                "parts": common,
            }


def _ranked(request: Request, found: list[dict[str, Any]]) -> dict[str, Any]:
    headline = found[0]["headline"] if found else None
    higher = headline is not None and higher_is_better(headline.partition(".")[0])

    def place(row: Mapping[str, Any]) -> tuple[bool, float]:
        value = row["values"].get(headline)
        known_value = isinstance(value, int | float)
        return not known_value, (-value if higher else value) if known_value else 0.0

    return {
        "task": request.query_params["task"],
        "test_set": request.query_params["test_set"],
        "headline": headline,
        "higher_is_better": higher,
        "definition": found[0]["definition"] if found else None,
        "identity": found[0]["identity"] if found else None,
        "measurements": sorted(found, key=place),
    }


def _refuse_mixtures(found: Sequence[Mapping[str, Any]]) -> None:
    """Raises Problem 409 for definitions that differ: what differs, and how to take one of them."""
    by_identity: dict[str, list[Mapping[str, Any]]] = {}
    for row in found:
        by_identity.setdefault(row["identity"], []).append(row)
    if len(by_identity) < 2:
        return
    known_definitions = {
        identity: msgspec.convert(rows[0]["definition"], Definition) for identity, rows in by_identity.items()
    }
    first, *others = known_definitions.values()
    names = sorted({name for other in others for name in differences(first, other)})
    definitions = [
        {"identity": identity, "measurements": len(rows), "definition": rows[0]["definition"]}
        for identity, rows in by_identity.items()
    ]
    raise Problem(
        409,
        "not_comparable",
        f"the numbers do not mean the same: {', '.join(names)} differ between {len(by_identity)} definitions; "
        "ask for one of them with definition=",
        field="definition",
        extra={"differ": names, "definitions": definitions},
    )


async def _rows(read: Reading, select: str) -> list[dict[str, Any]]:
    bind = Binder()
    try:
        await read.world.fields(needs_of(question_of(read).query))
        sql = f"with found as ({_found(read, bind)}) {select}"
    except FilterError as error:
        raise filter_problem(error, "filter") from None
    return [_row(dict(row)) for row in await read.fetch(sql, *bind.values)]


def _found(read: Reading, bind: Binder) -> str:
    asked = read.request.query_params
    taken = Planner(read.tables, question_of(read)).conditions(bind, probing=False)
    conditions = [known(read, bind, "m"), taken]
    if run := asked.get("run"):
        conditions.append(f"m.run_id = {bind(identity(run, 'run', 'id of a run'), 'uuid')}")
    if task := asked.get("task"):
        conditions.append(f"m.task = {bind(_named(task), 'text')}")
    if test_set := asked.get("test_set"):
        conditions.append(f"m.test_set = {bind(_named(test_set), 'text')}")
    if definition := asked.get("definition"):
        conditions.append(f"starts_with(m.identity, {bind(_named(definition), 'text')})")
    return (
        f"select m.*, r.name as run from {read.tables.scores}.measurements m "
        f"join {read.tables.metadata}.runs r on r.id = m.run_id where {' and '.join(conditions)}"
    )


def _named(text: str) -> str:
    """As names are stored."""
    return birth_name(plain(text))


def _row(row: dict[str, Any]) -> dict[str, Any]:
    json = msgspec.json.decode
    plain = (
        "id",
        "run_id",
        "run",
        "task",
        "test_set",
        "name",
        "headline",
        "identity",
        "checkpoint",
        "logged_at",
    )
    trees = ("definition", "intervals", "items", "artifacts", "decoding")
    return {
        **{name: row[name] for name in plain},
        **{name: json(row[name]) for name in trees},
        "values": json(row["numbers"]),
    }
