"""Rows of runs: their states folded over a batch, with params, tags, links, output and versions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from asyncpg.pgproto import pgproto

from speech_experiment_projections import runs
from speech_experiment_projections.contacts import MOST_BYTES, Beat, contacts
from speech_experiment_projections.recorded import Recorded
from speech_experiment_projections.run_rows import derived_columns, run_row
from speech_experiment_projections.runs import Run, Version
from speech_experiment_projections.texts import clean_text, to_json
from speech_experiment_projections.trees import Leaves, flatten, params, params_of
from speech_experiment_schemas.runs import RunHeartbeat, RunOutput

from .sql import columns, microseconds, moment, statement
from .tables import Table

_RUNS = Table(
    "runs",
    {
        "id": "uuid",
        "hash": "bigint",
        "workspace": "text",
        "experiment_id": "uuid",
        "name": "text",
        "status": "text",
        "user_name": "text",
        "notes": "text",
        "error": "text",
        "traceback": "text",
        "exit_code": "bigint",
        "attempts": "bigint",
        "tags": "jsonb",
        "config": "jsonb",
        "environment": "jsonb",
        "problems": "jsonb",
        "concurrent": "jsonb",
        "created_at": "time",
        "started_at": "time",
        "finished_at": "time",
        "heartbeat_at": "time",
        "updated_at": "time",
        "partition": "int",
        "first_offset": "bigint",
        "last_offset": "bigint",
        "model_type": "text",
        "num_params": "bigint",
        "encoder_layers": "int",
        "decoder_layers": "int",
        "train_dataset": "text",
        "train_hours": "double precision",
        "languages": "words",
        "domains": "words",
        "sample_rate": "int",
        "feature_type": "text",
        "n_mels": "int",
        "hop_length": "int",
        "win_length": "int",
        "augmentation_policy": "text",
        "optimizer": "text",
        "learning_rate": "double precision",
        "batch_size": "int",
        "epochs": "int",
        "git_commit": "text",
        "docker_image": "text",
        "num_gpus": "int",
        "state": "bytea",
    },
    ("id",),
)
_PARAMS = Table(
    "run_params",
    {"run_id": "uuid", "key": "text", "num": "double precision", "txt": "text"},
    ("run_id", "key"),
)
_TAGS = Table("run_tags", {"run_id": "uuid", "key": "text", "value": "text"}, ("run_id", "key"))
_LINKS = Table(
    "run_links", {"run_id": "uuid", "kind": "text", "target": "uuid"}, ("run_id", "kind", "target")
)
_OUTPUT = ("run_id", "partition", "offset", "producer", "channel", "first", "lines", "time")
_VERSIONS = ("run_id", "partition", "from_offset", "to_offset", "state", "config", "environment")
_CONTACTS = Table(
    "run_contacts",
    {"run_id": "uuid", "from_offset": "bigint", "problems": "jsonb", "beats": "bytea"},
    ("run_id", "from_offset"),
)

_SELECT = """
select state, heartbeat_at, problems::text as problems, updated_at, last_offset
from {schema}.runs where id = any($1::uuid[])
"""
_TOUCH = """
update {schema}.runs r
set heartbeat_at = n.heartbeat_at, problems = n.problems::jsonb, updated_at = n.updated_at,
    last_offset = n.last_offset
from unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::timestamptz[], $5::bigint[])
     as n (id, heartbeat_at, problems, updated_at, last_offset)
where r.id = n.id
"""
_CLOSE = """
update {schema}.run_versions v set to_offset = n.to_offset
from unnest($1::uuid[], $2::bigint[], $3::bigint[]) as n (run_id, from_offset, to_offset)
where v.run_id = n.run_id and v.from_offset = n.from_offset
"""


_PROLONG = """
update {schema}.run_contacts c set beats = c.beats || n.beats
from unnest($1::uuid[], $2::text[], $3::bytea[]) as n (run_id, problems, beats)
where c.run_id = n.run_id and c.problems = n.problems::jsonb and octet_length(c.beats) < $4
  and c.from_offset = (select max(l.from_offset) from {schema}.run_contacts l where l.run_id = n.run_id)
returning c.run_id
"""


_Side = Mapping[tuple[Any, ...], tuple[Any, ...]]
"""Key (after the run) → other columns, of a run's rows in a side table."""


class _Version:
    """A state and the offsets between which it was current."""

    __slots__ = ("from_offset", "made", "partition", "run", "to_offset")

    def __init__(self, run: Run, made: Version) -> None:
        self.run = run.id
        self.partition = run.partition
        self.from_offset = run.version_offset
        self.to_offset: int | None = None
        self.made = made


class _Whole(NamedTuple):
    """A run to be written with all its columns; old: None when it is new; leaves: of its config."""

    run: Run
    old: Run | None
    leaves: Leaves


class RunBatch:
    """The runs of one batch.

    Heartbeats and output are too frequent to write a version, or the whole row, for each: they
    touch a few columns, which overlay the stored state when it is read again.
    """

    def __init__(self, schema: str) -> None:
        self._schema = schema
        self._old: dict[UUID, Run] = {}
        self._new: dict[UUID, Run] = {}
        self._versions: dict[UUID, list[_Version]] = {}
        self._beats: dict[UUID, list[tuple[Beat, str]]] = {}
        self._output: list[tuple[Any, ...]] = []

    async def load(self, connection: Any, ids: Collection[UUID]) -> None:
        if ids:
            rows = await connection.fetch(statement(_SELECT, self._schema), list(ids))
            self._old = {run.id: run for run in map(_load, rows)}

    def apply(self, recorded: Recorded) -> None:
        known = self._new.get(recorded.subject) or self._old.get(recorded.subject)
        run = runs.evolve(known, recorded)
        light = known is not None and run.version_offset != recorded.offset
        version = None if light else _Version(run, runs.dump_version(run, known))
        if type(recorded.payload) is RunOutput:
            self._output.append(_output(recorded, recorded.payload))
        if type(recorded.payload) is RunHeartbeat:
            beat = Beat(recorded.offset, recorded.time)
            self._beats.setdefault(run.id, []).append((beat, to_json(run.problems)))
        self._new[run.id] = run
        if version is not None:
            self._add_version(version)

    def _add_version(self, version: _Version) -> None:
        versions = self._versions.setdefault(version.run, [])
        if versions:
            versions[-1].to_offset = version.from_offset
        versions.append(version)

    async def save(self, connection: Any) -> None:
        whole = [
            _Whole(run, self._old.get(each), flatten(run.config))
            for each, run in self._new.items()
            if each in self._versions
        ]
        # No table has a row of a new run: it lies in one partition, whose position this batch has locked.
        await _RUNS.copy(connection, self._schema, [_row(each) for each in whole if each.old is None])
        await _RUNS.upsert(connection, self._schema, [_row(each) for each in whole if each.old is not None])
        await self._touch(connection)
        await self._save_side_tables(connection, whole)
        await self._save_versions(connection)
        await self._save_contacts(connection)
        await self._copy(connection, "run_output", self._output, _OUTPUT)

    async def _touch(self, connection: Any) -> None:
        rows = [
            (
                run.id,
                None if run.heartbeat_at is None else moment(run.heartbeat_at),
                to_json(run.problems),
                moment(run.updated_at),
                run.last_offset,
            )
            for run in self._new.values()
            if run.id not in self._versions
        ]
        if rows:
            await connection.execute(statement(_TOUCH, self._schema), *columns(rows, 5))

    async def _save_side_tables(self, connection: Any, whole: Iterable[_Whole]) -> None:
        """Only what differs from the stored state: most events change one of these, if any."""
        param, tag, link = _Difference(), _Difference(), _Difference()
        for run, old, leaves in whole:
            if old is None:
                stored = pgproto.UUID(run.id.bytes)  # the driver writes it in a fifth of the time, row by row
                param.new += [(stored, key, each.num, each.txt) for key, each in params_of(leaves).items()]
                tag.new += [(stored, *key, *value) for key, value in _tags(run).items()]
                link.new += [(stored, *key) for key in _links(run)]
                continue
            if old.config != run.config:
                param.change(run.id, _params(old), _params(run))
            if old.tags != run.tags:
                tag.change(run.id, _tags(old), _tags(run))
            if old.links != run.links:
                link.change(run.id, _links(old), _links(run))
        for table, difference in ((_PARAMS, param), (_TAGS, tag), (_LINKS, link)):
            await table.delete(connection, self._schema, difference.gone)
            await table.upsert(connection, self._schema, difference.come)
            await table.copy(connection, self._schema, difference.new)

    async def _save_versions(self, connection: Any) -> None:
        closed = [
            (run, self._old[run].version_offset, versions[0].from_offset)
            for run, versions in self._versions.items()
            if run in self._old
        ]
        if closed:
            await connection.execute(statement(_CLOSE, self._schema), *columns(closed, 3))
        rows = [
            (version.run, version.partition, version.from_offset, version.to_offset, *version.made)
            for versions in self._versions.values()
            for version in versions
        ]
        await self._copy(connection, "run_versions", rows, _VERSIONS)

    async def _save_contacts(self, connection: Any) -> None:
        """The first contact of a run prolongs the one that is there, if it can."""
        found = {run: contacts(beats) for run, beats in self._beats.items()}
        if not found:
            return
        first = [(run, contact.problems, contact.beats) for run, (contact, *_) in found.items()]
        rows = await connection.fetch(statement(_PROLONG, self._schema), *columns(first, 3), MOST_BYTES)
        for run in {row["run_id"] for row in rows}:
            del found[run][0]
        anew = [(run, *contact) for run, contacts_of_run in found.items() for contact in contacts_of_run]
        await _CONTACTS.insert(connection, self._schema, anew)

    async def _copy(
        self, connection: Any, table: str, rows: list[tuple[Any, ...]], names: tuple[str, ...]
    ) -> None:
        if rows:
            await connection.copy_records_to_table(
                table, schema_name=self._schema, records=rows, columns=names
            )


class _Difference:
    """Rows of a side table to delete, by key, rows to write, and rows of runs that have none yet."""

    def __init__(self) -> None:
        self.gone: list[tuple[Any, ...]] = []
        self.come: list[tuple[Any, ...]] = []
        self.new: list[tuple[Any, ...]] = []

    def change(self, run: UUID, before: _Side, after: _Side) -> None:
        self.gone += [(run, *key) for key in before if key not in after]
        self.come += [(run, *key, *value) for key, value in after.items() if before.get(key) != value]


def _row(whole: _Whole) -> tuple[Any, ...]:
    derived = msgspec.structs.astuple(derived_columns(whole.run, whole.leaves))
    return (*run_row(whole.run), *derived, runs.dump(whole.run))


def _load(row: Any) -> Run:
    heartbeat = row["heartbeat_at"]
    return msgspec.structs.replace(
        runs.load(row["state"]),
        heartbeat_at=None if heartbeat is None else microseconds(heartbeat),
        problems=dict(sorted(msgspec.json.decode(row["problems"]).items())),  # jsonb orders by length first
        updated_at=microseconds(row["updated_at"]),
        last_offset=row["last_offset"],
    )


def _params(run: Run) -> _Side:
    return {(key,): (param.num, param.txt) for key, param in params(run.config).items()}


def _tags(run: Run) -> _Side:
    return {(clean_text(key),): (clean_text(value),) for key, value in run.tags.items()}


def _links(run: Run) -> _Side:
    return dict.fromkeys(run.links, ())


def _output(recorded: Recorded, output: RunOutput) -> tuple[Any, ...]:
    return (
        recorded.subject,
        recorded.partition,
        recorded.offset,
        recorded.envelope.producer,
        output.channel,
        output.first,
        [clean_text(line) for line in output.lines],
        moment(recorded.time),
    )
