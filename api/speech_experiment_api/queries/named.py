"""GET /search: whatever has a name with all of some words in it, for whoever knows the name and not the place."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ..params import integer, plain
from ..problems import bad_request
from ..routing import Param, Routes
from .details import json_object
from .needs import EVERY, Needs
from .plans import Question
from .reading import AS_OF, Reading, reading
from .reports import named
from .scored import known
from .search import describe, find_page
from .sql import Binder
from .syntax import And, Compare, Contains, Expression, Path, Query, Value
from .visibility import visible, visible_experiment

routes = Routes("named")
MAX_LIMIT, DEFAULT_LIMIT = 20, 6
LONGEST, MOST_WORDS = 200, 8
RECENT = 10_000
"""Evaluations and people are looked for in so many of the newest evaluations and runs, …"""
RESULTS_OF = 1_000
"""… and test sets that are not registered in the results of so many of the newest runs."""
_RUN_FIELDS = ("id", "name", "experiment", "status", "user", "created_at")


class NamedExperiment(msgspec.Struct):
    id: UUID
    name: str
    task: str | None
    created_at: datetime


class NamedRun(msgspec.Struct):
    id: UUID
    name: str
    experiment: str | None
    status: str
    user: str | None
    created_at: datetime


class NamedTestSet(msgspec.Struct):
    """runs: of the newest ones, those with a result on it."""

    name: str
    runs: int


class NamedEvaluation(msgspec.Struct):
    id: UUID
    run: str
    test_set: str | None
    name: str | None
    started_at: datetime


class NamedPerson(msgspec.Struct):
    """user: as their runs say; runs: how many of the newest ones are theirs."""

    user: str
    runs: int


class NamedReport(msgspec.Struct):
    """title: of the newest revision, which was saved then."""

    id: UUID
    title: str
    saved_at: datetime


class Named(msgspec.Struct):
    """Of each kind the newest first; people and test sets: those with most runs."""

    experiments: list[NamedExperiment]
    runs: list[NamedRun]
    test_sets: list[NamedTestSet]
    evaluations: list[NamedEvaluation]
    people: list[NamedPerson]
    reports: list[NamedReport]
    vector: str


@routes.get(
    "/api/v1/search",
    access="viewer",
    response=Named,
    params=[
        Param(
            "q",
            f"words that a name contains, all of them, upper and lower case alike; or a whole id (up to {LONGEST} "
            f"characters, {MOST_WORDS} words)",
            required=True,
        ),
        Param("limit", f"of each kind, up to {MAX_LIMIT} (default {DEFAULT_LIMIT})", int),
        AS_OF,
    ],
)
async def search(request: Request) -> Response:
    """Experiments, runs, test sets, evaluations, people and reports by words of their names."""
    words = _words(request.query_params.get("q", ""))
    limit = integer(request, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT)
    async with reading(request, walking=True) as read:
        if read.unchanged:
            return read.not_modified()
        await read.world.fields(Needs(results={EVERY}))
        return read.answer(
            {
                "experiments": await _experiments(read, words, limit),
                "runs": await _runs(read, words, limit),
                "test_sets": await _test_sets(read, words, limit),
                "evaluations": await _evaluations(read, words, limit),
                "people": await _people(read, words, limit),
                "reports": await _reports(read, words, limit),
            }
        )


def _words(text: str) -> list[str]:
    words = list(dict.fromkeys(plain(text).lower().split()))
    if len(text) > LONGEST:
        raise bad_request(f"has {len(text):,} characters, the limit is {LONGEST}", "q")
    if not words:
        raise bad_request("is empty; give a word of a name", "q")
    if len(words) > MOST_WORDS:
        raise bad_request(f"has {len(words)} words, the limit is {MOST_WORDS}", "q")
    return words


def _identity(words: list[str]) -> UUID | None:
    """The id, where that is what was given."""
    try:
        return UUID(words[0]) if len(words) == 1 else None
    except ValueError:
        return None


def _condition(name: str, words: list[str], bind: Binder, identity: str = "") -> str:
    """That the expression contains the words; or that the column `identity` is the id that was given."""
    if identity and (given := _identity(words)):
        return f"{identity} = {bind(given, 'uuid')}"
    return " and ".join(f"strpos(lower({name}), {bind(word, 'text')}) > 0" for word in words)


async def _experiments(read: Reading, words: list[str], limit: int) -> list[Any]:
    bind = Binder()
    fields = {name: f"e.{name}" for name in NamedExperiment.__struct_fields__}
    sql = (
        f"select {json_object(fields, bind)}::text as body from {read.tables.metadata}.experiments e "
        f"where {_condition('e.name', words, bind, 'e.id')} and {visible_experiment(read.tables, bind, read.scope)} "
        f"order by e.created_at desc, e.id desc limit {limit}"
    )
    return [msgspec.Raw(row["body"].encode()) for row in await read.fetch(sql, *bind.values)]


async def _runs(read: Reading, words: list[str], limit: int) -> list[msgspec.Raw]:
    identity = _identity(words)
    where: Expression = (
        Compare(Path("id"), "=", Value(str(identity)))
        if identity
        else And(tuple(Contains(Path("name"), Value(word)) for word in words))
    )
    question = Question(Query(where), read.scope, read.now)
    page = await find_page(
        read.connection, read.tables, question, None, limit, walking=not (read.past or identity)
    )
    await read.world.runs(page.ids)
    return await describe(read.connection, read.tables, page.ids, question, _RUN_FIELDS)


async def _test_sets(read: Reading, words: list[str], limit: int) -> list[dict[str, Any]]:
    """Registered ones, and those that the newest runs have results on."""
    bind = Binder()
    workspace = bind(read.actor.workspace, "text")
    registered = (
        f"select t.name, null::uuid as run_id from {read.tables.scores}.test_sets t where t.workspace = {workspace} and "
        f"exists (select from {read.tables.scores}.test_set_revisions v where v.test_set = t.id and {known(read, bind, 'v')})"
    )
    measured = (
        f"select x.test_set, r.id from ({_newest_runs(read, bind, RESULTS_OF)}) r cross join lateral "
        # `offset 0` has the few rows of each run fetched by their index, whatever else a plan might join
        f"(select distinct y.test_set from {read.tables.results} y where y.run_id = r.id offset 0) x"
    )
    sql = (
        f"select s.name, count(distinct s.run_id) as runs from ({registered} union all {measured}) s "
        f"where {_condition('s.name', words, bind)} group by 1 order by runs desc, 1 limit {limit}"
    )
    return [dict(row) for row in await read.fetch(sql, *bind.values)]


async def _evaluations(read: Reading, words: list[str], limit: int) -> list[dict[str, Any]]:
    bind = Binder()
    name = "concat_ws(' ', r.name, e.test_set_name, e.name)"
    recent = (
        f"select e.id, e.run_id, e.test_set_name, e.name, e.started_at from {read.tables.scores}.evaluations e "
        f"where e.workspace = {bind(read.actor.workspace, 'text')} and {known(read, bind, 'e')} "
        f"order by e.started_at desc, e.id desc limit {RECENT}"
    )
    sql = (
        "select e.id, r.name as run, e.test_set_name as test_set, e.name, e.started_at "
        f"from ({recent}) e join {read.tables.metadata}.runs r on r.id = e.run_id "
        f"where {_condition(name, words, bind, 'e.id')} and {visible(read.tables, bind, read.scope)} "
        f"order by e.started_at desc, e.id desc limit {limit}"
    )
    return [dict(row) for row in await read.fetch(sql, *bind.values)]


async def _people(read: Reading, words: list[str], limit: int) -> list[dict[str, Any]]:
    bind = Binder()
    sql = (
        f"select r.user_name as user, count(*) as runs from ({_newest_runs(read, bind, RECENT)}) r "
        f"where {_condition('r.user_name', words, bind)} group by 1 order by runs desc, 1 limit {limit}"
    )
    return [dict(row) for row in await read.fetch(sql, *bind.values)]


async def _reports(read: Reading, words: list[str], limit: int) -> list[dict[str, Any]]:
    bind = Binder()
    return [dict(row) for row in await named(read, _condition("r.title", words, bind, "r.id"), bind, limit)]


def _newest_runs(read: Reading, bind: Binder, most: int) -> str:
    return (
        f"select r.id, r.user_name from {read.tables.metadata}.runs r where {visible(read.tables, bind, read.scope)} "
        f"order by r.created_at desc, r.id desc limit {most}"
    )
