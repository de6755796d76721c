"""Curves out of the table of metric points: SQL with bound parameters, no I/O.

A curve is the effective one: an attempt contributes its points up to and including the smallest
resume step of later attempts, and all points without a step. The rest is the abandoned tail, shown
on request and flagged. Every rank is a series of its own.

A downsampled curve keeps extremes. The axis is cut into equal buckets, the same for all runs of a
key; each bucket keeps its smallest, its largest and its first NaN point, and the newest point is
always kept. A key with no more points than asked for comes whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

import msgspec

from speech_experiment_schemas.ids import key_hash

from .effective import Resume, cutoffs

Axis = Literal["step", "epoch", "time", "relative"]

MAX_OFFSET = 2**64 - 1
"""The table holds positions as MAX_OFFSET - offset."""

_EVERYTHING = 2**63 - 1
_X = {
    "step": "step + (1 - has_step) * toInt64(seq)",
    "epoch": "epoch",
    "time": "toUnixTimestamp64Micro(time)",
    "relative": "toUnixTimestamp64Micro(time) - {origin}",
}
_ORDER = {
    "step": "has_step, step, producer, seq",
    "epoch": "epoch, has_step, step, producer, seq",
    "time": "time, producer, seq",
    "relative": "time, producer, seq",
}


class Speaker(NamedTuple):
    """A producer of a run in the topic metrics: 64-bit hash, rank and attempt from its opening."""

    hash: int
    rank: int = 0
    attempt: int = 1


class CurveRun(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger and the attempts say of a run.

    hash       64-bit hash of its id
    speakers   its producers; one that is missing here counts as rank 0 of attempt 1
    resumes    its later attempts
    origin     microseconds that the relative axis starts from
    """

    hash: int
    speakers: tuple[Speaker, ...] = ()
    resumes: tuple[Resume, ...] = ()
    origin: int = 0


class CurveRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Curves of every key in every run.

    points     of each key in each run, about; 0: all of them
    rank       None: all ranks
    abandoned  whether abandoned tails come too
    begin, end  the part of the axis wanted: steps, epochs, or microseconds (from the origin if relative)
    as_of      partition → next offset: only rows before it; None: everything
    """

    runs: tuple[CurveRun, ...]
    keys: tuple[str, ...]
    axis: Axis = "step"
    points: int = 0
    rank: int | None = 0
    abandoned: bool = False
    begin: float | None = None
    end: float | None = None
    as_of: Mapping[int, int] | None = None


class Query(NamedTuple):
    """SQL for ClickHouse, its parameters, and what its columns are, in their order.

    Columns: run and key (UInt64, each only when there are several), rank (only for all ranks),
    has_step (UInt8), step (Int64, 0 without one), time (Int64, microseconds; from the run's origin
    on the relative axis), value (Float64), epoch (Float64, only on that axis), abandoned (UInt8, only
    when asked for). Rows are ordered by run, key, rank and axis.
    """

    sql: str
    parameters: dict[str, Any]
    columns: tuple[str, ...]


def curve_query(table: str, request: CurveRequest) -> Query:
    """The statement that reads the curves.

    table: of the live version (`metric_points_v1`), never user input.
    """
    source = _Source(table, request)
    sql = source.downsampled(request.points) if request.points else source.whole()
    return Query(sql, source.parameters, source.columns)


class _Source:
    """The parts that statements of one request have in common."""

    def __init__(self, table: str, request: CurveRequest) -> None:
        self.table = table
        self.axis = request.axis
        self.parameters: dict[str, Any] = {}
        self._filters: list[str] = []
        self._one_key = len(request.keys) == 1
        self._choose("run", [run.hash for run in request.runs])
        self._choose("key", [key_hash(key) for key in request.keys])
        self._choose_ranks(request)
        self._relative = self._origin(request)
        self._abandoned = self._cut(request)
        self._look_back(request.as_of)
        self._part(request)
        if request.axis == "epoch":
            self._filters.append("not isNaN(epoch)")
        self.series = self._series(request)
        epoch = ("epoch",) if request.axis == "epoch" else ()
        shown = ("abandoned",) if request.abandoned else ()
        self.columns = (*self.series, "has_step", "step", "time", "value", *epoch, *shown)

    def whole(self) -> str:
        order = ", ".join((*self.series, _ORDER[self.axis]))
        return f"select {self._list(self.columns)} from {self.table} where {self._where} order by {order}"  # noqa: S608

    def downsampled(self, points: int) -> str:
        """Bucket 0 is the newest end of the axis; a small key has a bucket for each point."""
        self.parameters |= {"points": points, "buckets": max(1, points // 2 - 1)}
        x = _X[self.axis].format(origin=self._origin_sql)
        kept = f"({', '.join(('x', 'has_step', *self._kept))})"
        return f"""
with (
    select {self._bounds} from (
        select key, min({x}) as lowest, max({x}) as highest,
            count() > {{points:UInt64}} * uniq(run) as many, {self._width} as width
        from {self.table} where {self._where} group by key)
) as bounds
select {", ".join((*self.series, *self._picked))} from (
    select {", ".join((*self.series, "point"))} from (
        select {", ".join((*self.series, "bucket"))},
            countIf(isNaN(value)) as nans, count() > nans as numbers,
            argMinIf({kept}, value, not isNaN(value)) as least,
            argMaxIf({kept}, value, not isNaN(value)) as most,
            argMinIf({kept}, x, isNaN(value)) as undefined
        from (
            select {", ".join((*self._inner_series, f"{x} as x", "has_step", *self._kept.values()))},
                if({self._bound("many")}, {self._bucket}, cityHash64(producer, seq)) as bucket
            from {self.table} where {self._where})
        group by {", ".join((*self.series, "bucket"))})
    array join arrayDistinct(arrayConcat(
        if(numbers, [least, most], []), if(nans > 0, [undefined], []))) as point)
order by {", ".join((*self.series, "tupleElement(point, 1)", "tupleElement(point, 2)"))}"""  # noqa: S608

    @property
    def _kept(self) -> dict[str, str]:
        """What a point carries besides x and has_step: name → expression. On the step axis x is the step."""
        kept = {"moment": f"{self._moment} as moment", "value": "value"}
        if self.axis != "step":
            kept["step"] = "step"
        if "abandoned" in self.columns:
            kept["abandoned"] = f"{self._abandoned} as abandoned"
        return kept

    @property
    def _picked(self) -> list[str]:
        """The output columns, out of the tuple that a point is."""
        place = {name: i for i, name in enumerate(("x", "has_step", *self._kept), 1)}
        element = {name: f"tupleElement(point, {i})" for name, i in place.items()}
        element |= {"time": element["moment"], "epoch": element["x"]}
        if self.axis == "step":
            element["step"] = f"if({element['has_step']} = 1, {element['x']}, 0)"
        return [f"{element[name]} as {name}" for name in self.columns if name not in self.series]

    @property
    def _width(self) -> str:
        span = "(highest - lowest)"
        if self.axis == "epoch":
            return f"if({span} > 0, {span} / {{buckets:UInt64}}, 1)"
        return f"greatest(1, intDiv({span}, {{buckets:UInt64}}))"

    @property
    def _bucket(self) -> str:
        """Counted from the newest end, so that the newest point is alone in its bucket and always kept."""
        back, width = f"{self._bound('highest')} - x", self._bound("width")
        if self.axis == "epoch":
            return f"toUInt64(ceil(({back}) / {width}))"
        return f"toUInt64(intDiv({back} + {width} - 1, {width}))"

    @property
    def _bounds(self) -> str:
        """A tuple of constants for a single key, of arrays for several: the former is twice as fast."""
        names = ("key", "lowest", "highest", "many", "width")
        return f"({', '.join(f'any({name})' if self._one_key else f'groupArray({name})' for name in names)})"

    def _bound(self, name: str) -> str:
        place = ("key", "lowest", "highest", "many", "width").index(name) + 1
        return f"bounds.{place}" if self._one_key else f"bounds.{place}[indexOf(bounds.1, key)]"

    @property
    def _where(self) -> str:
        return " and ".join(self._filters)

    @property
    def _moment(self) -> str:
        return "toUnixTimestamp64Micro(time)" + (f" - {self._origin_sql}" if self._relative else "")

    @property
    def _inner_series(self) -> tuple[str, ...]:
        return tuple(f"{self._rank} as rank" if name == "rank" else name for name in self.series)

    def _list(self, columns: tuple[str, ...]) -> str:
        made = {"time": f"{self._moment} as micros", "abandoned": f"{self._abandoned} as abandoned"}
        made["rank"] = f"{self._rank} as rank"
        return ", ".join(made.get(name, name) for name in columns)

    def _choose(self, column: str, hashes: list[int]) -> None:
        if len(hashes) == 1:
            self._filters.append(f"{column} = {{{column}:UInt64}}")
            self.parameters[column] = hashes[0]
        else:
            self._filters.append(f"{column} in {{{column}s:Array(UInt64)}}")
            self.parameters[f"{column}s"] = hashes

    def _series(self, request: CurveRequest) -> tuple[str, ...]:
        several = {"run": len(request.runs) != 1, "key": not self._one_key, "rank": request.rank is None}
        return tuple(name for name, shown in several.items() if shown)

    def _choose_ranks(self, request: CurveRequest) -> None:
        """By the producers that do not belong, so that one whose opening is not known yet counts."""
        speakers = [speaker for run in request.runs for speaker in run.speakers]
        self._rank = "0"
        if request.rank is None:
            self._rank = self._map(
                "rank", {speaker.hash: speaker.rank for speaker in speakers if speaker.rank}, 0
            )
        elif others := [speaker.hash for speaker in speakers if speaker.rank != request.rank]:
            self._filters.append("producer not in {others:Array(UInt64)}")
            self.parameters["others"] = others

    def _origin(self, request: CurveRequest) -> bool:
        origins = {run.hash: run.origin for run in request.runs}
        self._origin_sql = "0"
        if request.axis == "relative":
            self._origin_sql = self._map("origin", origins, 0, "run")
        return request.axis == "relative"

    def _cut(self, request: CurveRequest) -> str:
        """The condition under which a point belongs to an abandoned tail; filters by it unless they are shown."""
        last = last_steps(request.runs)
        if not last:
            return "0"
        condition = f"(has_step = 1 and step > {self._map('cut', last, _EVERYTHING)})"
        if not request.abandoned:
            self._filters.append(f"not {condition}")
        return condition

    def _look_back(self, as_of: Mapping[int, int] | None) -> None:
        """A partition that the vector does not name has no rows yet."""
        if as_of is not None:
            lowest = {
                partition: MAX_OFFSET - following + 1 for partition, following in as_of.items() if following
            }
            if len(as_of) == 1 == len(lowest):
                self.parameters["lowest"] = next(iter(lowest.values()))
                self._filters.append("inverted_offset >= {lowest:UInt64}")
                return
            self.parameters |= {"partitions": list(lowest), "lowest": list(lowest.values())}
            self._filters.append("partition in {partitions:Array(UInt16)}")
            bound = "transform(partition, {partitions:Array(UInt16)}, {lowest:Array(UInt64)}, toUInt64(0))"
            self._filters.append(f"inverted_offset >= {bound}")

    def _part(self, request: CurveRequest) -> None:
        x = _X[self.axis].format(origin=self._origin_sql)
        for name, sign, bound in (("begin", ">=", request.begin), ("end", "<=", request.end)):
            if bound is None:
                continue
            self.parameters[name] = bound
            within = f"{sign} {{{name}:Float64}}"
            if self.axis == "step":  # in words that the primary key understands
                self._filters += [f"(has_step = 0 or step {within})", f"(has_step = 1 or seq {within})"]
            else:
                self._filters.append(f"{x} {within}")

    def _map(self, name: str, values: Mapping[int, int], default: int, column: str = "producer") -> str:
        """An expression: the value of the row's column, or the default."""
        if not values:
            return str(default)
        self.parameters |= {f"{name}_of": list(values), name: list(values.values())}
        arrays = f"{{{name}_of:Array(UInt64)}}, {{{name}:Array(Int64)}}"
        return f"transform({column}, {arrays}, toInt64({default}))"


def last_steps(runs: Iterable[CurveRun]) -> dict[int, int]:
    """producer → last step that counts, for those that have one."""
    last: dict[int, int] = {}
    for run in runs:
        ends = cutoffs(run.resumes)
        for speaker in run.speakers:
            end = ends.last_step(speaker.attempt)
            if end is not None:
                last[speaker.hash] = end
    return last
