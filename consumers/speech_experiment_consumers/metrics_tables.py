"""The Postgres side of metrics: names behind hashes, attempts, summaries, recognised results."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from speech_experiment_projections import exact
from speech_experiment_projections.curves import Speaker
from speech_experiment_projections.effective import Resume
from speech_experiment_projections.metrics import Series
from speech_experiment_projections.recognised import RULE, recognise
from speech_experiment_projections.recorded import Recorded
from speech_experiment_projections.run_rows import signed64
from speech_experiment_projections.summaries import Summaries
from speech_experiment_schemas.ids import key_hash, run_hash
from speech_experiment_schemas.runs import RunResumed

from .sql import columns, moment, statement

# The client's time is held within the years that Python's datetime knows.
_YEAR_1, _YEAR_9999 = -62_000_000_000_000_000, 253_000_000_000_000_000
_KEYS = """
insert into {schema}.metric_keys (hash, key)
select * from unnest($1::bigint[], $2::text[]) on conflict do nothing
"""
_RUNS = """
insert into {schema}.metric_runs (run_id, hash, partition)
select * from unnest($1::uuid[], $2::bigint[], $3::int[]) on conflict do nothing
"""
_KEY_NAMES = "select hash, key as name from {schema}.metric_keys where hash = any($1::bigint[])"
_RUN_NAMES = "select hash, run_id as name from {schema}.metric_runs where hash = any($1::bigint[])"
_RESUMES = "select run_id, attempt, from_step from {schema}.attempts where run_id = any($1::uuid[])"
_SPEAKERS = "select hash, coalesce(rank, 0), coalesce(attempt, 1) from {schema}.ledger where run_id = $1"
_ROWS_OFFSETS = """
update {schema}.positions p set rows_offset = n.o from unnest($2::int[], $3::bigint[]) as n (p, o)
where p.topic = $1 and p.partition = n.p
"""
_ATTEMPTS = """
insert into {schema}.attempts (run_id, attempt, from_step, partition, "offset", time)
select * from unnest($1::uuid[], $2::int[], $3::bigint[], $4::int[], $5::bigint[], $6::timestamptz[])
on conflict do nothing
"""
_NO_STEP = "-9223372036854775808"
_NEWER = f"""(coalesce(excluded.last_step, {_NO_STEP}), excluded."offset", excluded.last_seq)
      > (coalesce(s.last_step, {_NO_STEP}), s."offset", s.last_seq)"""


def _beyond(extreme: str, sign: str) -> str:
    """The condition under which a batch's minimum or maximum replaces the one that is there."""
    value, step = f"{extreme}_value", f"{extreme}_step"
    return f"""s.{value} is null or excluded.{value} {sign} s.{value} or (excluded.{value} = s.{value}
      and coalesce(excluded.{step}, {_NO_STEP}) < coalesce(s.{step}, {_NO_STEP}))"""


def _chosen(condition: str, *names: str) -> str:
    return ",\n    ".join(
        f"{name} = case when {condition} then excluded.{name} else s.{name} end" for name in names
    )


_SUMMARIES = f"""
insert into {{schema}}.summaries as s
    (run_id, key, rank, count, nans, last_value, last_step, last_time, last_seq, "offset",
     min_value, min_step, max_value, max_step, sum_value)
select run_id, key, rank, points, nans, last_value, nullif(last_step, {_NO_STEP}),
    timestamptz 'epoch' + greatest(least(last_time, {_YEAR_9999}), {_YEAR_1}) * interval '1 microsecond',
    last_seq, "offset", nullif(min_value, 'NaN'), nullif(min_step, {_NO_STEP}),
    nullif(max_value, 'NaN'), nullif(max_step, {_NO_STEP}), sum_value::numeric
from unnest($1::uuid[], $2::text[], $3::int[], $4::bigint[], $5::bigint[], $6::float8[], $7::bigint[],
    $8::bigint[], $9::bigint[], $10::bigint[], $11::float8[], $12::bigint[], $13::float8[], $14::bigint[],
    $15::text[]) as n (run_id, key, rank, points, nans, last_value, last_step, last_time, last_seq, "offset",
    min_value, min_step, max_value, max_step, sum_value)
on conflict (run_id, key, rank) do update set
    count = s.count + excluded.count,
    nans = s.nans + excluded.nans,
    sum_value = s.sum_value + excluded.sum_value,
    {_chosen(_NEWER, "last_value", "last_step", "last_time", "last_seq", '"offset"')},
    {_chosen(_beyond("min", "<"), "min_value", "min_step")},
    {_chosen(_beyond("max", ">"), "max_value", "max_step")}
"""  # noqa: S608 - made of the constants above
_FORGET = (
    "delete from {schema}.summaries where run_id = $1",
    "delete from {schema}.test_set_results where run_id = $1",
)
_LATEST = """
select s.run_id, s.key, s.last_value, s.last_step, s.last_time, s."offset", r.partition
from unnest($1::uuid[], $2::text[]) as n (run_id, key)
join {schema}.summaries s on s.run_id = n.run_id and s.key = n.key and s.rank = 0
join {schema}.metric_runs r on r.run_id = n.run_id
"""
_NO_RESULT = """
delete from {schema}.test_set_results t using unnest($1::uuid[], $2::text[]) as n (run_id, key)
where t.run_id = n.run_id and t.key = n.key
"""
_RESULTS = """
insert into {schema}.test_set_results
    (run_id, key, test_set, metric, speaker, decoding, value, step, time, partition, "offset", rule)
select n.*, $12 from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::float8[],
    $8::bigint[], $9::timestamptz[], $10::int[], $11::bigint[]) as n
on conflict (run_id, key) do update set
    test_set = excluded.test_set, metric = excluded.metric, speaker = excluded.speaker,
    decoding = excluded.decoding, value = excluded.value, step = excluded.step, time = excluded.time,
    partition = excluded.partition, "offset" = excluded."offset", rule = excluded.rule
"""


async def collisions(
    connection: Any, schema: str, keys: Collection[str], runs: Collection[UUID]
) -> set[str | UUID]:
    """The keys and runs among those given whose hash is another one's, in the tables or among them."""
    colliding: set[str | UUID] = set()
    named: dict[str | UUID, int] = {key: signed64(key_hash(key)) for key in keys}
    runs_named: dict[str | UUID, int] = {run: signed64(run_hash(run)) for run in runs}
    for query, hashes in ((_KEY_NAMES, named), (_RUN_NAMES, runs_named)):
        found = await connection.fetch(statement(query, schema), list(hashes.values()))
        owners = {row["hash"]: row["name"] for row in found}
        colliding |= {name for name, hashed in hashes.items() if owners.setdefault(hashed, name) != name}
    return colliding


async def save_names(connection: Any, schema: str, keys: Collection[str], runs: Mapping[UUID, int]) -> None:
    """runs: run → partition."""
    if keys:
        names = sorted(keys)
        await connection.execute(statement(_KEYS, schema), [signed64(key_hash(key)) for key in names], names)
    if runs:
        rows = [(run, signed64(run_hash(run)), partition) for run, partition in sorted(runs.items())]
        await connection.execute(statement(_RUNS, schema), *columns(rows, 3))


async def read_keys(connection: Any, schema: str, hashes: Iterable[int]) -> dict[int, str]:
    """hash (unsigned) → key."""
    rows = await connection.fetch(statement(_KEY_NAMES, schema), [signed64(each) for each in hashes])
    return {row["hash"] % 2**64: row["name"] for row in rows}


async def read_attempts(
    connection: Any, schema: str, runs: Collection[UUID]
) -> dict[UUID, tuple[Resume, ...]]:
    """The resumes of each run; empty for those that never were."""
    rows = await connection.fetch(statement(_RESUMES, schema), list(runs))
    found: dict[UUID, tuple[Resume, ...]] = dict.fromkeys(runs, ())
    for row in rows:
        found[row["run_id"]] += (Resume(row["attempt"], row["from_step"]),)
    return found


async def read_speakers(connection: Any, schema: str, run: UUID) -> dict[int, Speaker]:
    """hash → producer of the run, by the ledger."""
    rows = await connection.fetch(statement(_SPEAKERS, schema), run)
    return {hashed % 2**64: Speaker(hashed % 2**64, rank, attempt) for hashed, rank, attempt in rows}


async def save_rows_offsets(connection: Any, schema: str, topic: str, offsets: Mapping[int, int]) -> None:
    """partition → last offset that gave rows."""
    if offsets:
        await connection.execute(statement(_ROWS_OFFSETS, schema), topic, *columns(offsets.items(), 2))


async def save_attempts(connection: Any, schema: str, resumes: Sequence[Recorded]) -> None:
    """Adds a row for each announcement."""
    rows = []
    for recorded in resumes:
        payload = recorded.payload
        assert isinstance(payload, RunResumed)  # noqa: S101 - the batch collects only these
        place = (recorded.partition, recorded.offset, moment(recorded.time))
        rows.append((recorded.subject, payload.attempt, payload.from_step, *place))
    if rows:
        await connection.execute(statement(_ATTEMPTS, schema), *columns(rows, 6))


async def save_summaries(connection: Any, schema: str, summaries: Summaries) -> None:
    """Merges the summaries of a batch into those that are there; a series may occur once."""
    if summaries.series:
        await connection.execute(
            statement(_SUMMARIES, schema),
            [series.run for series in summaries.series],
            [series.key for series in summaries.series],
            [series.rank for series in summaries.series],
            *summaries[1:-1],
            list(map(exact.to_text, summaries.sum)),
        )


async def forget_run(connection: Any, schema: str, run: UUID) -> None:
    """Takes a run's summaries and results away, before they are written anew."""
    for sql in _FORGET:
        await connection.execute(statement(sql, schema), run)


async def save_results(connection: Any, schema: str, touched: Iterable[Series]) -> None:
    """Brings the results recognised from names level with the summaries of rank 0."""
    named = sorted(
        {(each.run, each.key) for each in touched if not each.rank and recognise(each.key, False) is not None}
    )
    if not named:
        return
    latest = await connection.fetch(statement(_LATEST, schema), *columns(named, 2))
    results = []
    curves = []
    for row in latest:
        found = recognise(row["key"], row["last_step"] is not None)
        if found is None:
            curves.append((row["run_id"], row["key"]))
        else:
            place = (found.test_set, found.metric, found.speaker, found.decoding)
            when = (row["last_value"], row["last_step"], row["last_time"], row["partition"], row["offset"])
            results.append((row["run_id"], row["key"], *place, *when))
    if curves:
        await connection.execute(statement(_NO_RESULT, schema), *columns(curves, 2))
    if results:
        await connection.execute(statement(_RESULTS, schema), *columns(results, 11), RULE)
