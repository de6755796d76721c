"""Summaries of one run from the points in ClickHouse, where a resume changed what counts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from speech_experiment_projections.curves import MAX_OFFSET, Speaker
from speech_experiment_projections.effective import Resume, cutoffs
from speech_experiment_projections.metrics import Series
from speech_experiment_projections.summaries import Summary
from speech_experiment_schemas.ids import run_hash
from speech_experiment_schemas.metrics import NO_STEP

from .clickhouse_points import PointTable

_SQL = """
select key, rank, count(), countIf(isNaN(value)),
    argMax((value, at, micros, seq, position), (at, position, seq)) as latest,
    minIf((value, at), not isNaN(value)) as least,
    maxIf((value, bitNot(at)), not isNaN(value)) as most,
    sumIf(value, not isNaN(value))
from (
    select key, value, seq, toUnixTimestamp64Micro(time) as micros, {max_offset} - inverted_offset as position,
        if(has_step = 1, step, {no_step}) as at,
        transform(producer, {producers:Array(UInt64)}, {ranks:Array(Int64)}, toInt64(0)) as rank
    from {table}
    where run = {run:UInt64}
        and at <= transform(producer, {producers:Array(UInt64)}, {ends:Array(Int64)}, toInt64({everything})))
group by key, rank
"""
_EVERYTHING = 2**63 - 1


def recompute(
    table: PointTable, run: UUID, speakers: Iterable[Speaker], resumes: Iterable[Resume]
) -> list[tuple[int, Summary]]:
    """(hash of the key, summary with an empty key) for every series of the run. Blocks."""
    sql, parameters = _statement(table.name, run, list(speakers), resumes)
    return [(row[0], _summary(run, row)) for row in table.query(sql, parameters)]


def _statement(
    table: str, run: UUID, speakers: list[Speaker], resumes: Iterable[Resume]
) -> tuple[str, dict[str, Any]]:
    last = cutoffs(resumes)
    ends = [last.last_step(speaker.attempt) for speaker in speakers]
    sql = _SQL
    constants = {"table": table, "max_offset": MAX_OFFSET, "no_step": NO_STEP, "everything": _EVERYTHING}
    for name, value in constants.items():
        sql = sql.replace(f"{{{name}}}", str(value))
    return sql, {
        "run": run_hash(run),
        "producers": [speaker.hash for speaker in speakers] or [0],
        "ranks": [speaker.rank for speaker in speakers] or [0],
        "ends": [_EVERYTHING if end is None else end for end in ends] or [_EVERYTHING],
    }


def _summary(run: UUID, row: tuple[Any, ...]) -> Summary:
    _, rank, points, nans, latest, least, most, total = row
    value, at, micros, seq, position = latest
    numbers = points > nans
    return Summary(
        series=Series(run, rank, ""),
        points=points,
        nans=nans,
        last=value,
        last_step=_step(at),
        last_time=micros,
        last_seq=seq,
        offset=position,
        min=least[0] if numbers else None,
        min_step=_step(least[1]) if numbers else None,
        max=most[0] if numbers else None,
        max_step=_step(~most[1]) if numbers else None,
        sum=total,
    )


def _step(at: int) -> int | None:
    return None if at == NO_STEP else at
