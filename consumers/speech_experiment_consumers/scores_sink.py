"""The sink of the projection `scores`: topic evaluations → test sets, evaluations and scores in Postgres.

What is scored lies in two partitions: the references in that of the test set, the hypotheses in that of the run.
Whoever writes one of them locks the test set's id, and leaves tasks for what it meets of the other; so no pair is
missed whichever comes first. The scorer works off the tasks beside the writing (see `scorer`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from speech_experiment_infra.settings import Settings
from speech_experiment_projections import test_sets
from speech_experiment_projections.applied import profile_of
from speech_experiment_projections.recorded import Recorded
from speech_experiment_projections.scoring.profiles import DEFAULT
from speech_experiment_projections.texts import clean_text, to_json
from speech_experiment_schemas.evaluations import EvaluationEvent, ProfileApplied
from speech_experiment_schemas.test_sets import TestSetEvent

from .evaluation_tables import EvaluationBatch
from .measurement_tables import MeasurementBatch
from .postgres_sink import PostgresSink
from .scorer import Scorer
from .sink import Incoming, Limits, Sink
from .sql import statement
from .tables import Table
from .test_set_tables import TestSetBatch

_PROFILES = Table(
    "profiles",
    {
        "workspace": "text",
        "name": "text",
        "definition": "jsonb",
        "applied_at": "time",
        "partition": "int",
        "offset": "bigint",
    },
    ("workspace", "name", "offset", "partition"),
)
_WORKSPACES = "insert into {schema}.workspaces select unnest($1::text[]) on conflict do nothing"
_SHARE = "select from {schema}.workspaces where workspace = any($1::text[]) order by workspace for share"
_ALONE = "select from {schema}.workspaces where workspace = any($1::text[]) order by workspace for update"
_LOCK_SETS = "select pg_advisory_xact_lock(hashtextextended($1 || id::text, 0)) from (select unnest($2::uuid[]) as id order by 1) s"
_TASKS = """
insert into {{schema}}.tasks as t (evaluation, base, profile, test_set, workspace, partition, "offset")
select e.id, b.base, p.name, e.test_set, e.workspace, {place}
from {{schema}}.evaluations e
cross join lateral (
    select $1 as name union select p.name from {{schema}}.profiles p where p.workspace = e.workspace
) p
cross join lateral (
    select 0 as base where e.own
    union select r.base from {{schema}}.test_set_revisions r
    where not e.own and r.test_set = e.test_set and (e.revision is null or e.revision = r.number)
) b
{join} where e.completed is not null and {chosen}
group by e.id, b.base, p.name
on conflict (evaluation, base, profile, partition)
do update set "offset" = least(t."offset", excluded."offset"), changes = t.changes + 1, taken_at = null, failures = 0
"""
_TASKS_OF_EVALUATIONS = _TASKS.format(
    place="min(e.partition), min(e.completed)", join="", chosen="e.id = any($2::uuid[])"
)
_TASKS_OF_REVISIONS = _TASKS.format(
    place='n.partition, min(n."offset")',
    join='join unnest($2::uuid[], $3::int[], $4::int[], $5::bigint[]) as n (test_set, base, partition, "offset") '
    "on n.test_set = e.test_set and n.base = b.base",
    chosen="not e.own",
).replace("group by e.id, b.base, p.name", "group by e.id, b.base, p.name, n.partition")
_TASKS_OF_PROFILES = _TASKS.format(
    place='n.partition, min(n."offset")',
    join='join unnest($2::text[], $3::text[], $4::int[], $5::bigint[]) as n (workspace, name, partition, "offset") '
    "on n.workspace = e.workspace and n.name = p.name",
    chosen="true",
).replace("group by e.id, b.base, p.name", "group by e.id, b.base, p.name, n.partition")


class ScoreRows:
    """Test sets, evaluations and applied profiles of one batch, and the tasks that they give rise to."""

    def __init__(self, schema: str) -> None:
        self._schema = schema
        self._evaluations = EvaluationBatch(schema)
        self._test_sets = TestSetBatch(schema)
        self._measurements = MeasurementBatch(schema)
        self._profiles: list[tuple[Any, ...]] = []

    async def load(self, connection: Any, events: Sequence[Recorded]) -> None:
        await self._lock_workspaces(connection, events)
        await self._evaluations.load(connection, events)
        mine = {test_sets.identity(event) for event in events if isinstance(event.payload, TestSetEvent)}
        await self._lock_sets(connection, mine | self._evaluations.test_sets(events))
        if mine:
            await self._test_sets.load(connection, sorted(mine))

    async def _lock_workspaces(self, connection: Any, events: Sequence[Recorded]) -> None:
        """Alone where profiles are applied, so that these meet all evaluations; else beside each other."""
        concerned = [
            event
            for event in events
            if isinstance(event.payload, EvaluationEvent | TestSetEvent | ProfileApplied)
        ]
        named = sorted({clean_text(event.workspace) for event in concerned})
        if named:
            alone = any(isinstance(event.payload, ProfileApplied) for event in concerned)
            await connection.execute(statement(_WORKSPACES, self._schema), named)
            await connection.execute(statement(_ALONE if alone else _SHARE, self._schema), named)

    async def _lock_sets(self, connection: Any, ids: set[UUID]) -> None:
        if ids:
            await connection.execute(_LOCK_SETS, self._schema, sorted(ids))

    def apply(self, recorded: Recorded) -> None:
        self._test_sets.apply(recorded)
        self._evaluations.apply(recorded)
        self._measurements.apply(recorded)
        if isinstance(recorded.payload, ProfileApplied):
            profile = profile_of(recorded.payload)
            place = (recorded.time, recorded.partition, recorded.offset)
            definition = to_json(recorded.payload.definition)
            self._profiles.append((clean_text(recorded.workspace), profile.name, definition, *place))

    async def save(self, connection: Any) -> None:
        await self._test_sets.save(connection)
        await self._evaluations.save(connection)
        await self._measurements.save(connection)
        await _PROFILES.insert(connection, self._schema, self._profiles)
        await self._leave_tasks(connection)

    async def _leave_tasks(self, connection: Any) -> None:
        revisions, completed = self._test_sets.revisions, self._evaluations.completed
        if completed:
            await self._leave(connection, _TASKS_OF_EVALUATIONS, [each.id for each in completed])
        if revisions:
            rows = [(each.test_set, each.base, each.partition, each.offset) for each in revisions]
            await self._leave(connection, _TASKS_OF_REVISIONS, *map(list, zip(*rows, strict=True)))
        if self._profiles:
            rows = [
                (workspace, name, partition, offset)
                for workspace, name, _, _, partition, offset in self._profiles
            ]
            await self._leave(connection, _TASKS_OF_PROFILES, *map(list, zip(*rows, strict=True)))

    async def _leave(self, connection: Any, query: str, *columns: list[Any]) -> None:
        await connection.execute(statement(query, self._schema), DEFAULT, *columns)


class ScoresSink(PostgresSink):
    """A PostgresSink that scores beside its writing."""

    def __init__(self, settings: Settings, version: int) -> None:
        super().__init__(
            settings,
            name="scores",
            version=version,
            topic="evaluations",
            rows=ScoreRows,
            limits=Limits(records=1_000, bytes=8 << 20, waiting=4 << 20),
        )
        self._scorer = Scorer(settings, self._place.schema)

    async def write(self, batch: Sequence[Incoming]) -> None:
        await super().write(batch)
        self._scorer.wake()

    async def watch(self) -> None:
        await self._scorer.run()


def create(settings: Settings, version: int) -> Sink:
    return ScoresSink(settings, version)
