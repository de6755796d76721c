"""Whether two versions of a projection hold the same, while both go on being written.

Every table is reduced to a number of rows and a digest for each run (or for what its key begins with,
where it knows of no run). What differs at a first look may only have been under way: both versions
are let pass the positions at which either stood, and what then still differs in just the same way did
not change in between, so both hold all that the log says of it, and they do not agree.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from speech_experiment_infra.connections import clickhouse
from speech_experiment_infra.rebuilds import Phase
from speech_experiment_infra.settings import Settings
from speech_experiment_infra.versions import Refused, read_versions
from speech_experiment_projections.metrics import COLUMNS

from ..sql import schema_name

_LOOKS = 6
_STALL_SECONDS = 90.0
_POLL_SECONDS = 0.1
_HOURS = 6 * 3600.0
_MOST_KEYS, _EXAMPLES = 5_000, 5

_NOT_COMPARED: Mapping[str, frozenset[str]] = {
    "dead_letters": frozenset(
        {"id", "key", "value", "headers", "error", "code_version", "parked_at", "replayed_at"}
    ),
    "identities": frozenset({"made_at"}),
    "scores": frozenset({"made"}),
}
"""table → columns that depend on when it was written, or by which release."""
_BY_ORDER: Mapping[str, frozenset[str]] = {
    "ledger": frozenset({"subject_kind", "subject_id", "partition", "first_offset", "first_seen"}),
}
"""table → columns that, in a row about no run, depend on the order in which partitions were read."""
_SKIPPED = frozenset({"positions", "reached", "tasks", "lists", "workspaces"})

_TABLES = """
select c.table_name, array_agg(c.column_name::text order by c.ordinal_position) as columns
from information_schema.columns c
where c.table_schema = $1
  and exists (select from information_schema.columns o
              where o.table_schema = $2 and o.table_name = c.table_name and o.column_name = c.column_name)
group by c.table_name order by c.table_name
"""
_KEYS = """
select t.relname as table_name, a.attname as key
from pg_index i join pg_class t on t.oid = i.indrelid join pg_namespace s on s.oid = t.relnamespace
join pg_attribute a on a.attrelid = t.oid and a.attnum = i.indkey[0]
where s.nspname = $1 and i.indisprimary
"""
_SIDE = """
select {key}::text as key, count(*) as rows, sum(hash_record_extended(row({columns}), 0)) as digest
from {schema}.{table} where $1::text[] is null or {key}::text = any($1) group by 1
"""
_DIFFERING = """
select coalesce(o.key, n.key) as key, coalesce(o.rows, 0) as old_rows, coalesce(n.rows, 0) as new_rows,
       o.digest::text as old_digest, n.digest::text as new_digest
from ({old}) o full join ({new}) n using (key)
where o.rows is distinct from n.rows or o.digest is distinct from n.digest order by 1 limit {limit}
"""
_POINTS = """
select toString(run), count(), toString(sum(cityHash64({columns}))) from {table} {where} group by run
"""
_RUNS = "select (hash::numeric + case when hash < 0 then 18446744073709551616 else 0 end)::text as hash, run_id::text as run from {schema}.metric_runs"


class Difference(NamedTuple):
    """What the two versions hold of one key of one table."""

    table: str
    key: str
    old_rows: int
    new_rows: int
    old_digest: str | None
    new_digest: str | None


class Example(msgspec.Struct, frozen=True):
    key: str
    old_rows: int
    new_rows: int


class TableFindings(msgspec.Struct, frozen=True):
    """different: keys (runs, where the table knows of runs) that do not agree, at most 5,000 are counted."""

    different: int
    examples: list[Example]


class Findings(msgspec.Struct, frozen=True):
    """live: the version compared with; in_motion: keys that were written at every look, and so not compared."""

    live: int
    equal: bool
    in_motion: int
    tables: dict[str, TableFindings]


class _Pair(NamedTuple):
    name: str
    old: int
    new: int


Look = dict[tuple[str, str], Difference]


async def compare(
    settings: Settings, pool: Any, name: str, version: int, enter: Callable[[Phase], None]
) -> Findings:
    """Compares a version that is followed with the live one.

    Raises:
        TimeoutError: one of the two does not go on.
    """
    pair = await _pair(pool, name, version)
    enter("following")
    await _pass(pool, pair, await _marks(pool, pair))
    enter("comparing")
    seen = await _look(settings, pool, pair, None)
    settled: Look = {}
    for _ in range(_LOOKS):
        if not seen:
            break
        await _pass(pool, pair, await _marks(pool, pair))
        again = await _look(settings, pool, pair, seen)
        settled |= {place: each for place, each in again.items() if seen[place] == each}
        seen = {place: each for place, each in again.items() if place not in settled}
    return findings(pair.old, list(settled.values()), len(seen))


def findings(live: int, differences: Collection[Difference], in_motion: int) -> Findings:
    tables: dict[str, list[Difference]] = {}
    for each in differences:
        tables.setdefault(each.table, []).append(each)
    return Findings(
        live,
        not differences,
        in_motion,
        {
            table: TableFindings(
                len(found), [Example(each.key, each.old_rows, each.new_rows) for each in found[:_EXAMPLES]]
            )
            for table, found in sorted(tables.items())
        },
    )


async def _pair(pool: Any, name: str, version: int) -> _Pair:
    versions = await read_versions(pool, name)
    live = next((each.version for each in versions if each.state == "live"), None)
    if live is None:
        raise Refused(f"{name} has no live version to compare with")
    return _Pair(name, live, version)


async def _marks(pool: Any, pair: _Pair) -> dict[tuple[str, int], int]:
    """Beyond everything that either version may show: what is pending may be visible in ClickHouse already."""
    marks: dict[tuple[str, int], int] = {}
    for row in await _positions(pool, pair):
        place = (row["topic"], row["partition"])
        marks[place] = max(marks.get(place, 0), row["next_offset"], (row["pending_last"] or -1) + 1)
    return marks


async def _positions(pool: Any, pair: _Pair) -> list[Any]:
    columns = "select topic, partition, next_offset, pending_last from"
    schemas = (schema_name(pair.name, version) for version in (pair.old, pair.new))
    rows: list[Any] = await pool.fetch(
        " union all ".join(f"{columns} {schema}.reached" for schema in schemas)
    )
    return rows


async def _pass(pool: Any, pair: _Pair, marks: Mapping[tuple[str, int], int]) -> None:
    """Waits until both versions have passed the marks; raises TimeoutError when nothing moves."""
    last, moved = 0, time.monotonic()
    while True:
        rows = await _positions(pool, pair)
        if all(row["next_offset"] >= marks[row["topic"], row["partition"]] for row in rows):
            return
        reached = sum(row["next_offset"] for row in rows)
        if reached != last:
            last, moved = reached, time.monotonic()
        elif time.monotonic() - moved > _STALL_SECONDS:
            raise TimeoutError(
                f"{pair.name}:{pair.old} or :{pair.new} does not go on; are its workers running?"
            )
        await asyncio.sleep(_POLL_SECONDS)


async def _look(settings: Settings, pool: Any, pair: _Pair, only: Look | None) -> Look:
    """What differs now, of everything or of the keys of an earlier look."""
    wanted: dict[str, list[str]] = {}
    for table, key in only or ():
        wanted.setdefault(table, []).append(key)
    found = await _look_at_tables(pool, pair, None if only is None else wanted)
    if pair.name == "metrics" and (only is None or "points" in wanted):
        found += await _look_at_points(settings, pool, pair, wanted.get("points"))
    return {(each.table, each.key): each for each in found}


async def _look_at_tables(pool: Any, pair: _Pair, wanted: Mapping[str, list[str]] | None) -> list[Difference]:
    old, new = schema_name(pair.name, pair.old), schema_name(pair.name, pair.new)
    found: list[Difference] = []
    async with (
        pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        keys = {row["table_name"]: row["key"] for row in await connection.fetch(_KEYS, new)}
        for row in await connection.fetch(_TABLES, old, new):
            table = row["table_name"]
            if table in _SKIPPED or (wanted is not None and table not in wanted):
                continue
            columns = [each for each in row["columns"] if each not in _NOT_COMPARED.get(table, ())]
            query = _query(table, _key(table, row["columns"], keys.get(table)), columns, old, new)
            rows = await connection.fetch(query, None if wanted is None else wanted[table], timeout=_HOURS)
            found += [Difference(table, *each) for each in rows]
    return found


def _key(table: str, columns: Sequence[str], primary: str | None) -> str:
    if table == "ledger":
        return "coalesce(run_id, producer)"
    if table == "dead_letters":
        return "partition || '/' || \"offset\""
    return "run_id" if "run_id" in columns else f'"{primary or columns[0]}"'


def _query(table: str, key: str, columns: Collection[str], old: str, new: str) -> str:
    ordered = _BY_ORDER.get(table, frozenset())
    listed = ", ".join(
        f'case when run_id is not null then "{column}" end' if column in ordered else f'"{column}"'
        for column in columns
    )
    sides = {
        side: _SIDE.format(key=key, columns=listed, schema=schema, table=table)
        for side, schema in (("old", old), ("new", new))
    }
    return _DIFFERING.format(limit=_MOST_KEYS, **sides)


async def _look_at_points(
    settings: Settings, pool: Any, pair: _Pair, runs: list[str] | None
) -> list[Difference]:
    """Of each run; keys are run ids where they are known, or the hashes that stand in the table."""
    rows = await pool.fetch(_RUNS.format(schema=schema_name(pair.name, pair.old)))
    names = {row["hash"]: row["run"] for row in rows}
    hashes = {run: hashed for hashed, run in names.items()}
    chosen = None if runs is None else [hashes.get(run, run) for run in runs]
    async with clickhouse(settings, send_receive_timeout=3_600) as client:
        old, new = [await asyncio.to_thread(_points, client, each, chosen) for each in pair[1:]]
    differing = sorted(run for run in old.keys() | new.keys() if old.get(run) != new.get(run))
    nothing = (0, None)
    return [
        Difference("points", names.get(run, run), old_rows, new_rows, old_digest, new_digest)
        for run in differing[:_MOST_KEYS]
        for old_rows, old_digest in [old.get(run, nothing)]
        for new_rows, new_digest in [new.get(run, nothing)]
    ]


def _points(client: Any, version: int, runs: list[str] | None) -> dict[str, tuple[int, str | None]]:
    columns = ", ".join("reinterpretAsUInt64(value)" if each == "value" else each for each in COLUMNS)
    where = "" if runs is None else f"where run in ({', '.join(runs)})"
    sql = _POINTS.format(columns=columns, table=f"metric_points_v{version}", where=where)
    return {run: (count, digest) for run, count, digest in client.query(sql).result_rows}
