"""Summaries out of the table of metric points: a statement for the store, and what its rows mean. No I/O.

For runs whose attempts changed what counts, and for runs as they were at an earlier position. The same points
give the same summaries as `summaries.summarise`, to the last bit: the store adds up integers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from speech_experiment_schemas.metrics import NO_STEP

from . import exact
from .curves import MAX_OFFSET, CurveRun, last_steps
from .metrics import Series
from .summaries import Summary, merge

_EVERYTHING = 2**63 - 1
_SLICE = 40
"""Bits of the lower half of a value, counted as an integer within its bin of 32 binary exponents."""
_LARGEST, _SMALLEST = (f"reinterpretAsFloat64(toUInt64({1023 + e}) * 4503599627370496)" for e in (400, -400))

_SQL = """
select run, key, rank, bin, count(), countIf(isNaN(value)),
    argMax((value, at, micros, seq, position), (at, position, seq)),
    minIf((value, at), not isNaN(value)),
    maxIf((value, bitNot(at)), not isNaN(value)),
    sum(toInt128(toInt64(upper))), sum(toInt128(toInt64(scaled - upper * {slice}))),
    countIf(value >= {largest}), countIf(value <= -{largest})
from (
    select *, if(counted, value * reinterpretAsFloat64(toUInt64(2099 - 32 * bin) * 4503599627370496), 0) as scaled,
        trunc(scaled / {slice}) as upper
    from (
        select *, abs(value) >= {smallest} and abs(value) < {largest} as counted,
            if(counted, intDiv(bitAnd(bitShiftRight(reinterpretAsUInt64(value), 52), 2047) + 1, 32), 0) as bin
        from (
            select run, key, value, seq, toUnixTimestamp64Micro(time) as micros,
                {max_offset} - inverted_offset as position, if(has_step = 1, step, {no_step}) as at, {rank} as rank
            from {table} where {where})))
group by run, key, rank, bin
"""

_LAST = """
select run, key, rank, argMax(value, (at, position, seq))
from (
    select run, key, value, seq, {max_offset} - inverted_offset as position,
        if(has_step = 1, step, {no_step}) as at, {rank} as rank
    from {table} where {where})
group by run, key, rank
"""


class Found(NamedTuple):
    """The summary of a series; hashes of 64 bits name its run and key."""

    run: int
    key: int
    rank: int
    summary: Summary


def statement(
    table: str,
    runs: Sequence[CurveRun],
    keys: Collection[int] | None = None,
    as_of: Mapping[int, int] | None = None,
) -> str:
    """SQL for the summaries of runs.

    table  of the live version, never user input
    keys   hashes of keys; None: all
    as_of  partition → next offset: of the points before it alone; None: of all
    """
    return _filled(_SQL, table, runs, keys, as_of)


def last_values(
    table: str, runs: Sequence[CurveRun], keys: Collection[int], as_of: Mapping[int, int] | None
) -> str:
    """Likewise, SQL for rows of run, key, rank and the last value alone: a third of the work."""
    return _filled(_LAST, table, runs, keys, as_of)


def _filled(
    template: str,
    table: str,
    runs: Sequence[CurveRun],
    keys: Collection[int] | None,
    as_of: Mapping[int, int] | None,
) -> str:
    where = [f"run in ({_listed(run.hash for run in runs)})"]
    if keys is not None:
        where.append(f"key in ({_listed(keys)})")
    if as_of is not None:
        where.append(before(as_of))
    ends = last_steps(runs)
    if ends:
        where.append(f"(has_step = 0 or step <= {_mapped(ends, _EVERYTHING)})")
    ranks = {speaker.hash: speaker.rank for run in runs for speaker in run.speakers if speaker.rank}
    filled = {
        "table": table,
        "where": " and ".join(where),
        "rank": _mapped(ranks, 0),
        "slice": 1 << _SLICE,
        "largest": _LARGEST,
        "smallest": _SMALLEST,
        "max_offset": MAX_OFFSET,
        "no_step": NO_STEP,
    }
    return template.format(**filled)


def before(as_of: Mapping[int, int]) -> str:
    """The condition on rows before a position: integers alone, in the statement's text."""
    bounds = {partition: MAX_OFFSET - following + 1 for partition, following in as_of.items() if following}
    if not bounds:
        return "0"
    if len(as_of) == 1:
        return f"inverted_offset >= {next(iter(bounds.values()))}"
    lists = f"[{_listed(bounds)}], [{', '.join(f'toUInt64({bound})' for bound in bounds.values())}]"
    return f"(partition in ({_listed(bounds)}) and inverted_offset >= transform(partition, {lists}, toUInt64(0)))"


def summaries(rows: Iterable[Sequence[Any]]) -> Iterator[Found]:
    """What the rows of the statement mean; the summaries' series are left to the caller."""
    merged: dict[tuple[int, int, int], Summary] = {}
    for run, key, rank, bin_of, *numbers in rows:
        one = _summary(rank, bin_of, numbers)
        known = merged.get((run, key, rank))
        merged[run, key, rank] = one if known is None else merge(known, one)
    return (Found(run, key, rank, summary) for (run, key, rank), summary in merged.items())


def _summary(rank: int, bin_of: int, numbers: Sequence[Any]) -> Summary:
    points, nans, (last, at, micros, seq, position), least, most, upper, lower, positive, negative = numbers
    some = points > nans
    infinite = positive or negative
    total = exact.scaled((upper << _SLICE) + lower, 32 * bin_of - 1076)
    return Summary(
        series=_NOBODY._replace(rank=rank),
        points=points,
        nans=nans,
        last=last,
        last_step=_step(at),
        last_time=micros,
        last_seq=seq,
        offset=position,
        min=least[0] + 0.0 if some else None,
        min_step=_step(least[1]) if some else None,
        max=most[0] + 0.0 if some else None,
        max_step=_step(~most[1]) if some else None,
        sum=exact.infinities(positive, negative) if infinite else total,
    )


_NOBODY = Series(UUID(int=0), 0, "")


def _mapped(values: Mapping[int, int], default: int) -> str:
    """The value of the row's producer."""
    if not values:
        return str(default)
    listed = ", ".join(f"toInt64({value})" for value in values.values())
    return f"transform(producer, [{_unsigned(values)}], [{listed}], toInt64({default}))"


def _unsigned(values: Iterable[int]) -> str:
    return ", ".join(f"toUInt64({value})" for value in values)


def _listed(values: Iterable[int]) -> str:
    return ", ".join(map(str, values))


def _step(at: int) -> int | None:
    return None if at == NO_STEP else at
