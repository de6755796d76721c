"""What Postgres holds of some runs, all of it as of one moment: the side that a verification tests."""

from __future__ import annotations

from base64 import b64decode
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from speech_experiment_projections.contacts import unpack
from speech_experiment_projections.evaluation_check import EvaluationTables
from speech_experiment_projections.evidence import Batch
from speech_experiment_projections.evidence import Place as At
from speech_experiment_projections.experiment_check import ExperimentTables
from speech_experiment_projections.intervals import Intervals
from speech_experiment_projections.ledger import Account
from speech_experiment_projections.ledger_check import Stored
from speech_experiment_projections.row_check import RunTables
from speech_experiment_projections.run_rows import signed64
from speech_experiment_schemas.stamps import read_stamps

from .positions import Place
from .runs import RUN_PROJECTIONS
from .services import Services
from .versions import TOPIC_OF

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

_RUNS = "select * from {schema}.runs where id = any($1)"
_SIDES = {
    "params": "select run_id, key, num, txt from {schema}.run_params where run_id = any($1)",
    "tags": "select run_id, key, value from {schema}.run_tags where run_id = any($1)",
    "links": "select run_id, kind, target from {schema}.run_links where run_id = any($1)",
    "versions": """select run_id, from_offset, to_offset, md5(state || '|'::bytea || coalesce(config, ''::bytea)
        || '|'::bytea || coalesce(environment, ''::bytea)) from {schema}.run_versions where run_id = any($1)""",
    "output": """select run_id, "offset", md5(convert_to(array_to_string(lines, E'\\n'), 'UTF8'))
        from {schema}.run_output where run_id = any($1)""",
    "contacts": "select run_id, beats from {schema}.run_contacts where run_id = any($1)",
}
"""Queries of tables beside that of runs."""
_EXPERIMENTS = "select * from {schema}.experiments where id = any($1)"
_EXPERIMENT_VERSIONS = """select experiment_id, partition, from_offset, state from {schema}.experiment_versions
    where experiment_id = any($1) order by experiment_id, from_offset"""
_EXPERIMENT_LINKS = (
    "select experiment_id, kind, target from {schema}.experiment_links where experiment_id = any($1)"
)
_HYPOTHESES = """select evaluation, "offset", first, rows, md5(data) from {schema}.hypothesis_batches
    where evaluation = any($1)"""
_UNSCORED = """select e.id from {schema}.evaluations e where e.id = any($1) and e.completed is not null
    and (e.own or exists (select from {schema}.test_set_revisions r
         where r.test_set = e.test_set and (e.revision is null or e.revision = r.number)))
    and not exists (select from {schema}.scores s where s.evaluation = e.id)
    and not exists (select from {schema}.tasks t where t.evaluation = e.id)"""


@dataclass(slots=True)
class Letter:
    """A dead letter about one of the runs; run: by its record key."""

    topic: str
    partition: int
    offset: int
    run: UUID
    workspace: str
    reason: str
    error: str
    replayed: bool
    id: int


@dataclass(slots=True)
class StoredRuns:
    """next_offsets: where each projection stood; all else is what it made of the log below."""

    next_offsets: dict[Place, int] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    ledger: dict[str, dict[Account, Stored]] = field(default_factory=dict)
    runs: dict[UUID, RunTables] = field(default_factory=dict)
    experiments: dict[UUID, ExperimentTables] = field(default_factory=dict)
    evaluations: EvaluationTables = field(default_factory=lambda: EvaluationTables({}, {}, {}, frozenset()))
    artifacts: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    summaries: list[dict[str, Any]] = field(default_factory=list)
    results: list[dict[str, Any]] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)

    def parked(self, topic: str) -> dict[At, str]:
        return {(each.partition, each.offset): each.reason for each in self.letters if each.topic == topic}


async def stored_runs(services: Services, run_ids: Sequence[UUID]) -> StoredRuns:
    """Reads everything in one snapshot of the database."""
    schemas = await services.stores.versions.schemas()
    stored = StoredRuns(versions=await services.stores.versions.all())
    ids = list(run_ids)
    async with (
        services.stores.pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        for name in RUN_PROJECTIONS:
            if name in schemas:
                await _books(connection, schemas[name], TOPIC_OF[name], ids, stored)
        if "metadata" in schemas:
            stored.runs = await _runs(connection, schemas["metadata"], ids)
            stored.experiments = await _experiments(connection, schemas["metadata"], stored.runs)
        if "scores" in schemas:
            stored.evaluations = await _evaluations(connection, schemas["scores"], ids)
        if "artifacts" in schemas:
            rows = await _rows(connection, schemas["artifacts"], "artifacts", ids)
            stored.artifacts = {row["id"]: row for row in rows}
        if "metrics" in schemas:
            stored.summaries = await _rows(connection, schemas["metrics"], "summaries", ids)
            stored.results = await _rows(connection, schemas["metrics"], "test_set_results", ids)
    return stored


async def _rows(connection: Any, schema: str, table: str, ids: list[UUID]) -> list[dict[str, Any]]:
    rows = await connection.fetch(f"select * from {schema}.{table} where run_id = any($1)", ids)  # noqa: S608
    return [_plain(row) for row in rows]


async def names_of_keys(services: Services, hashes: Iterable[int]) -> dict[int, str]:
    """hash → key, for the keys of metrics that are known."""
    schema = await services.stores.versions.schema("metrics")
    query = f"select hash, key from {schema}.metric_keys where hash = any($1::bigint[])"  # noqa: S608
    rows = await services.stores.pool.fetch(query, [signed64(each) for each in hashes])
    return {row["hash"] % 2**64: row["key"] for row in rows}


async def _books(connection: Any, schema: str, topic: str, ids: list[UUID], stored: StoredRuns) -> None:
    positions = await connection.fetch(
        f"select partition, next_offset from {schema}.positions where topic = $1",  # noqa: S608
        topic,
    )
    stored.next_offsets |= {(topic, row["partition"]): row["next_offset"] for row in positions}
    rows = await connection.fetch(f"select * from {schema}.ledger where run_id = any($1)", ids)  # noqa: S608
    stored.ledger[topic] = {
        (row["producer"], row["run_id"], row["workspace"]): _stored(_plain(row)) for row in rows
    }
    letters = await connection.fetch(
        f"""select id, partition, "offset", key, headers, reason, error, replayed_at from {schema}.dead_letters
            where topic = $1 and key = any($2)""",  # noqa: S608
        topic,
        [each.bytes for each in ids],
    )
    stored.letters += [_letter(topic, row) for row in letters]


def _letter(topic: str, row: Mapping[str, Any]) -> Letter:
    pairs: list[tuple[str, str]] = msgspec.json.decode(row["headers"])
    stamps = read_stamps([(name, b64decode(value)) for name, value in pairs])
    place = (topic, row["partition"], row["offset"], UUID(bytes=row["key"]))
    told = (row["reason"], row["error"], row["replayed_at"] is not None, row["id"])
    return Letter(*place, stamps.workspace, *told)


def _stored(row: Mapping[str, Any]) -> Stored:
    changed = {"received": _intervals(row["received"]), "voided": _intervals(row["voided"])}
    return Stored(**{name: row[name] for name in Stored._fields} | changed)


def _intervals(ranges: Any) -> Intervals:
    return tuple((each.lower, each.upper) for each in ranges)


async def _runs(connection: Any, schema: str, ids: list[UUID]) -> dict[UUID, RunTables]:
    rows = {row["id"]: _plain(row) for row in await connection.fetch(_RUNS.format(schema=schema), ids)}
    sides = {name: await _side(connection, sql.format(schema=schema), ids) for name, sql in _SIDES.items()}
    return {
        run: RunTables(
            rows.get(run),
            frozenset((key, str(num), txt) for key, num, txt in sides["params"][run]),
            frozenset(sides["tags"][run]),
            frozenset(sides["links"][run]),
            {first: (following, digest) for first, following, digest in sides["versions"][run]},
            dict(sides["output"][run]),
            frozenset(beat.offset for (packed,) in sides["contacts"][run] for beat in unpack(packed)),
        )
        for run in ids
    }


async def _experiments(
    connection: Any, schema: str, runs: Mapping[UUID, RunTables]
) -> dict[UUID, ExperimentTables]:
    """The experiments of the runs, but not those that another workspace has."""
    of = {
        run.row["experiment_id"]: run.row["workspace"]
        for run in runs.values()
        if run.row is not None and run.row["experiment_id"] is not None
    }
    found = await connection.fetch(_EXPERIMENTS.format(schema=schema), list(of))
    rows = {row["id"]: _plain(row) for row in found}
    versions = await _side(connection, _EXPERIMENT_VERSIONS.format(schema=schema), list(of))
    links = await _side(connection, _EXPERIMENT_LINKS.format(schema=schema), list(of))
    return {
        each: ExperimentTables(
            rows.get(each),
            [((partition, offset), state) for partition, offset, state in versions[each]],
            frozenset(links[each]),
        )
        for each, workspace in of.items()
        if each not in rows or rows[each]["workspace"] == workspace
    }


async def _evaluations(connection: Any, schema: str, ids: list[UUID]) -> EvaluationTables:
    rows = {row["id"]: row for row in await _rows(connection, schema, "evaluations", ids)}
    batches = await _side(connection, _HYPOTHESES.format(schema=schema), list(rows))
    unscored = await connection.fetch(_UNSCORED.format(schema=schema), list(rows))
    return EvaluationTables(
        rows,
        {each: {offset: Batch(*batch) for offset, *batch in found} for each, found in batches.items()},
        {row["id"]: row for row in await _rows(connection, schema, "measurements", ids)},
        frozenset(row["id"] for row in unscored),
    )


async def _side(connection: Any, query: str, ids: list[UUID]) -> dict[UUID, list[tuple[Any, ...]]]:
    found: dict[UUID, list[tuple[Any, ...]]] = defaultdict(list)
    for run, *values in await connection.fetch(query, ids):
        found[run].append(tuple(values))
    return found


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Times as microseconds since 1970."""
    return {
        name: (value - _EPOCH) // _MICROSECOND if isinstance(value, datetime) else value
        for name, value in row.items()
    }
