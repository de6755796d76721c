"""Summaries and results as of a position of the topic `metrics`, laid out in temporary tables.

Runs whose producers said nothing since have theirs in the live tables; of the others they are made again
of the points before the position. Ranks and attempts are those that were known then.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from speech_experiment_projections import exact
from speech_experiment_projections.curves import CurveRun, Speaker
from speech_experiment_projections.effective import Resume
from speech_experiment_projections.recognised import RULE, recognise
from speech_experiment_projections.recompute import Found, last_values, statement, summaries
from speech_experiment_projections.summaries import Summary
from speech_experiment_schemas.ids import key_hash, run_hash

from ..stores import Stores
from ..vectors import Vector
from .needs import EVERY
from .sql import Tables

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CHUNK = 2_000
_AHEAD = 20_000
"""Summaries, about, that the store makes while something else is laid out; they wait in memory."""
_YEAR_1, _YEAR_9999 = -62_000_000_000_000_000, 253_000_000_000_000_000
"""As the live projection holds a client's time."""
_SETTINGS = {"max_query_size": 64 << 20}

_CUT = "unnest($1::int[], $2::bigint[]) as c (partition, following)"
_CHANGED = """
select l.run_id, bool_or(l.first_offset < c.following) as known
from {metrics}.ledger l join {cut} using (partition) {of_workspace}
where l.run_id is not null {chosen}
group by l.run_id having bool_or(l.last_offset >= c.following)
"""
_OF_WORKSPACE = "join {metadata}.runs r on r.id = l.run_id and r.workspace = $3"
_UNCHANGED = """
insert into pg_temp.{table} select s.* from {metrics}.{table} s {of_workspace}
where not exists (select from unnest($1::uuid[]) as n (id) where n.id = s.run_id) {chosen}
"""
_SIDE_OF_WORKSPACE = "join {metadata}.runs r on r.id = s.run_id and r.workspace = $2"
_LEDGER = """
insert into pg_temp.ledger (producer, hash, run_id, rank, attempt)
select l.producer, l.hash, l.run_id, case when l.opened_offset < c.following then l.rank end,
    case when l.opened_offset < c.following then l.attempt end
from {metrics}.ledger l join {cut} using (partition)
where l.run_id = any($3::uuid[]) and l.first_offset < c.following
"""
_ATTEMPTS = """
insert into pg_temp.attempts select a.* from {metrics}.attempts a join {cut} using (partition)
where a.run_id = any($3::uuid[]) and a."offset" < c.following
"""
_SPEAKERS = """
select l.run_id, l.hash, case when l.opened_offset < c.following then l.rank end as rank,
    case when l.opened_offset < c.following then l.attempt end as attempt
from {metrics}.ledger l join {cut} using (partition)
where l.run_id = any($3::uuid[]) and l.first_offset < c.following
  and (l.run_id = any($4::uuid[]) or l.rank <> 0 and l.opened_offset < c.following)
"""
"""Of runs that were resumed everyone, of the others those whose rank is not 0."""
_RESUMES = """
select a.run_id, a.attempt, a.from_step from {metrics}.attempts a join {cut} using (partition)
where a.run_id = any($3::uuid[]) and a."offset" < c.following
"""
_NOTHING_OF = """
with s as (delete from pg_temp.summaries where run_id = any($1::uuid[])),
     r as (delete from pg_temp.test_set_results where run_id = any($1::uuid[])),
     l as (delete from pg_temp.ledger where run_id = any($1::uuid[]))
delete from pg_temp.attempts where run_id = any($1::uuid[])
"""
_SUMMARY = (
    "run_id", "key", "rank", "count", "nans", "last_value", "last_step", "last_time", "last_seq", "offset",
    "min_value", "min_step", "max_value", "max_step", "sum_value",
)  # fmt: skip
_LAST = ("run_id", "key", "rank", "last_value")
_RESULT = (
    "run_id", "key", "test_set", "metric", "speaker", "decoding", "value", "step", "time", "rule", "partition",
    "offset",
)  # fmt: skip


class Attempt(NamedTuple):
    """The announcement of an attempt; time in microseconds since 1970."""

    attempt: int
    from_step: int | None
    offset: int
    time: int


class _Made(NamedTuple):
    """Rows of summaries: complete ones, and those that have the last value alone."""

    rows: list[tuple[Any, ...]]
    lasts: list[tuple[Any, ...]]


class PastMetrics:
    """Lays out the metrics of a workspace as of a vector; its scores win over results recognised from names."""

    def __init__(self, connection: Any, live: Tables, vector: Vector, workspace: str, stores: Stores) -> None:
        self._connection = connection
        self._live = live
        self._below = below = vector.below("metrics")
        self._cut = (list(below), list(below.values()))
        self._workspace = workspace
        self._stores = stores
        self._scored = list(vector.below("evaluations").values())

    @asynccontextmanager
    async def all_summaries(self, keys: set[str], lasts: set[str]) -> AsyncIterator[None]:
        """Summaries of all runs are there at the end; meanwhile the store makes them, and the session is free.

        lasts: keys of which the last values do
        """
        if not keys and not lasts:
            yield
            return
        both = keys | lasts
        chosen, values = _chosen("s.key", both, 3)
        await self._forget("summaries", "key", both)
        changed = await self._changed()
        await self._unchanged("summaries", changed, chosen, *values)
        ids = [run for run, known in changed.items() if known]
        chunks = [await self._curve_runs(chunk) for chunk in _chunks(ids)]
        make = await self._maker(keys, lasts)
        first = 1 if EVERY in both else max(1, _AHEAD // (_CHUNK * len(both)))
        ahead = asyncio.create_task(asyncio.to_thread(lambda: [*map(make, chunks[:first])]))
        try:
            yield
            for made in await ahead:
                await self._copy_summaries(*made)
        finally:
            ahead.cancel()
        for chunk in chunks[first:]:
            await self._copy_summaries(*await asyncio.to_thread(make, chunk))
        await self._connection.execute("analyze pg_temp.summaries")

    async def _maker(self, keys: set[str], lasts: set[str]) -> Callable[[Mapping[UUID, CurveRun]], _Made]:
        """What asks the store for summaries of some runs, and makes rows of them."""
        wanted = None if EVERY in keys else [key_hash(key) for key in keys]
        names = (
            {key_hash(key): key for key in keys | lasts} if wanted is not None else await self._names(None)
        )
        table = f"metric_points_v{self._live.versions[1]}"

        def make(runs: Mapping[UUID, CurveRun]) -> _Made:
            of = {each.hash: run for run, each in runs.items()}
            made = _Made([], [])
            if keys:
                found = self._ask(statement(table, list(runs.values()), wanted, self._below))
                made.rows.extend(_summary_row(of[each.run], names[each.key], each.summary) for each in found)
            if lasts:
                sql = last_values(table, list(runs.values()), list(map(key_hash, lasts)), self._below)
                rows = self._stores.clickhouse.query(sql, settings=_SETTINGS).result_rows
                made.lasts.extend((of[run], names[key], rank, value) for run, key, rank, value in rows)
            return made

        return make

    async def _copy_summaries(
        self, rows: Sequence[tuple[Any, ...]], lasts: Sequence[tuple[Any, ...]]
    ) -> None:
        await self._copy("summaries", _SUMMARY, rows)
        await self._copy("summaries", _LAST, lasts)

    async def all_results(self, metrics: set[str]) -> None:
        """Results of all runs in these metrics."""
        chosen, values = _chosen("s.metric", metrics, 3)
        await self._forget("test_set_results", "metric", metrics)
        changed = await self._changed()
        await self._unchanged("test_set_results", changed, chosen, *values)
        keys = await self._keys_of_results(metrics)
        async for rows in self._recomputed([run for run, known in changed.items() if known], keys):
            results = [row for each in rows if (row := _result_row(*each)) is not None]
            wanted = results if EVERY in metrics else [row for row in results if row[3] in metrics]
            await self._copy("test_set_results", _RESULT, wanted)
        await self._scores(None, None if EVERY in metrics else metrics)
        await self._connection.execute("analyze pg_temp.test_set_results")

    async def describe(self, ids: Collection[UUID]) -> None:
        """Everything about some runs."""
        await self._begin(ids)
        changed = await self._changed(ids)
        here = "and s.run_id = any($2::uuid[])"
        for table in ("summaries", "test_set_results"):
            query = self._statement(_UNCHANGED, table=table, of_workspace="", chosen=here)
            await self._connection.execute(query, list(changed), list(ids))
        async for rows in self._recomputed([run for run, known in changed.items() if known], None):
            await self._copy("summaries", _SUMMARY, [_summary_row(run, key, each) for run, key, each in rows])
            results = [row for each in rows if (row := _result_row(*each)) is not None]
            await self._copy("test_set_results", _RESULT, results)
        await self._scores(list(ids), None)

    async def _scores(self, ids: Sequence[UUID] | None, metrics: Collection[str] | None) -> None:
        """Puts what evaluations say in the place of what names said."""
        found = f"{self._live.scores}.results_of($1::uuid[], $2, $3::bigint[]) s"
        asked = (ids, self._workspace, self._scored)
        wanted = "($4::text[] is null or s.metric = any($4))"
        same = "(t.run_id, t.test_set, t.metric, t.decoding, t.speaker) = (s.run_id, s.test_set, s.metric, s.decoding, s.speaker)"
        names = None if metrics is None else list(metrics)
        await self._connection.execute(
            f"delete from pg_temp.test_set_results t using {found} where {same} and {wanted}", *asked, names
        )
        listed = ", ".join(f'"{name}"' for name in _RESULT)
        await self._connection.execute(
            f"insert into pg_temp.test_set_results ({listed}) select {listed} from {found} where {wanted}",
            *asked,
            names,
        )

    async def lay(self, run: UUID, summaries: Sequence[Summary], resumes: Sequence[Attempt]) -> None:
        """Summaries that were made otherwise, and the attempts of their run, in place of what is there of it."""
        for table in ("summaries", "test_set_results", "attempts"):
            await self._connection.execute(f"delete from pg_temp.{table} where run_id = $1", run)
        await self._copy(
            "summaries", _SUMMARY, [_summary_row(run, each.series.key, each) for each in summaries]
        )
        results = (_result_row(run, each.series.key, each) for each in summaries)
        await self._copy("test_set_results", _RESULT, [each for each in results if each is not None])
        attempts = [(run, each.attempt, each.from_step, each.offset, _moment(each.time)) for each in resumes]
        await self._copy("attempts", ("run_id", "attempt", "from_step", "offset", "time"), attempts)
        await self._scores([run], None)

    async def series(self, ids: Collection[UUID], keys: Collection[str]) -> None:
        """What curves need: who spoke, what counts, and how many points there are."""
        await self._begin(ids)
        changed = await self._changed(ids)
        here = "and s.run_id = any($2::uuid[]) and s.key = any($3::text[])"
        query = self._statement(_UNCHANGED, table="summaries", of_workspace="", chosen=here)
        await self._connection.execute(query, list(changed), list(ids), list(keys))
        async for rows in self._recomputed([run for run, known in changed.items() if known], set(keys)):
            await self._copy("summaries", _SUMMARY, [_summary_row(run, key, each) for run, key, each in rows])

    async def _begin(self, ids: Collection[UUID]) -> None:
        """Producers and attempts; nothing else is there of these runs."""
        await self._connection.execute(_NOTHING_OF, list(ids))
        await self._connection.execute(self._statement(_LEDGER), *self._cut, list(ids))
        await self._connection.execute(self._statement(_ATTEMPTS), *self._cut, list(ids))

    async def _changed(self, ids: Collection[UUID] | None = None) -> dict[UUID, bool]:
        """Runs whose producers said something since → whether they had said anything before."""
        if ids is None:
            of_workspace = _OF_WORKSPACE.format(metadata=self._live.metadata)
            query = self._statement(_CHANGED, of_workspace=of_workspace, chosen="")
            rows = await self._connection.fetch(query, *self._cut, self._workspace)
        else:
            query = self._statement(_CHANGED, of_workspace="", chosen="and l.run_id = any($3::uuid[])")
            rows = await self._connection.fetch(query, *self._cut, list(ids))
        return {row["run_id"]: row["known"] for row in rows}

    async def _unchanged(self, table: str, changed: Collection[UUID], chosen: str, *values: object) -> None:
        of_workspace = _SIDE_OF_WORKSPACE.format(metadata=self._live.metadata)
        query = self._statement(_UNCHANGED, table=table, of_workspace=of_workspace, chosen=chosen)
        await self._connection.execute(query, list(changed), self._workspace, *values)

    async def _recomputed(self, ids: Sequence[UUID], keys: Collection[str] | None) -> Any:
        """(run, key, summary) of each series, many runs at a time."""
        if not ids or (keys is not None and not keys):
            return
        hashes = None if keys is None else [key_hash(key) for key in keys]
        names = {} if keys is None else {key_hash(key): key for key in keys}
        table = f"metric_points_v{self._live.versions[1]}"
        for chosen in _chunks(ids):
            runs = await self._curve_runs(chosen)
            sql = statement(table, list(runs.values()), hashes, self._below)
            found = await asyncio.to_thread(self._ask, sql)
            names |= await self._names({each.key for each in found} - names.keys())
            of = {run.hash: each for each, run in runs.items()}
            yield [(of[each.run], names[each.key], each.summary) for each in found]

    def _ask(self, sql: str) -> list[Found]:
        rows = self._stores.clickhouse.query(sql, settings=_SETTINGS).result_rows
        return list(summaries(rows))

    async def _curve_runs(self, ids: Sequence[UUID]) -> dict[UUID, CurveRun]:
        resumes: dict[UUID, list[Resume]] = defaultdict(list)
        for row in await self._connection.fetch(self._statement(_RESUMES), *self._cut, list(ids)):
            resumes[row["run_id"]].append(Resume(row["attempt"], row["from_step"]))
        speakers: dict[UUID, list[Speaker]] = defaultdict(list)
        asked = (*self._cut, list(ids), list(resumes))
        for row in await self._connection.fetch(self._statement(_SPEAKERS), *asked):
            attempt = 1 if row["attempt"] is None else row["attempt"]
            speakers[row["run_id"]].append(Speaker(row["hash"] % 2**64, row["rank"] or 0, attempt))
        return {
            run: CurveRun(
                hash=run_hash(run), speakers=tuple(speakers.get(run, ())), resumes=tuple(resumes.get(run, ()))
            )
            for run in ids
        }

    async def _names(self, hashes: Collection[int] | None) -> dict[int, str]:
        """hash → key; None: of all keys."""
        if hashes is not None and not hashes:
            return {}
        signed = (
            None if hashes is None else [each - (1 << 64) if each >= 1 << 63 else each for each in hashes]
        )
        query = (
            f"select hash, key from {self._live.metrics}.metric_keys "
            "where $1::bigint[] is null or hash = any($1::bigint[])"
        )
        return {row["hash"] % 2**64: row["key"] for row in await self._connection.fetch(query, signed)}

    async def _keys_of_results(self, metrics: set[str]) -> set[str]:
        """Names that may be results in the metrics."""
        rows = await self._connection.fetch(f"select key from {self._live.metrics}.metric_keys")
        readings = ((row["key"], recognise(row["key"], stepped)) for row in rows for stepped in (False, True))
        return {
            key
            for key, found in readings
            if found is not None and (EVERY in metrics or found.metric in metrics)
        }

    async def _forget(self, table: str, column: str, keys: set[str]) -> None:
        if EVERY in keys:
            await self._connection.execute(f"truncate pg_temp.{table}")
        else:
            await self._connection.execute(
                f"delete from pg_temp.{table} where {column} = any($1::text[])", list(keys)
            )

    def _statement(self, query: str, **names: str) -> str:
        return query.format(metrics=self._live.metrics, cut=_CUT, **names)

    async def _copy(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        if rows:
            await self._connection.copy_records_to_table(table, records=rows, columns=columns)


def _chosen(column: str, keys: set[str], place: int) -> tuple[str, list[object]]:
    return ("", []) if EVERY in keys else (f"and {column} = any(${place}::text[])", [list(keys)])


def _summary_row(run: UUID, key: str, each: Summary) -> tuple[Any, ...]:
    return (
        run,
        key,
        each.series.rank,
        each.points,
        each.nans,
        each.last,
        each.last_step,
        _moment(each.last_time),
        each.last_seq,
        each.offset,
        each.min,
        each.min_step,
        each.max,
        each.max_step,
        Decimal(exact.to_text(each.sum)),
    )


def _result_row(run: UUID, key: str, each: Summary) -> tuple[Any, ...] | None:
    """The result that a summary is by its name; None for curves, and for other ranks."""
    found = None if each.series.rank else recognise(key, each.last_step is not None)
    if found is None:
        return None
    place = (found.test_set, found.metric, found.speaker, found.decoding)
    return run, key, *place, each.last, each.last_step, _moment(each.last_time), RULE, 0, each.offset


def _moment(microseconds: int) -> datetime:
    """Rounded as the live projection rounds: through a float."""
    return _EPOCH + timedelta(microseconds=round(float(max(min(microseconds, _YEAR_9999), _YEAR_1))))


def _chunks(ids: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    return (ids[start : start + _CHUNK] for start in range(0, len(ids), _CHUNK))
