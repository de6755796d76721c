"""Any filter in SQL takes the same runs, in the same order, page by page, as the same filter in Python."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import speech_experiment_infra
from speech_experiment_api.queries import plans
from speech_experiment_api.queries.details import FIELDS
from speech_experiment_api.queries.grammar import parse_filter
from speech_experiment_api.queries.plans import Planner, Question
from speech_experiment_api.queries.search import describe, find_page, next_cursor
from speech_experiment_api.queries.sql import Tables
from speech_experiment_api.queries.syntax import Query
from speech_experiment_api.queries.visibility import Scope
from speech_experiment_api.stores import use_indices
from speech_experiment_infra.embedded.postgres import Postgres
from speech_experiment_infra.embedded.processes import free_ports, spawn

from .query_model import NOW, Row, holds, ordered, random_rows, store

pytestmark = pytest.mark.stack

MIGRATIONS = Path(speech_experiment_infra.__file__).parent / "migrations" / "projections"
TABLES = Tables.of({"metadata": 1, "metrics": 1, "scores": 1, "artifacts": 1, "control": 1})
DEFAULT = Scope("default")
ROWS = random_rows(160, seed=20261101)


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A Postgres of its own: these tests need nothing else of the stack."""
    with tempfile.TemporaryDirectory(prefix="tracker-queries-") as folder:
        place = Path(folder) / "data"
        place.mkdir(mode=0o711)
        postgres = Postgres(place / "postgres", free_ports(1)[0], "super", "tracker", "secret", "speech")
        postgres.prepare(lambda _: None)
        process = spawn(
            postgres.command(), place / "log", become=postgres.become(), on_parent_death=signal.SIGINT
        )
        try:
            yield postgres
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(20)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def database(server: Postgres) -> AsyncIterator[asyncpg.Connection]:
    """A connection to the tables of version 1, with ROWS in them."""
    await server.ensure_database()
    connection = await asyncpg.connect(server.dsn)
    for projection in ("metadata", "metrics", "scores", "artifacts", "control"):
        for template in ("common", projection):
            sql = (MIGRATIONS / f"{template}.sql").read_text()
            await connection.execute(sql.replace("{schema}", f"{projection}_v1"))
    await store(connection, ROWS)
    yield connection
    await connection.close()


@pytest.fixture
def short_walks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Walks that end early, so that all ways are taken with few runs."""
    monkeypatch.setattr(plans, "FEWEST_CANDIDATES", 8)
    monkeypatch.setattr(plans, "MOST_CANDIDATES", 32)


async def found(database: asyncpg.Connection, text: str, limit: int, scope: Scope) -> list[UUID]:
    """All pages of a search."""
    question = Question(parse_filter(text), scope, NOW)
    ids: list[UUID] = []
    cursor = None
    while True:
        page = await find_page(database, TABLES, question, cursor, limit)
        ids += page.ids
        cursor = next_cursor(page, TABLES, b"")
        assert len(page.ids) == limit or cursor is None
        if cursor is None:
            return ids


def expected(text: str, scope: Scope = DEFAULT) -> list[UUID]:
    query = parse_filter(text)
    rows: list[Row] = [
        row
        for row in ROWS
        if row.workspace == scope.workspace
        and row.deleted == scope.deleted
        and (query.where is None or holds(query.where, row))
    ]
    return ordered(rows, query.order)


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


numbers = st.sampled_from(["0", "1", "12", "0.05", "-3.5", "2e300"])
texts = st.sampled_from(["conformer", "Conformer", "a%b", "it's", "", "12", "draft", "true", "x" * 300]).map(
    quoted
)
patterns = st.sampled_from(["%", "con%", "CON%", "a\\%b", "a\\_b", "_", "%former", "it's", "x%"]).map(quoted)
orders = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
moments = st.sampled_from(
    ["'2026-11-05'", "'2026-11-05T12:00:00'", "'2026-11-10 06:00:00+02:00'", "now() - 10d", "now()"]
)
number_fields = st.sampled_from(
    [
        "encoder_layers",
        "learning_rate",
        "num_params",
        "attempts",
        "metrics.val_wer",
        "metrics.val_wer.best",
        "metrics.val_acc.best",
        "metrics['a/b'].mean",
        "metrics.val_wer.step",
        "metrics.val_wer.nans",
        "metrics['val_wer',rank=1].min",
        "duration",
        "wer['clean']",
        "cer['it''s']",
        "wer[speaker='1272']",
        "wer['clean',decoding='beam=10']",
    ]
)
text_fields = st.sampled_from(
    [
        "name",
        "user",
        "model_type",
        "status",
        "experiment",
        "task",
        "description",
        "tags.stage",
        "tags['it''s']",
    ]
)
param_fields = st.sampled_from(["params.layers", "params.opt.lr", "params['a b']", "params.arch"])
time_fields = st.sampled_from(
    ["created", "updated", "started", "finished", "heartbeat", "metrics.val_wer.time"]
)
list_fields = st.sampled_from(["language", "domains"])


def sentence(*parts: st.SearchStrategy[str] | str) -> st.SearchStrategy[str]:
    strategies = [st.just(part) if isinstance(part, str) else part for part in parts]
    return st.tuples(*strategies).map(" ".join)


perhaps_not = st.sampled_from(["", "not"])
scalars = st.one_of(numbers, texts, st.sampled_from(["true", "false"]))
predicates = st.one_of(
    sentence(number_fields, orders, numbers),
    sentence(number_fields, perhaps_not, "between", numbers, "and", numbers),
    sentence(number_fields, perhaps_not, "in (", numbers, ",", numbers, ")"),
    sentence(text_fields, orders, texts),
    sentence(text_fields, perhaps_not, "in (", texts, ",", texts, ")"),
    sentence(st.one_of(text_fields, param_fields), perhaps_not, st.sampled_from(["like", "ilike"]), patterns),
    sentence(st.one_of(text_fields, param_fields), perhaps_not, "contains", texts),
    sentence(param_fields, orders, scalars),
    sentence(param_fields, perhaps_not, "in (", scalars, ",", scalars, ")"),
    sentence(time_fields, orders, moments),
    sentence(time_fields, perhaps_not, "between", moments, "and", moments),
    sentence(list_fields, st.sampled_from(["=", "!="]), st.sampled_from(["'en'", "'de'", "'xx'"])),
    sentence(list_fields, perhaps_not, "in ('en', 'read')"),
    sentence(list_fields, perhaps_not, "like", st.sampled_from(["'e%'", "'e\\%'"])),
    sentence("test_set", st.sampled_from(["=", "!=", "like"]), st.sampled_from(["'clean'", "'it''s'"])),
    sentence("archived", st.sampled_from(["=", "!="]), st.sampled_from(["true", "false"])),
    sentence("status = ", st.sampled_from(["'running'", "'lost contact'", "'finished'"])),
    sentence(
        st.one_of(number_fields, text_fields, param_fields, time_fields, list_fields, st.just("test_set")),
        "is",
        perhaps_not,
        "null",
    ),
)
filters = st.recursive(
    predicates,
    lambda inner: st.one_of(
        sentence("not (", inner, ")"),
        sentence("(", inner, "and", inner, ")"),
        sentence("(", inner, "or", inner, ")"),
    ),
    max_leaves=5,
)
sortable = st.one_of(
    st.sampled_from(
        [
            "created",
            "name",
            "status",
            "encoder_layers",
            "num_params",
            "experiment",
            "task",
            "id",
            "metrics.val_wer",
            "metrics.val_wer.min",
            "metrics['a/b',rank=1]",
            "metrics.val_wer.time",
            "tags.stage",
            "params.layers",
            "params.arch",
            "wer['clean']",
            "cer['it''s']",
            "started",
            "duration",
        ]
    )
)
terms = sentence(sortable, st.sampled_from(["", "asc", "desc"]))
ordering = st.one_of(
    st.just(""),
    terms.map("order by {}".format),
    st.lists(terms, min_size=2, max_size=3).map(lambda each: "order by " + ", ".join(each)),
)
thorough = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@thorough
@given(text=filters)
async def test_a_filter_takes_what_it_says(
    database: asyncpg.Connection, short_walks: None, text: str
) -> None:
    ids = await found(database, text, 1000, DEFAULT)
    assert ids == expected(text)


@thorough
@given(where=st.one_of(st.just(""), filters), order=ordering, limit=st.sampled_from([1, 3, 10, 50]))
async def test_pages_are_the_whole_in_its_order(
    database: asyncpg.Connection, short_walks: None, where: str, order: str, limit: int
) -> None:
    text = f"{where} {order}"
    assert await found(database, text, limit, DEFAULT) == expected(text)


@pytest.mark.parametrize("scope", [Scope("default"), Scope("other"), Scope("nobody"), Scope("default", True)])
async def test_a_workspace_sees_its_own_runs(database: asyncpg.Connection, scope: Scope) -> None:
    assert await found(database, "", 1000, scope) == expected("", scope)


async def test_a_deleted_experiment_hides_the_runs_it_had(database: asyncpg.Connection) -> None:
    rows = [row for row in ROWS if row.experiment and row.workspace == "default" and not row.deleted]
    experiment = rows[0].experiment
    assert experiment is not None
    mine = sorted(
        (row for row in rows if row.experiment == experiment), key=lambda row: row.columns["created"]
    )
    middle = mine[len(mine) // 2].columns["created"]
    transaction = database.transaction()
    await transaction.start()
    try:
        await database.execute(
            "insert into control_v1.deletions (kind, id, workspace, deleted_at) values ('experiment', $1, 'default', $2)",
            experiment["id"],
            middle,
        )
        text = f"experiment_id = '{experiment['id']}'"
        later = {row.id for row in mine if row.columns["created"] > middle}
        assert set(await found(database, text, 1000, DEFAULT)) == later
        hidden = set(await found(database, text, 1000, Scope("default", True)))
        assert hidden >= {row.id for row in mine} - later
    finally:
        await transaction.rollback()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "params.layers >= 1 and not tags.stage = 'draft'",
        "order by metrics.val_wer",
        "order by wer['clean'] desc",
        "task = 'asr' order by params.arch",
        "order by tags.stage",
    ],
)
async def test_a_walk_follows_an_index_whatever_the_statistics_say(
    database: asyncpg.Connection, text: str
) -> None:
    planner = Planner(TABLES, Question(parse_filter(text), DEFAULT, NOW))
    await use_indices(database)
    try:
        for phase in planner.phases(None):
            walk = planner.walk(phase, None, 51, 512)
            plan = await database.fetch(f"explain {walk.sql}", *walk.args)
            lines = [row[0] for row in plan]
            assert not [line for line in lines if "Sort" in line or "Seq Scan on runs" in line], lines
    finally:
        await database.execute("reset all")


async def test_every_field_of_every_run_can_be_shown(database: asyncpg.Connection) -> None:
    ids = [row.id for row in ROWS]
    assert len(await describe(database, TABLES, ids, Question(Query(), DEFAULT, NOW), FIELDS)) == len(ids)
