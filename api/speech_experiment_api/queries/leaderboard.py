"""GET /leaderboard: runs by their results on test sets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ..params import integer
from ..problems import bad_request
from ..routing import Param, Routes
from .directions import higher_is_better
from .documents import Leaderboard, LeaderboardRow
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
    read = await reading(request)
    if read.unchanged:
        return read.not_modified()
    metric = request.query_params.get("metric", "wer")
    limit = integer(request, "limit", DEFAULT_ROWS, 1, MAX_ROWS)
    try:
        found = await _results(read, metric)
    except FilterError as error:
        raise filter_problem(error, "filter") from None
    wanted = _test_sets(request)
    board = ranked(found, metric, wanted, limit)
    return read.answer(board)


def _test_sets(request: Request) -> list[str]:
    wanted = list(dict.fromkeys(request.query_params.getlist("test_set")))
    if len(wanted) > MAX_TEST_SETS:
        raise bad_request(
            f"at most {MAX_TEST_SETS} test sets are shown at once, got {len(wanted)}", "test_set"
        )
    return wanted


async def _results(read: Reading, metric: str) -> list[Any]:
    """Every result in the metric of the runs that the filter takes, the newest of each kind last."""
    bind = Binder()
    planner = Planner(read.tables, question_of(read))
    where = planner.conditions(bind, probing=False)
    sql = (
        f"select r.id, r.name, e.name as experiment, {status_expression(bind, read.now)} as status, "
        f"x.test_set, x.decoding, x.value from {read.tables.metadata}.runs r "
        f"join {read.tables.metrics}.test_set_results x on x.run_id = r.id "
        f"left join {read.tables.metadata}.experiments e on e.id = r.experiment_id "
        f"where x.metric = {bind(metric.replace(chr(0), ''), 'text')} and x.speaker = '' and {where} "
        'order by x."offset", x.key'
    )
    return list(await read.pool.fetch(sql, *bind.values))


def ranked(results: Sequence[Any], metric: str, wanted: Sequence[str], limit: int) -> Leaderboard:
    """The rows, best first: those that miss fewer of the test sets, then by their mean.

    Without `wanted`, the test sets are those with most results.
    """
    shown = list(wanted) or _most_frequent(results)
    rows: dict[Any, LeaderboardRow] = {}
    for result in results:
        if result["test_set"] in shown:
            row = rows.setdefault((result["id"], result["decoding"]), _row(result))
            row.values[result["test_set"]] = result["value"]
    higher = higher_is_better(metric)
    for row in rows.values():
        row.missing = len(shown) - len(row.values)
        row.mean = sum(float(value or 0.0) for value in row.values.values()) / len(row.values)
    best = sorted(rows.values(), key=lambda row: _rank(row, higher))[:limit]
    return Leaderboard(metric, higher, shown, [_named(row) for row in best])


def _most_frequent(results: Sequence[Any]) -> list[str]:
    counts: dict[str, int] = {}
    for result in results:
        counts[result["test_set"]] = counts.get(result["test_set"], 0) + 1
    return sorted(sorted(counts, key=lambda name: -counts[name])[:MAX_TEST_SETS])


def _row(result: Any) -> LeaderboardRow:
    return LeaderboardRow(
        result["id"], result["name"], result["experiment"], result["status"], result["decoding"], {}, None, 0
    )


def _rank(row: LeaderboardRow, higher: bool) -> tuple[int, bool, float]:
    mean = float(row.mean or 0.0)
    return row.missing, math.isnan(mean), -mean if higher else mean


def _named(row: LeaderboardRow) -> LeaderboardRow:
    """With the names of what JSON has no numbers for."""
    row.values = {name: _json_number(value) for name, value in row.values.items()}
    row.mean = _json_number(row.mean)
    return row


def _json_number(value: float | str | None) -> float | str | None:
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
