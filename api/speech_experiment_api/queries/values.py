"""GET /values: what a field of the filter language may be compared with; GET /test-sets."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ..params import integer, plain
from ..problems import bad_request
from ..routing import Param as QueryParam
from ..routing import Routes
from .documents import FieldValues, TestSets
from .fields import (
    PREFIXES,
    Column,
    ExperimentColumn,
    Field,
    Param,
    Result,
    Tag,
    TestSet,
    resolve,
)
from .grammar import parse_path
from .needs import EVERY, Needs, needs_of
from .predicates import status_expression
from .reading import AS_OF, Reading, filter_problem, reading
from .sql import Binder
from .syntax import FilterError, Query
from .visibility import visible

routes = Routes("values")
MAX_VALUES, DEFAULT_VALUES = 1_000, 100
RECENT_RUNS = 10_000
"""Keys of params, tags and metrics, and their values, are counted over so many of the newest runs."""


@routes.get(
    "/api/v1/values",
    access="viewer",
    response=FieldValues,
    params=[
        QueryParam(
            "field", "language, task, tags, tags.stage, params, params.lr, metrics, test_set …", required=True
        ),
        QueryParam("prefix", "values that begin so, upper and lower case alike"),
        QueryParam("limit", f"values, up to {MAX_VALUES} (default {DEFAULT_VALUES})", int),
        AS_OF,
    ],
)
async def field_values(request: Request) -> Response:
    """The values that a field has in the newest 10,000 runs, the most frequent first.

    `params`, `tags` and `metrics` alone give their keys.
    """
    async with reading(request) as read:
        return read.not_modified() if read.unchanged else read.answer(await _found(read))


async def _found(read: Reading) -> dict[str, object]:
    request = read.request
    field = request.query_params.get("field", "")
    limit = integer(request, "limit", DEFAULT_VALUES, 1, MAX_VALUES)
    bind = Binder()
    try:
        await read.world.fields(_needs(field))
        source = _source(read, field, bind)
    except FilterError as error:
        raise filter_problem(error, "field") from None
    prefix = bind(plain(request.query_params.get("prefix", "")).lower(), "text")
    runs = _recent(read, bind)
    sql = (
        f"with r as ({runs}) select value, count(*) as count from ({source}) found "
        f"where value <> '' and starts_with(lower(value), {prefix}) "
        f"group by value order by count(*) desc, value limit {limit}"
    )
    rows = await read.fetch(sql, *bind.values)
    return {"field": field, "values": [dict(row) for row in rows]}


def _needs(field: str) -> Needs:
    keys = PREFIXES.get(field.strip().lower())
    if keys is None:
        return needs_of(Query(), [parse_path(field)])
    needs = Needs()
    getattr(needs, keys).add(EVERY)
    return needs


def _recent(read: Reading, bind: Binder) -> str:
    where = visible(read.tables, bind, read.scope)
    return (
        f"select r.* from {read.tables.metadata}.runs r where {where} "
        f"order by r.created_at desc, r.id desc limit {RECENT_RUNS}"
    )


def _source(read: Reading, field: str, bind: Binder) -> str:
    """A query for rows (value), one for each run that has it, over the runs r. Raises FilterError."""
    keys = PREFIXES.get(field.strip().lower())
    if keys is not None:
        return _keys(read, keys)
    return _values(read, resolve(parse_path(field)), bind)


def _keys(read: Reading, kind: str) -> str:
    if kind == "metrics":
        return f"select s.key as value from r join {read.tables.metrics}.summaries s on s.run_id = r.id and s.rank = 0"
    return f"select s.key as value from r join {read.tables.metadata}.run_{kind} s on s.run_id = r.id"


def _values(read: Reading, field: Field, bind: Binder) -> str:
    metadata = read.tables.metadata
    match field:
        case Column(kind="list") as column:
            return f"select item as value from r, unnest({column.expression}) item"
        case Column(name="status"):
            return f"select {status_expression(bind, read.now)} as value from r"
        case Column() as column if column.kind in ("text", "number"):
            return f"select {column.expression}::text as value from r"
        case ExperimentColumn() as column:
            join = f"join {metadata}.experiments e on e.id = r.experiment_id"
            return f"select {column.expressions[0]}::text as value from r {join}"
        case Param(key):
            where = f"p.run_id = r.id and p.key = {bind(key, 'text')}"
            return (
                f"select coalesce(p.num::text, p.txt) as value from r join {metadata}.run_params p on {where}"
            )
        case Tag(key):
            where = f"t.run_id = r.id and t.key = {bind(key, 'text')}"
            return f"select t.value from r join {metadata}.run_tags t on {where}"
        case TestSet():
            return f"select distinct x.test_set as value, r.id from r join {read.tables.results} x on x.run_id = r.id"
        case Result() | _:
            raise bad_request(
                "this field has numbers of its own in every run; compare it with a bound", "field"
            )


@routes.get("/api/v1/test-sets", access="viewer", response=TestSets, params=[AS_OF])
async def test_sets(request: Request) -> Response:
    """The test sets that runs have results on, with their metrics."""
    async with reading(request) as read:
        return read.not_modified() if read.unchanged else read.answer({"test_sets": await _sets(read)})


async def _sets(read: Reading) -> list[msgspec.Raw]:
    await read.world.fields(Needs(results={EVERY}))
    bind = Binder()
    where = visible(read.tables, bind, read.scope)
    sql = (
        "select json_build_object('test_set', x.test_set, 'metrics', array_agg(distinct x.metric), "
        "'runs', count(distinct x.run_id), 'latest', max(x.time))::text "
        f"from {read.tables.results} x join {read.tables.metadata}.runs r on r.id = x.run_id "
        f"where {where} and x.test_set <> '' group by x.test_set order by x.test_set"
    )
    return [msgspec.Raw(row[0].encode()) for row in await read.fetch(sql, *bind.values)]
