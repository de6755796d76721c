"""Rows of experiments: their states folded over a batch, and placeholders for those that runs name.

A run and its experiment may lie in different partitions, so two workers can write one experiment. Only the
worker of its own partition has its events; before an experiment is created, its row is locked, in the order
of ids, by whoever writes it, and made anew of all that is known by then.
"""

from __future__ import annotations

from collections import defaultdict
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
_OWN = """
select distinct on (experiment_id) state from {schema}.experiment_versions
where experiment_id = any($1::uuid[]) order by experiment_id, from_offset desc
"""
_PLACEHOLDERS = "select state from {schema}.experiment_placeholders where experiment_id = any($1::uuid[])"
_EARLIER = "excluded.from_offset < t.from_offset"
_LOCK = """
select id, state from {schema}.experiments
where id = any($1::uuid[]) and birth_name is null order by id for update
"""
_MEET = """
update {schema}.experiments e set last_run_at = greatest(e.last_run_at, n.time)
from unnest($1::uuid[], $2::text[], $3::timestamptz[]) as n (id, workspace, time)
where e.id = n.id and e.workspace = n.workspace and e.last_run_at is distinct from greatest(e.last_run_at, n.time)
"""


_Partition = tuple[UUID, int]
"""(experiment, partition of runs that name it)."""


class ExperimentBatch:
    """The experiments of one batch."""

    def __init__(self, schema: str) -> None:
        self._schema = schema
        self._old: dict[UUID, Experiment] = {}
        self._new: dict[UUID, Experiment] = {}
        self._versions: list[Experiment] = []
        self._first_met: dict[_Partition, Experiment] = {}
        self._met: dict[tuple[UUID, str], int] = {}

    async def load(self, connection: Any, ids: Collection[UUID]) -> None:
        """What these experiments' own events have made of them, and what runs had said in their partition before."""
        if ids:
            self._old = {state.id: state for state in await self._states(connection, _OWN, ids)}
            met = await self._states(connection, _PLACEHOLDERS, ids)
            self._first_met = {(state.id, state.partition): state for state in met}

    def apply(self, recorded: Recorded) -> None:
        if isinstance(recorded.payload, ExperimentEvent):
            subject = recorded.subject
            known = self._new.get(subject) or self._old.get(subject) or self._met_before(recorded)
            experiment = experiments.evolve(known, recorded)
            self._new[subject] = experiment
            self._versions.append(experiment)

    def meet_run(self, recorded: Recorded) -> None:
        """Notes that a run began in an experiment, which may not be known yet."""
        started = recorded.payload
        if type(started) is RunStarted:
            place = (started.experiment, recorded.partition)
            if place not in self._first_met or recorded.offset < self._first_met[place].offset:
                self._first_met[place] = experiments.of_run(recorded, started)
            key = (started.experiment, recorded.workspace)
            self._met[key] = max(recorded.time, self._met.get(key, 0))

    def _met_before(self, recorded: Recorded) -> Experiment | None:
        """What the first run of the partition had said; another lane may have read of later ones already."""
        met = self._first_met.get((recorded.subject, recorded.partition))
        return met if met is not None and met.offset < recorded.offset else None

    async def save(self, connection: Any) -> None:
        await self._save_met(connection)
        await self._save_rows(connection)
        changed = [self._new[each] for each in sorted(self._new)]
        await self._save_links(connection, changed)
        await _VERSIONS.insert(connection, self._schema, map(_version, self._versions))
        met = [(each, workspace, moment(time)) for (each, workspace), time in sorted(self._met.items())]
        if met:
            await connection.execute(statement(_MEET, self._schema), *columns(met, 3))

    async def _save_met(self, connection: Any) -> None:
        first = [self._first_met[key] for key in sorted(self._first_met)]
        await _MET.upsert(connection, self._schema, map(_version, first), where=_EARLIER)

    async def _save_rows(self, connection: Any) -> None:
        """Created experiments as their own events say; the others with what all runs say, under their locks."""
        created = {each.id: each for each in self._new.values() if each.birth_name is not None}
        others = self._new.keys() | {experiment for experiment, _ in self._first_met}
        rows = created | await self._shown(connection, sorted(others - created.keys()))
        await _EXPERIMENTS.upsert(connection, self._schema, [_row(rows[each]) for each in sorted(rows)])

    async def _shown(self, connection: Any, ids: list[UUID]) -> dict[UUID, Experiment]:
        """Of these experiments those that are not created, as far as they change."""
        first = {experiment: met for (experiment, _), met in self._first_met.items()} | self._new
        await _EXPERIMENTS.add(connection, self._schema, [_row(first[each]) for each in ids])
        rows = await connection.fetch(statement(_LOCK, self._schema), ids) if ids else []
        stored = {row["id"]: row["state"] for row in rows}
        if not stored:
            return {}
        own = {state.id: state for state in await self._states(connection, _OWN, stored)} | self._new
        met: dict[UUID, list[Experiment]] = defaultdict(list)
        for state in await self._states(connection, _PLACEHOLDERS, stored):
            met[state.id].append(state)
        found = {each: experiments.shown(own.get(each), met[each]) for each in stored}
        return {
            each: state
            for each, state in found.items()
            if state is not None and experiments.dump(state) != stored[each]
        }

    async def _states(self, connection: Any, query: str, ids: Collection[UUID]) -> list[Experiment]:
        rows = await connection.fetch(statement(query, self._schema), sorted(ids))
        return [experiments.load(row["state"]) for row in rows]

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
