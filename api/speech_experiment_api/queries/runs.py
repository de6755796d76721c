"""GET /runs and /runs/{id}."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

from starlette.requests import Request
from starlette.responses import Response

from ..desks import Depth
from ..params import flag, integer, path_uuid
from ..problems import Problem, bad_request
from ..routing import Param, Routes
from .cursors import Cursor, open_cursor, question_digest, seal_cursor
from .details import COMPLETE_ONLY, FIELDS
from .documents import RunDetails, RunPage
from .fields import resolve
from .grammar import parse_filter, parse_order
from .groups import groups_of
from .needs import needs_of
from .plans import Question
from .reading import AS_OF, Reading, cursor_secret, filter_problem, reading, visible_runs
from .search import describe, find_page, next_cursor
from .syntax import FilterError, Query, Term

routes = Routes("runs")

MAX_LIMIT, DEFAULT_LIMIT = 1_000, 50
LISTED = frozenset(FIELDS) - set(COMPLETE_ONLY)

FILTER_REFERENCE = """\
Which runs, in the filter language, e.g. task = 'asr' and language in ('en', 'de') and \
params.encoder_layers >= 12 and wer['librispeech-test-clean'] < 0.05 and not tags.stage = 'draft' \
order by metrics.val_wer. Fields: columns of the run (name, status, user, created, started, finished, \
duration, language, model_type, learning_rate, …) and of its experiment (experiment, task, description, \
archived); params.a.b or params['a b'] (config), tags.x, metrics.key with .min .max .best .last .mean .step \
.count .nans .time and ['key', rank=1]; wer['test set', speaker='…', decoding='…'] and other result \
metrics; test_set. Operators: = != < <= > >=, [not] in (…), [not] like, ilike, contains, between … and …, \
is [not] null, and, or, not, parentheses. Moments: '2026-11-01' is the whole day in UTC; now() - 7d. \
A run without the value fulfils no comparison, not even !=; not takes exactly the other runs, so that \
not tags.stage = 'draft' also takes those without the tag. In an order, runs without the value come last."""

FILTER_PARAMS = [
    Param("filter", FILTER_REFERENCE),
    Param("deleted", "the deleted runs instead of the others; admins only (default false)", bool),
    AS_OF,
]
SEARCH_PARAMS = [
    *FILTER_PARAMS,
    Param("order_by", "terms of an order: metrics.val_wer desc, name (default: newest first)"),
    Param("limit", f"runs a page, up to {MAX_LIMIT} (default {DEFAULT_LIMIT})", int),
    Param("cursor", "next_cursor of the page before"),
    Param("fields", "fields of a run, comma-separated (default: all that a list shows)"),
    Param("group_by", "fields to group by, comma-separated: the answer has groups instead of runs"),
    Param("aggregate", "numbers to summarise in each group, comma-separated: metrics.val_wer"),
]


@routes.get("/api/v1/runs", access="viewer", response=RunPage, params=SEARCH_PARAMS)
async def search_runs(request: Request) -> Response:
    """The runs that a filter takes, in an order, page by page; or groups of them."""
    grouped = "group_by" in request.query_params
    async with reading(request, walking=not grouped) as read:
        if read.unchanged:
            return read.not_modified()
        try:
            question = question_of(read)
            answer = {"groups": await groups_of(read, question)} if grouped else await _page(read, question)
            return read.answer(answer)
        except FilterError as error:
            raise filter_problem(error, "filter") from None


async def _page(read: Reading, question: Question) -> dict[str, object]:
    parameters = read.request.query_params
    limit = integer(read.request, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT)
    wanted = _fields(parameters.get("fields"))
    digest = _digest(read)
    after = _cursor(read, digest)
    await read.world.fields(needs_of(question.query, least=Depth.SKETCHED))
    page = await find_page(read.connection, read.tables, question, after, limit, walking=not read.past)
    await read.world.runs(page.ids)
    runs = await describe(read.connection, read.tables, page.ids, question, wanted)
    following = next_cursor(page, read.tables, digest, read.vector.token())
    return {"runs": runs, "next_cursor": seal_cursor(following, cursor_secret(read)) if following else None}


def question_of(read: Reading) -> Question:
    """What the parameters filter, order_by and deleted ask. Raises FilterError and Problem."""
    parameters = read.request.query_params
    query = _parsed(parameters.get("filter", ""))
    order = _parsed_order(parameters.get("order_by", ""))
    if order and query.order:
        raise bad_request("the order is given twice; leave it out of the filter or of order_by", "order_by")
    deleted = flag(read.request, "deleted")
    if deleted and read.actor.role != "admin":
        raise Problem(403, "forbidden", "deleted runs are shown to the role admin alone", field="deleted")
    return Question(Query(query.where, query.order or order), read.scope_of(deleted), read.now)


_parsed = lru_cache(maxsize=512)(parse_filter)


@lru_cache(maxsize=512)
def _parsed_order(text: str) -> tuple[Term, ...]:
    try:
        terms = parse_order(text)
        for term in terms:
            resolve(term.path)
        return terms
    except FilterError as error:
        raise filter_problem(error, "order_by") from None


def _fields(text: str | None) -> Collection[str]:
    if text is None:
        return LISTED
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in FIELDS]
    if unknown:
        raise bad_request(f"there is no field {unknown[0]!r}; there are {', '.join(FIELDS)}", "fields")
    return {"id", *names}


def _digest(read: Reading) -> bytes:
    parameters = read.request.query_params
    asked = [parameters.get(name, "") for name in ("filter", "order_by", "deleted")]
    return question_digest(read.actor.workspace, *asked)


def _cursor(read: Reading, digest: bytes) -> Cursor | None:
    text = read.request.query_params.get("cursor")
    return open_cursor(text, cursor_secret(read), read.tables.lines, digest) if text else None


@routes.get(
    "/api/v1/runs/{id}",
    access="viewer",
    response=RunDetails,
    params=[Param("deleted", "a deleted run; admins only (default false)", bool), AS_OF],
)
async def get_run(request: Request) -> Response:
    """All that is known of a run."""
    run_id = path_uuid(request)
    async with reading(request) as read:
        if read.unchanged:
            return read.not_modified()
        question = Question(
            Query(), read.scope_of(flag(request, "deleted") and read.actor.role == "admin"), read.now
        )
        await read.world.runs([run_id])
        await visible_runs(read, [run_id], question.scope.deleted)
        (run,) = await describe(read.connection, read.tables, [run_id], question, FIELDS)
        return read.answer(run)
