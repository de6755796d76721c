"""Summaries and recognised results in Postgres, held against the points and attempts they are made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from speech_experiment_schemas.ids import key_hash, producer_hash, run_hash

from . import exact
from .curves import CurveRun, Speaker
from .evidence import Evidence
from .findings import Finding, Kind, rebuild, shown
from .recognised import recognise
from .recompute import Found
from .summaries import Summary

Series = tuple[UUID, int, int]
"""(run, hash of the key, rank)"""

# What the column of times can hold.
_FIRST_TIME, _LAST_TIME = -62_000_000_000_000_000, 253_000_000_000_000_000


class Values(NamedTuple):
    """A summary as the columns of its row; floats as text, so that NaN equals itself."""

    points: int
    nans: int
    last: str
    last_step: int | None
    last_time: int
    last_seq: int
    min: str
    min_step: int | None
    max: str
    max_step: int | None
    sum: str
    offset: int


class Result(NamedTuple):
    """A result that the name of a metric tells."""

    test_set: str
    metric: str
    speaker: str
    decoding: str
    value: str
    step: int | None


def curve_runs(evidence: Evidence, runs: Iterable[UUID]) -> list[CurveRun]:
    """What the log says of the runs' attempts and ranks."""
    speakers: dict[UUID, list[Speaker]] = {}
    for (producer, run, _), entry in evidence.accounts.entries.items():
        if run is not None and entry.opened is not None:
            speaker = Speaker(producer_hash(producer), entry.opened.rank, entry.opened.attempt)
            speakers.setdefault(run, []).append(speaker)
    return [
        CurveRun(
            hash=run_hash(run),
            speakers=tuple(speakers.get(run, ())),
            resumes=tuple(evidence.resumes.get(run, ())),
        )
        for run in runs
    ]


def expected_values(found: Iterable[Found], runs: Mapping[int, UUID]) -> dict[Series, Values]:
    """runs: by hash."""
    return {(runs[each.run], each.key, each.rank): _values(each.summary) for each in found}


def _values(summary: Summary) -> Values:
    return Values(
        summary.points,
        summary.nans,
        repr(summary.last),
        summary.last_step,
        min(max(summary.last_time, _FIRST_TIME), _LAST_TIME),
        summary.last_seq,
        repr(summary.min),
        summary.min_step,
        repr(summary.max),
        summary.max_step,
        str(Decimal(exact.to_text(summary.sum)).normalize()),
        summary.offset,
    )


def stored_values(rows: Iterable[Mapping[str, Any]]) -> dict[Series, Values]:
    """From rows of the table; times in microseconds."""
    return {(row["run_id"], key_hash(row["key"]), row["rank"]): _stored(row) for row in rows}


def _stored(row: Mapping[str, Any]) -> Values:
    return Values(
        row["count"],
        row["nans"],
        repr(row["last_value"]),
        row["last_step"],
        row["last_time"],
        row["last_seq"],
        repr(row["min_value"]),
        row["min_step"],
        repr(row["max_value"]),
        row["max_step"],
        str(row["sum_value"].normalize()),
        row["offset"],
    )


def check_summaries(
    expected: Mapping[Series, Values], stored: Mapping[Series, Values], names: Mapping[int, str]
) -> Iterator[Finding]:
    """names: of keys, by hash."""
    for series, values in expected.items():
        found = stored.get(series)
        if found is None:
            yield _wrong(series[0], "missing", f"the summary of {_named(series, names)} is not in Postgres")
        elif found != values:
            told = ", ".join(
                f"{name} is {have}, the points say {wanted}"
                for name, have, wanted in zip(Values._fields, found, values, strict=True)
                if have != wanted
            )
            yield _wrong(series[0], "changed", f"the summary of {_named(series, names)}: {told}")
    for series in stored.keys() - expected.keys():
        told = f"there is a summary of {_named(series, names)}, and no point that counts"
        yield _wrong(series[0], "surplus", told)


def _named(series: Series, names: Mapping[int, str]) -> str:
    _, key, rank = series
    name = names.get(key, f"the key {key}")
    return f"{name}, rank {rank}" if rank else name


def expected_results(
    expected: Mapping[Series, Values], names: Mapping[int, str]
) -> dict[tuple[UUID, str], Result]:
    """The results that names of rank 0 tell, by (run, key)."""
    results = {}
    for (run, key, rank), values in expected.items():
        name = names.get(key)
        found = None if rank or name is None else recognise(name, values.last_step is not None)
        if name is not None and found is not None:
            place = (found.test_set, found.metric, found.speaker, found.decoding)
            results[run, name] = Result(*place, values.last, values.last_step)
    return results


def check_results(
    expected: Mapping[tuple[UUID, str], Result], rows: Sequence[Mapping[str, Any]]
) -> Iterator[Finding]:
    stored = {
        (row["run_id"], row["key"]): Result(
            *(row["test_set"], row["metric"], row["speaker"], row["decoding"]),
            repr(row["value"]),
            row["step"],
        )
        for row in rows
    }
    for place in sorted(expected.keys() | stored.keys()):
        wanted, found = expected.get(place), stored.get(place)
        if wanted != found:
            kind: Kind = "missing" if found is None else "surplus" if wanted is None else "changed"
            told = f"the result {place[1]} is {shown(found and tuple(found))}, the points say "
            yield _wrong(place[0], kind, told + shown(wanted and tuple(wanted)))


def _wrong(run: UUID, kind: Kind, what: str) -> Finding:
    return Finding(
        where="postgres", kind=kind, run=run, stream="metrics", what=what, next_step=rebuild("metrics")
    )
