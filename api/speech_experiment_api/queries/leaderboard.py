"""GET /leaderboard: runs by their results on test sets."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ..params import integer, plain, test_sets
from ..routing import Param, Routes
from .details import json_object
from .directions import higher_is_better
from .documents import Leaderboard
from .needs import needs_of
from .plans import Planner
from .predicates import status_expression
from .reading import Reading, filter_problem, reading
from .runs import FILTER_PARAMS, question_of
from .sql import Binder
from .syntax import FilterError

routes = Routes("leaderboard")
MAX_ROWS, DEFAULT_ROWS = 1_000, 100
MAX_TEST_SETS = 20


@routes.get(
    "/api/v1/leaderboard",
    access="viewer",
    response=Leaderboard,
    params=[
        Param("metric", "wer, cer, … (default wer)"),
        Param("test_set", "may be given several times (default: the ones with most results)", many=True),
        *FILTER_PARAMS,
        Param("limit", f"rows, up to {MAX_ROWS} (default {DEFAULT_ROWS})", int),
    ],
)
async def leaderboard(request: Request) -> Response:
    """Runs and decodings by a metric on test sets, the best first."""
    async with reading(request) as read:
        return read.not_modified() if read.unchanged else read.answer(await _board(read))


async def _board(read: Reading) -> dict[str, object]:
    request = read.request
    metric = plain(request.query_params.get("metric", "wer"))
    limit = integer(request, "limit", DEFAULT_ROWS, 1, MAX_ROWS)
    try:
        needs = needs_of(question_of(read).query)
        needs.results.add(metric)
        await read.world.fields(needs)
        shown = test_sets(request, MAX_TEST_SETS) or await _most_frequent(read, metric)
        rows = await _rows(read, metric, shown, limit)
    except FilterError as error:
        raise filter_problem(error, "filter") from None
    return {
        "metric": metric,
        "higher_is_better": higher_is_better(metric),
        "test_sets": shown,
        "rows": rows,
    }


async def _most_frequent(read: Reading, metric: str) -> list[str]:
    bind = Binder()
    sql = (
        f"select x.test_set from {_results(read, metric, bind)} "
        f"group by x.test_set order by count(*) desc, x.test_set limit {MAX_TEST_SETS}"
    )
    return sorted(row["test_set"] for row in await read.fetch(sql, *bind.values))


async def _rows(read: Reading, metric: str, test_sets: list[str], limit: int) -> list[msgspec.Raw]:
    """The best rows: those that miss fewer of the test sets, then by their mean."""
    bind = Binder()
    wanted = bind(test_sets, "text[]")
    newest = (
        f"select distinct on (x.run_id, x.decoding, x.test_set) x.run_id, x.decoding, x.test_set, x.value "
        f"from {_results(read, metric, bind)} and x.test_set = any({wanted}) "
        'order by x.run_id, x.decoding, x.test_set, x."offset" desc, x.key desc'
    )
    direction = "desc" if higher_is_better(metric) else "asc"
    board = (
        "select run_id, decoding, json_object_agg(test_set, value order by test_set) as values, "
        f"avg(value) as mean, cardinality({wanted}) - count(*) as missing from newest group by run_id, decoding "
        f"order by missing, avg(value) = 'NaN'::float8, mean {direction}, run_id, decoding limit {limit}"
    )
    row = json_object(
        {
            "run_id": "b.run_id",
            "run": "r.name",
            "experiment": "e.name",
            "status": status_expression(bind, read.now),
            "decoding": "b.decoding",
            "values": "b.values",
            "mean": "b.mean",
            "missing": "b.missing",
        },
        bind,
    )
    sql = (
        f"with newest as ({newest}), board as ({board}) select {row}::text from board b "
        f"join {read.tables.metadata}.runs r on r.id = b.run_id "
        f"left join {read.tables.metadata}.experiments e on e.id = r.experiment_id "
        f"order by b.missing, b.mean = 'NaN'::float8, b.mean {direction}, b.run_id, b.decoding"
    )
    return [msgspec.Raw(found[0].encode()) for found in await read.fetch(sql, *bind.values)]


def _results(read: Reading, metric: str, bind: Binder) -> str:
    """Results of whole test sets in the metric, of the runs that the question takes: a FROM and WHERE."""
    conditions = Planner(read.tables, question_of(read)).conditions(bind, probing=False)
    return (
        f"{read.tables.results} x join {read.tables.metadata}.runs r on r.id = x.run_id "
        f"where x.metric = {bind(metric, 'text')} and x.speaker = '' and x.rule >= 0 and {conditions}"
    )
