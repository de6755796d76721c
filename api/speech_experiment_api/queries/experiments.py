"""GET /experiments and /experiments/{id}."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ..params import flag, integer, path_uuid, plain
from ..problems import Problem, not_found
from ..routing import Param, Routes
from .cursors import Cursor, open_cursor, question_digest, seal_cursor
from .details import json_object
from .directions import higher_is_better
from .documents import ExperimentDetails, ExperimentPage
from .needs import EVERY, Needs
from .predicates import status_expression
from .reading import AS_OF, Reading, cursor_secret, reading
from .sql import Binder, Tables
from .visibility import Scope, visible, visible_experiment

routes = Routes("experiments")
MAX_LIMIT, DEFAULT_LIMIT = 500, 50
_DELETED = Param("deleted", "the deleted ones instead of the others; admins only (default false)", bool)


@routes.get(
    "/api/v1/experiments",
    access="viewer",
    response=ExperimentPage,
    params=[
        Param("name", "a part of the name"),
        Param("task", "asr, tts, …"),
        Param("archived", "the archived ones instead of the others (default false)", bool),
        _DELETED,
        Param("limit", f"experiments a page, up to {MAX_LIMIT} (default {DEFAULT_LIMIT})", int),
        Param("cursor", "next_cursor of the page before"),
        AS_OF,
    ],
)
async def list_experiments(request: Request) -> Response:
    """Experiments, the newest first, with how their runs are doing."""
    async with reading(request) as read:
        return read.not_modified() if read.unchanged else read.answer(await _page(read))


async def _page(read: Reading) -> dict[str, object]:
    request = read.request
    limit = integer(request, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT)
    digest = question_digest("experiments", read.actor.workspace, *_asked(request))
    after = _cursor(read, digest)
    await read.world.fields(Needs())
    bind = Binder()
    where = [visible_experiment(read.tables, bind, _scope(read)), *_conditions(request, bind)]
    if after is not None:
        place = f"{bind(after.values[0], 'timestamptz')}, {bind(after.last_id, 'uuid')}"
        where.append(f"(e.created_at, e.id) < ({place})")
    rows = await _rows(read, bind, where, limit + 1)
    following = _following(read, rows, limit, digest)
    return {"experiments": [row.body for row in rows[:limit]], "next_cursor": following}


class _Row(msgspec.Struct):
    id: UUID
    created_at: datetime
    body: msgspec.Raw


async def _rows(read: Reading, bind: Binder, where: list[str], limit: int) -> list[_Row]:
    sql = (
        f"select e.id, e.created_at, {json_object(_fields(read.tables, bind, read), bind)}::text as body "
        f"from {read.tables.metadata}.experiments e where {' and '.join(where)} "
        f"order by e.created_at desc, e.id desc limit {limit}"
    )
    found = await read.fetch(sql, *bind.values)
    return [_Row(row["id"], row["created_at"], msgspec.Raw(row["body"].encode())) for row in found]


def _fields(tables: Tables, bind: Binder, read: Reading) -> dict[str, str]:
    status = status_expression(bind, read.now)
    mine = f"r.experiment_id = e.id and {visible(tables, bind, _scope(read))}"
    runs = f"from {tables.metadata}.runs r where {mine}"
    counts = (
        "json_build_object('total', count(*), 'running', count(*) filter (where s.status = 'running'), "
        "'finished', count(*) filter (where s.status = 'finished'), "
        "'failed', count(*) filter (where s.status in ('failed', 'lost', 'lost contact')), "
        "'cancelled', count(*) filter (where s.status = 'cancelled'))"
    )
    counted = f"from {tables.metadata}.runs r cross join lateral (select {status} as status) s where {mine}"
    latest = (
        f"(select json_build_object('id', r.id, 'name', r.name, 'status', {status}, 'created_at', r.created_at) "
        f"{runs} order by r.created_at desc, r.id desc limit 1)"
    )
    plain = "id name birth_name task description tags archived created_at updated_at"
    return {
        **{name: f"e.{name}" for name in plain.split()},
        "user": "e.user_name",
        "runs": f"(select {counts} {counted})",
        "latest": latest,
    }


def _asked(request: Request) -> list[str]:
    return [request.query_params.get(name, "") for name in ("name", "task", "archived", "deleted")]


def _conditions(request: Request, bind: Binder) -> list[str]:
    name, task = request.query_params.get("name"), request.query_params.get("task")
    conditions = ["e.archived" if flag(request, "archived") else "not e.archived"]
    if name:
        part = bind(plain(name).lower(), "text")
        conditions.append(f"(strpos(lower(e.name), {part}) > 0 or strpos(lower(e.birth_name), {part}) > 0)")
    if task:
        conditions.append(f"e.task = {bind(plain(task), 'text')}")
    return conditions


def _scope(read: Reading) -> Scope:
    deleted = flag(read.request, "deleted")
    if deleted and read.actor.role != "admin":
        raise Problem(
            403, "forbidden", "deleted experiments are shown to the role admin alone", field="deleted"
        )
    return read.scope_of(deleted)


def _cursor(read: Reading, digest: bytes) -> Cursor | None:
    text = read.request.query_params.get("cursor")
    return open_cursor(text, cursor_secret(read), read.tables.lines, digest) if text else None


def _following(read: Reading, rows: list[_Row], limit: int, digest: bytes) -> str | None:
    if len(rows) <= limit:
        return None
    last = rows[limit - 1]
    cursor = Cursor(read.tables.lines, digest, (last.created_at,), last.id.bytes, read.vector.token())
    return seal_cursor(cursor, cursor_secret(read))


@routes.get("/api/v1/experiments/{id}", access="viewer", response=ExperimentDetails, params=[_DELETED, AS_OF])
async def get_experiment(request: Request) -> Response:
    """An experiment with its best results."""
    experiment = path_uuid(request)
    async with reading(request) as read:
        return read.not_modified() if read.unchanged else read.answer(await _details(read, experiment))


async def _details(read: Reading, experiment: UUID) -> dict[str, Any]:
    await read.world.fields(Needs(results={EVERY}))
    bind = Binder()
    here = f"e.id = {bind(experiment, 'uuid')}"
    rows = await _rows(read, bind, [here, visible_experiment(read.tables, bind, _scope(read))], 1)
    if not rows:
        raise not_found(f"the experiment {experiment}")
    body = msgspec.json.decode(rows[0].body, type=dict[str, msgspec.Raw])
    return body | {"links": await _links(read, experiment), "best": await _best(read, experiment)}


async def _links(read: Reading, experiment: UUID) -> list[dict[str, Any]]:
    sql = (
        f"select kind, target as experiment_id from {read.tables.metadata}.experiment_links "
        "where experiment_id = $1 order by kind, target"
    )
    return [dict(row) for row in await read.fetch(sql, experiment)]


async def _best(read: Reading, experiment: UUID) -> list[dict[str, Any]]:
    """The best run of each test set, metric and decoding, by the metric's direction."""
    bind = Binder()
    chosen = bind(experiment, "uuid")
    where = f"r.experiment_id = {chosen} and {visible(read.tables, bind, _scope(read))}"
    ends = (
        f"select distinct on (x.test_set, x.metric, x.decoding) x.test_set, x.metric, x.decoding, x.value, "
        f"x.run_id, r.name as run from {read.tables.metadata}.runs r "
        f"join {read.tables.results} x on x.run_id = r.id "
        f"where {where} and x.speaker = '' and x.value < 'NaN'::float8 "
        "order by x.test_set, x.metric, x.decoding, x.value"
    )
    lowest = {_result(row): dict(row) for row in await read.fetch(f"{ends}, r.created_at", *bind.values)}
    highest = {
        _result(row): dict(row) for row in await read.fetch(f"{ends} desc, r.created_at", *bind.values)
    }
    return [highest[key] if higher_is_better(key[1]) else lowest[key] for key in lowest]


def _result(row: Any) -> tuple[str, str, str]:
    return row["test_set"], row["metric"], row["decoding"]
