"""Rows of runs and experiments as of a position of the topic `runs`, laid out in temporary tables."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from speech_experiment_projections import experiments
from speech_experiment_projections.contacts import Beat
from speech_experiment_projections.derived import Derived
from speech_experiment_projections.experiments import Experiment
from speech_experiment_projections.history import Kept, recall
from speech_experiment_projections.run_rows import (
    ExperimentRow,
    RunRow,
    derived_columns,
    experiment_row,
    run_row,
)
from speech_experiment_projections.runs import Run
from speech_experiment_projections.texts import clean_text
from speech_experiment_projections.trees import param_at, params

from .needs import EVERY
from .sql import Tables

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CHUNK = 1_000
_TIMES = frozenset({"created_at", "started_at", "finished_at", "heartbeat_at", "updated_at"})
_HEAVY = frozenset({"config", "environment", "traceback"})
"""Columns that no question compares: they are laid out of the runs that are shown."""
_RUN = (*RunRow._fields, *Derived.__struct_fields__)
_EXPERIMENT = ExperimentRow._fields

_CUT = "unnest($1::int[], $2::bigint[]) as c (partition, following)"
_TOUCHED = """
select r.id, c.following from {metadata}.runs r join {cut} using (partition)
where r.workspace = $3 and r.first_offset < c.following and r.last_offset >= c.following {chosen}
"""
_UNTOUCHED = """
insert into pg_temp.runs ({columns}) select {columns} from {metadata}.runs r join {cut} using (partition)
where r.workspace = $3 and r.last_offset < c.following {chosen}
"""
_KEPT = """
select n.id, n.following, v.state, {config} as config, {environment} as environment,
    b.problems::text as problems, b.beats, o."offset", o.time
from unnest($1::uuid[], $2::bigint[], $3::bool[]) as n (id, following, trees)
cross join lateral (
    select v.state from {metadata}.run_versions v where v.run_id = n.id and v.from_offset < n.following
    order by v.from_offset desc limit 1) v
left join lateral (
    select b.problems, b.beats from {metadata}.run_contacts b
    where b.run_id = n.id and b.from_offset < n.following order by b.from_offset desc limit 1) b on true
left join lateral (
    select o."offset", o.time from {metadata}.run_output o
    where o.run_id = n.id and o."offset" < n.following order by o."offset" desc limit 1) o on true
"""
_TREE = """(case when n.trees then (
    select t.{tree} from {metadata}.run_versions t
    where t.run_id = n.id and t.from_offset < n.following and t.{tree} is not null
    order by t.from_offset desc limit 1) end)"""
_CONFIGURED_SINCE = """
select n.id from unnest($1::uuid[], $2::bigint[]) as n (id, following)
where exists (select from {metadata}.run_versions v
    where v.run_id = n.id and v.from_offset >= n.following and v.config is not null)
"""
_SIDE = """
insert into pg_temp.{table} select s.* from {metadata}.{table} s
join {metadata}.runs r on r.id = s.run_id join {cut} using (partition)
where r.workspace = $3 and r.first_offset < c.following
  and not exists (select from unnest($4::uuid[]) as n (id) where n.id = s.run_id) {chosen}
"""
_SETTLED = """(e."offset" < c.following and (e.birth_name is not null
    or not exists (select from {metadata}.experiment_versions v where v.experiment_id = e.id)))"""
"""What was edited and not created goes by its own events, and by runs in any partition."""
_EXPERIMENTS_UNTOUCHED = """
insert into pg_temp.experiments ({columns})
select {columns} from {metadata}.experiments e join {cut} using (partition)
where e.workspace = $3 and {settled}
"""
_LINKS_UNTOUCHED = """
insert into pg_temp.experiment_links select l.* from {metadata}.experiment_links l
join {metadata}.experiments e on e.id = l.experiment_id join {cut} using (partition)
where e.workspace = $3 and {settled}
"""
_EXPERIMENTS_KEPT = """
select (select v.state from {metadata}.experiment_versions v join {cut} using (partition)
        where v.experiment_id = e.id and v.from_offset < c.following order by v.from_offset desc limit 1) as own,
    array(select p.state from {metadata}.experiment_placeholders p join {cut} using (partition)
        where p.experiment_id = e.id and p.from_offset < c.following) as met
from {metadata}.experiments e join {cut} using (partition)
where e.workspace = $3 and not {settled}
"""


class _Since(NamedTuple):
    """A run with events at or after the position, `following` being the next offset of its partition."""

    run: UUID
    following: int


class Wanted(NamedTuple):
    """What is to be laid out of all runs.

    rows          their rows, but for what is shown alone; derived: with the columns made of the config
    params, tags  those of these keys; EVERY stands for all
    """

    rows: bool = False
    derived: bool = False
    params: Collection[str] = ()
    tags: Collection[str] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Of the rows that are made."""
        return _RUN if self.derived else RunRow._fields


class PastRuns:
    """Lays out the metadata of a workspace. below: partition → next offset."""

    def __init__(self, connection: Any, live: Tables, below: Mapping[int, int], workspace: str) -> None:
        self._connection = connection
        self._metadata = live.metadata
        self._cut = (list(below), list(below.values()), workspace)

    async def all_runs(self, wanted: Wanted) -> None:
        """What a question needs of all runs, in one pass over those that have changed since."""
        touched = await self._touched()
        configured = await self._configured(touched) if wanted.params else set[UUID]()
        if wanted.rows:
            await self._connection.execute("truncate pg_temp.runs")
            columns = [name for name in _RUN if name not in _HEAVY]
            await self._execute(_UNTOUCHED, columns=_listed(columns))
        # Of a run whose config is still what it was, the live table has the params.
        await self._side("run_params", wanted.params, configured)
        await self._side("run_tags", wanted.tags, {each.run for each in touched})
        asked = (
            touched if wanted.rows or wanted.tags else [each for each in touched if each.run in configured]
        )
        for chunk in _chunks(asked):
            kept = await self._kept(
                chunk,
                config=wanted.derived or bool(configured),
                environment=wanted.derived,
                of=None if wanted.derived else configured,
            )
            laid = await asyncio.to_thread(_laid, kept, wanted, configured)
            await self._copy("runs", wanted.columns, laid.rows)
            await self._copy("run_params", ("run_id", "key", "num", "txt"), laid.params)
            await self._copy("run_tags", ("run_id", "key", "value"), laid.tags)
        if wanted.rows:
            await self._connection.execute("analyze pg_temp.runs")

    async def begin(self, ids: Collection[UUID]) -> None:
        """The rows of some runs, without what is made of their configs."""
        await self._fill(ids, complete=False)

    async def describe(self, ids: Collection[UUID]) -> None:
        """The complete rows of some runs, and their links."""
        touched = await self._fill(ids, complete=True)
        await self._forget("run_links", ids)
        chosen = [each.run for each in touched]
        await self._execute(
            _SIDE, chosen, list(ids), table="run_links", chosen="and s.run_id = any($5::uuid[])"
        )
        async for found in self._recalled(touched):
            rows = [(run.id, *link) for run in found for link in run.links]
            await self._copy("run_links", ("run_id", "kind", "target"), rows)

    async def lay(self, run: Run) -> None:
        """A run that was made otherwise, in place of what is there of it."""
        await self._forget("runs", [run.id], key="id")
        await self._forget("run_links", [run.id])
        await self._copy("runs", _RUN, [_row(run, _derived(run))])
        await self._copy("run_links", ("run_id", "kind", "target"), [(run.id, *link) for link in run.links])

    async def _fill(self, ids: Collection[UUID], *, complete: bool) -> list[_Since]:
        await self._forget("runs", ids, key="id")
        columns = [name for name in _RUN if complete or name not in _HEAVY]
        chosen = "and r.id = any($4::uuid[])"
        await self._execute(_UNTOUCHED, list(ids), columns=_listed(columns), chosen=chosen)
        touched = await self._touched(ids)
        async for rows in self._made(touched, complete=complete):
            await self._copy("runs", _RUN, rows)
        return touched

    async def _configured(self, touched: Sequence[_Since]) -> set[UUID]:
        """Those of the runs that have another config since."""
        query = _CONFIGURED_SINCE.format(metadata=self._metadata)
        return {row["id"] for row in await self._connection.fetch(query, *_columns(touched))}

    async def _side(self, table: str, keys: Collection[str], changed: Collection[UUID]) -> None:
        """Rows of a side table of the runs that did not change; all anew, where all keys are wanted."""
        if EVERY in keys:
            await self._connection.execute(f"truncate pg_temp.{table}")
            await self._execute(_SIDE, list(changed), table=table)
        elif keys:
            chosen = "and s.key = any($5::text[])"
            await self._execute(_SIDE, list(changed), list(keys), table=table, chosen=chosen)

    async def experiments(self) -> None:
        """The experiments of the workspace and their links."""
        await self._execute(_EXPERIMENTS_UNTOUCHED, columns=_listed(_EXPERIMENT))
        await self._execute(_LINKS_UNTOUCHED)
        kept = await self._fetch(_EXPERIMENTS_KEPT)
        then = [each for row in kept if (each := _experiment(row["own"], row["met"])) is not None]
        await self._copy(
            "experiments", _EXPERIMENT, [_moments(_EXPERIMENT, experiment_row(each)) for each in then]
        )
        links = [(each.id, *link) for each in then for link in each.links]
        await self._copy("experiment_links", ("experiment_id", "kind", "target"), links)

    async def _touched(self, ids: Collection[UUID] | None = None) -> list[_Since]:
        """The runs that were there, and have events since."""
        if ids is None:
            return [_Since(*row) for row in await self._fetch(_TOUCHED)]
        rows = await self._fetch(_TOUCHED, list(ids), chosen="and r.id = any($4::uuid[])")
        return [_Since(*row) for row in rows]

    async def _made(self, touched: Sequence[_Since], *, complete: bool) -> Any:
        """Rows of runs as they were, many at a time."""
        for chunk in _chunks(touched):
            kept = await self._kept(chunk, config=complete, environment=complete)
            yield await asyncio.to_thread(_rows, kept, complete)

    async def _recalled(self, touched: Sequence[_Since]) -> Any:
        """Runs as they were, but for their configs and environments, many at a time."""
        for chunk in _chunks(touched):
            kept = await self._kept(chunk)
            yield await asyncio.to_thread(_recall, kept)

    async def _kept(
        self,
        touched: Sequence[_Since],
        *,
        config: bool = False,
        environment: bool = False,
        of: Collection[UUID] | None = None,
    ) -> list[tuple[Kept, int]]:
        """What is kept of runs; of: those whose config and environment are wanted, if not of all."""
        trees = {"config": config, "environment": environment}
        query = _KEPT.format(
            metadata=self._metadata,
            **{
                tree: _TREE.format(metadata=self._metadata, tree=tree) if wanted else "null::bytea"
                for tree, wanted in trees.items()
            },
        )
        wanted = [of is None or each.run in of for each in touched]
        rows = await self._connection.fetch(query, *_columns(touched), wanted)
        return [(_of(row), row["following"]) for row in rows]

    async def _execute(self, query: str, *values: object, chosen: str = "", **names: str) -> None:
        await self._connection.execute(self._statement(query, chosen, names), *self._cut, *values)

    async def _fetch(self, query: str, *values: object, chosen: str = "", **names: str) -> list[Any]:
        return list(await self._connection.fetch(self._statement(query, chosen, names), *self._cut, *values))

    def _statement(self, query: str, chosen: str, names: Mapping[str, str]) -> str:
        settled = _SETTLED.format(metadata=self._metadata)
        return query.format(metadata=self._metadata, cut=_CUT, chosen=chosen, settled=settled, **names)

    async def _forget(self, table: str, ids: Collection[UUID], key: str = "run_id") -> None:
        await self._connection.execute(
            f"delete from pg_temp.{table} where {key} = any($1::uuid[])", list(ids)
        )

    async def _copy(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        if rows:
            await self._connection.copy_records_to_table(table, records=rows, columns=columns)


def _of(row: Any) -> Kept:
    return Kept(
        row["state"],
        row["config"],
        row["environment"],
        None if row["problems"] is None else msgspec.json.decode(row["problems"]),
        row["beats"] or b"",
        None
        if row["time"] is None
        else Beat(row["offset"], (row["time"] - _EPOCH) // timedelta(microseconds=1)),
    )


def _recall(kept: Iterable[tuple[Kept, int]]) -> list[Run]:
    return [recall(each, following) for each, following in kept]


def _rows(kept: Iterable[tuple[Kept, int]], complete: bool) -> list[tuple[Any, ...]]:
    """All columns; of rows that are not complete, those made of the config are empty."""
    runs = _recall(kept)
    if complete:
        return [_row(run, _derived(run)) for run in runs]
    return [_row(_shortened(run), _NOTHING) for run in runs]


class _Laid(NamedTuple):
    """Rows for the three tables that questions about all runs look into."""

    rows: list[tuple[Any, ...]]
    params: list[tuple[Any, ...]]
    tags: list[tuple[Any, ...]]


def _laid(kept: Iterable[tuple[Kept, int]], wanted: Wanted, configured: Collection[UUID]) -> _Laid:
    laid = _Laid([], [], [])
    for each, following in kept:
        run = recall(each._replace(environment=None), following)
        if wanted.rows and wanted.derived:
            laid.rows.append(_row(_shortened(run), _derived(_surrounded(run, each.environment))))
        elif wanted.rows:
            laid.rows.append(_row(_shortened(run), ()))
        if run.id in configured:
            laid.params.extend(_params(run, wanted.params))
        laid.tags.extend(_tags(run, wanted.tags))
    return laid


def _params(run: Run, keys: Collection[str]) -> Iterator[tuple[Any, ...]]:
    if EVERY in keys:
        yield from ((run.id, key, param.num, param.txt) for key, param in params(run.config).items())
        return
    for key in keys:
        param = param_at(run.config, key)
        if param is not None:
            yield run.id, key, param.num, param.txt


def _tags(run: Run, keys: Collection[str]) -> Iterator[tuple[Any, ...]]:
    if not keys:
        return
    for key, value in run.tags.items():
        name = clean_text(key)
        if EVERY in keys or name in keys:
            yield run.id, name, clean_text(value)


class _Surroundings(msgspec.Struct):
    """What of an environment columns are derived from; the rest, often long, is passed over."""

    git: Any = None
    container: Any = None
    hardware: Any = None


_surroundings = msgspec.msgpack.Decoder(_Surroundings)


def _surrounded(run: Run, environment: bytes | None) -> Run:
    """The run with what of its environment columns are derived from."""
    if environment is None:
        return run
    return msgspec.structs.replace(run, environment=msgspec.structs.asdict(_surroundings.decode(environment)))


def _shortened(run: Run) -> Run:
    """The run without what is laid out of runs that are shown alone."""
    return msgspec.structs.replace(run, config={}, environment={}, traceback=None)


def _derived(run: Run) -> tuple[Any, ...]:
    return tuple(map(_column, msgspec.structs.astuple(derived_columns(run))))


def _row(run: Run, derived: tuple[Any, ...]) -> tuple[Any, ...]:
    return _moments(_RUN, (*run_row(run), *derived))


_NOTHING = msgspec.structs.astuple(Derived())
_TIME_PLACES = {
    columns: [i for i, name in enumerate(columns) if name in _TIMES] for columns in (_RUN, _EXPERIMENT)
}


def _column(value: Any) -> Any:
    """Words as the live table holds them, see consumers' tables.py."""
    return [word.replace("\x1f", " ") for word in value] if isinstance(value, list) else value


def _moments(columns: tuple[str, ...], row: Iterable[Any]) -> tuple[Any, ...]:
    """The row with its microseconds as moments."""
    values = list(row)
    for place in _TIME_PLACES[columns]:
        if values[place] is not None:
            values[place] = _EPOCH + timedelta(microseconds=values[place])
    return tuple(values)


def _experiment(own: bytes | None, met: Sequence[bytes]) -> Experiment | None:
    return experiments.shown(None if own is None else experiments.load(own), map(experiments.load, met))


def _columns(touched: Sequence[_Since]) -> tuple[list[UUID], list[int]]:
    return [each.run for each in touched], [each.following for each in touched]


def _chunks(touched: Sequence[_Since]) -> Iterator[Sequence[_Since]]:
    return (touched[start : start + _CHUNK] for start in range(0, len(touched), _CHUNK))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
