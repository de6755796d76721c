"""Rows of experiments: their states folded over a batch, and placeholders for those that runs name.

A run and its experiment may lie in different partitions, so two workers can write one experiment:
states are locked while they change, in the order of ids, and placeholders never overwrite.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

from speech_experiment_projections import experiments
from speech_experiment_projections.experiments import Experiment
from speech_experiment_projections.recorded import Recorded
from speech_experiment_projections.run_rows import experiment_row
from speech_experiment_schemas.experiments import ExperimentEvent
from speech_experiment_schemas.runs import RunStarted

from .sql import columns, moment, statement
from .tables import Table

_COLUMNS = {
    "id": "uuid",
    "workspace": "text",
    "name": "text",
    "birth_name": "text",
    "task": "text",
    "description": "text",
    "tags": "jsonb",
    "archived": "boolean",
    "user_name": "text",
    "created_at": "time",
    "updated_at": "time",
    "partition": "int",
    "offset": "bigint",
    "state": "bytea",
}
_EXPERIMENTS = Table("experiments", _COLUMNS, ("id",))
_LINKS = Table(
    "experiment_links",
    {"experiment_id": "uuid", "kind": "text", "target": "uuid"},
    ("experiment_id", "kind", "target"),
)
_VERSIONS = Table(
    "experiment_versions",
    {"experiment_id": "uuid", "partition": "int", "from_offset": "bigint", "state": "bytea"},
    ("experiment_id", "from_offset"),
)
_MET = Table(
    "experiment_placeholders",
    {"experiment_id": "uuid", "partition": "int", "from_offset": "bigint", "state": "bytea"},
    ("experiment_id", "partition"),
)
_SELECT = "select state from {schema}.experiments where id = any($1::uuid[]) order by id for update"
_EARLIER = """
t.birth_name is null and t.updated_at = t.created_at
and (excluded.created_at, excluded.partition, excluded."offset") < (t.created_at, t.partition, t."offset")
"""
_MEET = """
update {schema}.experiments e set last_run_at = greatest(e.last_run_at, n.time)
from unnest($1::uuid[], $2::text[], $3::timestamptz[]) as n (id, workspace, time)
where e.id = n.id and e.workspace = n.workspace and e.last_run_at is distinct from greatest(e.last_run_at, n.time)
"""


class ExperimentBatch:
    """The experiments of one batch."""

    def __init__(self, schema: str) -> None:
        self._schema = schema
        self._old: dict[UUID, Experiment] = {}
        self._new: dict[UUID, Experiment] = {}
        self._versions: list[Experiment] = []
        self._placeholders: dict[UUID, Experiment] = {}
        self._first_met: dict[tuple[UUID, int], Experiment] = {}
        self._met: dict[tuple[UUID, str], int] = {}

    async def load(self, connection: Any, ids: Collection[UUID]) -> None:
        if ids:
            rows = await connection.fetch(statement(_SELECT, self._schema), sorted(ids))
            self._old = {state.id: state for state in (experiments.load(row["state"]) for row in rows)}

    def apply(self, recorded: Recorded) -> None:
        if isinstance(recorded.payload, ExperimentEvent):
            subject = recorded.subject
            known = self._new.get(subject) or self._old.get(subject) or self._placeholders.get(subject)
            experiment = experiments.evolve(known, recorded)
            self._new[subject] = experiment
            if (experiment.partition, experiment.offset) == (recorded.partition, recorded.offset):
                self._versions.append(experiment)

    def meet_run(self, recorded: Recorded) -> None:
        """Notes that a run began in an experiment, which may not be known yet."""
        started = recorded.payload
        if isinstance(started, RunStarted):
            met = experiments.of_run(recorded, started)
            self._first_met.setdefault((met.id, met.partition), met)
            self._placeholders[met.id] = min(self._placeholders.get(met.id, met), met, key=experiments.age)
            key = (started.experiment, recorded.workspace)
            self._met[key] = max(recorded.time, self._met.get(key, 0))

    async def save(self, connection: Any) -> None:
        await self._save_placeholders(connection)
        changed = [self._new[each] for each in sorted(self._new)]
        await _EXPERIMENTS.upsert(connection, self._schema, map(_row, changed))
        await self._save_links(connection, changed)
        await _VERSIONS.insert(connection, self._schema, map(_version, self._versions))
        met = [(each, workspace, moment(time)) for (each, workspace), time in sorted(self._met.items())]
        if met:
            await connection.execute(statement(_MEET, self._schema), *columns(met, 3))

    async def _save_placeholders(self, connection: Any) -> None:
        """Of several runs that name an unknown experiment, the earliest gives it name and time."""
        named = [each for key, each in sorted(self._placeholders.items()) if key not in self._new]
        rows = map(_row, named)
        await _EXPERIMENTS.upsert(connection, self._schema, rows, where=_EARLIER)
        first = [self._first_met[key] for key in sorted(self._first_met)]
        await _MET.add(connection, self._schema, map(_version, first))

    async def _save_links(self, connection: Any, changed: Iterable[Experiment]) -> None:
        gone: list[tuple[UUID, str, UUID]] = []
        come: list[tuple[UUID, str, UUID]] = []
        for each in changed:
            before = set(self._old[each.id].links) if each.id in self._old else set()
            after = set(each.links)
            gone += [(each.id, *link) for link in sorted(before - after)]
            come += [(each.id, *link) for link in sorted(after - before)]
        await _LINKS.delete(connection, self._schema, gone)
        await _LINKS.upsert(connection, self._schema, come)


def _row(experiment: Experiment) -> tuple[Any, ...]:
    return (*experiment_row(experiment), experiments.dump(experiment))


def _version(experiment: Experiment) -> tuple[Any, ...]:
    return experiment.id, experiment.partition, experiment.offset, experiments.dump(experiment)
