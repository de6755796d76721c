"""Rows of runs and experiments as of a position of the topic `runs`, laid out in temporary tables."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from speech_experiment_projections.runs import Run

from ..desks import Depth
from .needs import EVERY
from .past_rows import (
    COLUMNS,
    EXPERIMENT,
    RUN,
    Laid,
    Wanted,
    complete_rows,
    experiment_columns,
    experiment_of,
    plain_rows,
    rows_of,
    run_columns,
    runs_of,
    sketches_of,
)
from .sql import Tables

_CHUNK = 1_000
_CUT = "unnest($1::int[], $2::bigint[]) as c (partition, following)"
_TOUCHED = """
select r.id, c.following, {configured} as configured
from {metadata}.runs r join {cut} using (partition)
where r.workspace = $3 and r.first_offset < c.following and r.last_offset >= c.following {chosen}
"""
_CONFIGURED_SINCE = """exists (select from {metadata}.run_versions v
    where v.run_id = r.id and v.from_offset >= c.following and v.config is not null)"""
_UNTOUCHED = """
insert into pg_temp.runs ({columns}) select {columns} from {metadata}.runs r join {cut} using (partition)
where r.workspace = $3 and r.last_offset < c.following {chosen}
"""
_KEPT = """
select n.id, n.following, v.state, {config} as config, {environment} as environment,
    b.problems::text as problems, b.beats, o."offset", o.time
from {versions}
left join lateral (
    select b.problems, b.beats from {metadata}.run_contacts b
    where b.run_id = n.id and b.from_offset < n.following order by b.from_offset desc limit 1) b on true
left join lateral (
    select o."offset", o.time from {metadata}.run_output o
    where o.run_id = n.id and o."offset" < n.following order by o."offset" desc limit 1) o on true
"""
_SKETCHES = "select n.id, v.state, {config} as config from {versions}"
_VERSIONS = """
unnest($1::uuid[], $2::bigint[], $3::bool[]) as n (id, following, trees)
cross join lateral (
    select v.state from {metadata}.run_versions v where v.run_id = n.id and v.from_offset < n.following
    order by v.from_offset desc limit 1) v
"""
_TREE = """(case when n.trees then (
    select t.{tree} from {metadata}.run_versions t
    where t.run_id = n.id and t.from_offset < n.following and t.{tree} is not null
    order by t.from_offset desc limit 1) end)"""
_SIDE = """
insert into pg_temp.{table} select s.* from {metadata}.{table} s
join {metadata}.runs r on r.id = s.run_id join {cut} using (partition)
where r.workspace = $3 and r.first_offset < c.following
  and not exists (select from unnest($4::uuid[]) as n (id) where n.id = r.id) {chosen}
"""
"""Compared with the run, not with its row here: so the rows of the others are not even looked for."""
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
    """A run with events at or after the position, `following` being the next offset of its partition.

    configured: whether it has another config since, as far as that was asked
    """

    run: UUID
    following: int
    configured: bool = False


class PastRuns:
    """Lays out the metadata of a workspace. below: partition → next offset."""

    def __init__(self, connection: Any, live: Tables, below: Mapping[int, int], workspace: str) -> None:
        self._connection = connection
        self._metadata = live.metadata
        self._cut = (list(below), list(below.values()), workspace)

    async def all_runs(self, wanted: Wanted) -> None:
        """What a question needs of all runs, in one pass over those that have changed since."""
        touched = await self._touched(configured=bool(wanted.params))
        configured = [each for each in touched if each.configured]
        if wanted.rows:
            await self._connection.execute("truncate pg_temp.runs")
            await self._execute(_UNTOUCHED, columns=_listed(COLUMNS[wanted.rows]))
        # Of a run whose config is still what it was, the live table has the params.
        await self._side("run_params", wanted.params, configured)
        await self._side("run_tags", wanted.tags, touched)
        asked = touched if wanted.rows or wanted.tags else configured
        async for laid in self._laid(asked, wanted, {each.run for each in configured}):
            await self._copy("runs", COLUMNS.get(wanted.rows, ()), laid.rows)
            await self._copy("run_params", ("run_id", "key", "num", "txt"), laid.params)
            await self._copy("run_tags", ("run_id", "key", "value"), laid.tags)
        if wanted.rows:
            await self._connection.execute("analyze pg_temp.runs")

    async def _laid(self, asked: Sequence[_Since], wanted: Wanted, configured: Collection[UUID]) -> Any:
        """What is laid out of runs, many at a time: made of some while Postgres looks for the next."""
        make = rows_of if wanted.rows >= Depth.OWN else sketches_of
        making: asyncio.Task[Laid] | None = None
        for chunk in _chunks(asked):
            kept = await self._wanted(chunk, wanted)
            before = None if making is None else await making
            making = asyncio.create_task(asyncio.to_thread(make, kept, wanted, configured))
            if before is not None:
                yield before
        if making is not None:
            yield await making

    async def _wanted(self, chunk: Sequence[_Since], wanted: Wanted) -> list[Any]:
        """What is kept of runs, as far as it is laid out of all."""
        if wanted.rows < Depth.OWN:
            return await self._sketches(chunk, [each.configured for each in chunk])
        derived = wanted.rows == Depth.DERIVED
        configs = [derived or each.configured for each in chunk]
        return await self._kept(chunk, config=configs, environment=derived)

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
        await self._copy("runs", RUN, [run_columns(run)])
        await self._copy("run_links", ("run_id", "kind", "target"), [(run.id, *link) for link in run.links])

    async def _fill(self, ids: Collection[UUID], *, complete: bool) -> list[_Since]:
        await self._forget("runs", ids, key="id")
        columns = RUN if complete else COLUMNS[Depth.DERIVED]
        chosen = "and r.id = any($4::uuid[])"
        await self._execute(_UNTOUCHED, list(ids), columns=_listed(columns), chosen=chosen)
        touched = await self._touched(ids)
        async for rows in self._made(touched, complete=complete):
            await self._copy("runs", RUN, rows)
        return touched

    async def _side(self, table: str, keys: Collection[str], changed: Sequence[_Since]) -> None:
        """Rows of a side table of the runs that did not change; all anew, where all keys are wanted."""
        others = [each.run for each in changed]
        if EVERY in keys:
            await self._connection.execute(f"truncate pg_temp.{table}")
            await self._execute(_SIDE, others, table=table)
        elif keys:
            chosen = "and s.key = any($5::text[])"
            await self._execute(_SIDE, others, list(keys), table=table, chosen=chosen)

    async def experiments(self) -> None:
        """The experiments of the workspace and their links."""
        await self._execute(_EXPERIMENTS_UNTOUCHED, columns=_listed(EXPERIMENT))
        await self._execute(_LINKS_UNTOUCHED)
        kept = await self._fetch(_EXPERIMENTS_KEPT)
        then = [each for row in kept if (each := experiment_of(row["own"], row["met"])) is not None]
        await self._copy("experiments", EXPERIMENT, [experiment_columns(each) for each in then])
        links = [(each.id, *link) for each in then for link in each.links]
        await self._copy("experiment_links", ("experiment_id", "kind", "target"), links)

    async def _touched(
        self, ids: Collection[UUID] | None = None, *, configured: bool = False
    ) -> list[_Since]:
        """The runs that were there, and have events since; configured: with whether that is a config."""
        asked = _CONFIGURED_SINCE.format(metadata=self._metadata) if configured else "false"
        chosen = "" if ids is None else "and r.id = any($4::uuid[])"
        values = () if ids is None else (list(ids),)
        rows = await self._fetch(_TOUCHED, *values, chosen=chosen, configured=asked)
        return [_Since(*row) for row in rows]

    async def _made(self, touched: Sequence[_Since], *, complete: bool) -> Any:
        """Rows of runs as they were, many at a time."""
        for chunk in _chunks(touched):
            kept = await self._kept(chunk, config=[complete] * len(chunk), environment=complete)
            yield await asyncio.to_thread(complete_rows if complete else plain_rows, kept)

    async def _recalled(self, touched: Sequence[_Since]) -> Any:
        """Runs as they were, but for their configs and environments, many at a time."""
        for chunk in _chunks(touched):
            kept = await self._kept(chunk, config=[False] * len(chunk), environment=False)
            yield await asyncio.to_thread(runs_of, kept)

    async def _kept(
        self, touched: Sequence[_Since], *, config: Sequence[bool], environment: bool
    ) -> list[Any]:
        """Rows of what is kept of runs; config: of which of them it is wanted, environment: whether of all."""
        query = _KEPT.format(
            metadata=self._metadata,
            versions=_VERSIONS.format(metadata=self._metadata),
            config=self._tree("config", any(config)),
            environment=self._tree("environment", environment),
        )
        return list(await self._connection.fetch(query, *_columns(touched), config))

    async def _sketches(self, touched: Sequence[_Since], config: Sequence[bool]) -> list[Any]:
        """Likewise, without signs of life."""
        versions = _VERSIONS.format(metadata=self._metadata)
        query = _SKETCHES.format(versions=versions, config=self._tree("config", any(config)))
        return list(await self._connection.fetch(query, *_columns(touched), config))

    def _tree(self, tree: str, wanted: bool) -> str:
        return _TREE.format(metadata=self._metadata, tree=tree) if wanted else "null::bytea"

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


def _columns(touched: Sequence[_Since]) -> tuple[list[UUID], list[int]]:
    return [each.run for each in touched], [each.following for each in touched]


def _chunks(touched: Sequence[_Since]) -> Iterator[Sequence[_Since]]:
    return (touched[start : start + _CHUNK] for start in range(0, len(touched), _CHUNK))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
