"""From records of metrics to rows of the table of points: columns in, columns out, no loop over points.

Rows come sorted by (run, rank, key) and within it in log order. As steps mostly rise, that is the
table's own order, and a store finds nothing left to sort.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from speech_experiment_schemas.ids import key_hash, producer_hash, run_hash
from speech_experiment_schemas.metrics import NO_STEP, MetricsLogged

from .curves import MAX_OFFSET
from .intervals import Intervals

Array = NDArray[Any]
_RADIX = 1 << 16

COLUMNS = {
    "run": "UInt64",
    "key": "UInt64",
    "has_step": "UInt8",
    "step": "Int64",
    "producer": "UInt64",
    "seq": "UInt64",
    "time": "DateTime64(6, 'UTC')",
    "value": "Float64",
    "epoch": "Float64",
    "partition": "UInt16",
    "inverted_offset": "UInt64",
}
"""Columns of the table and their types, in order; epoch is left out where no point has one."""


class Piece(NamedTuple):
    """Consecutive calls of one record that count.

    seq      of the first call
    last     the last step that counts for the effective curve; None: all do
    columns  of just these calls, as in MetricsLogged
    """

    run: UUID
    rank: int
    producer: UUID
    partition: int
    offset: int
    seq: int
    last: int | None
    columns: MetricsLogged


class Series(NamedTuple):
    """A curve: one rank of one run, one key."""

    run: UUID
    rank: int
    key: str


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of the table, sorted by series, in log order within each.

    series  the series present
    starts  index of the first row of each series, and the number of rows at the end
    step    int64, NO_STEP where a point has none
    counts  bool, whether the effective curve has the point; None when it has all
    """

    series: list[Series]
    starts: Array
    run: Array
    key: Array
    step: Array
    producer: Array
    seq: Array
    time: Array
    value: Array
    epoch: Array | None
    partition: Array
    offset: Array
    counts: Array | None

    def __len__(self) -> int:
        return len(self.value)

    def table(self) -> dict[str, Array]:
        """The columns of the table."""
        has_step = self.step != NO_STEP
        step = self.step if has_step.all() else np.where(has_step, self.step, 0)
        columns = {
            "run": self.run,
            "key": self.key,
            "has_step": has_step.view(np.uint8),
            "step": step,
            "producer": self.producer,
            "seq": self.seq,
            "time": self.time,
            "value": self.value,
            "partition": self.partition,
            "inverted_offset": np.uint64(MAX_OFFSET) - self.offset,
        }
        return columns if self.epoch is None else columns | {"epoch": self.epoch}


def slice_calls(metrics: MetricsLogged, start: int, stop: int) -> MetricsLogged:
    """The columns of calls start … stop - 1 of a record."""
    calls = np.frombuffer(metrics.calls, "<u4")
    first = int(calls[:start].sum())
    last = first + int(calls[start:stop].sum())
    return MetricsLogged(
        keys=metrics.keys,
        calls=metrics.calls[4 * start : 4 * stop],
        steps=metrics.steps[8 * start : 8 * stop],
        times=metrics.times[8 * start : 8 * stop],
        epochs=metrics.epochs[8 * start : 8 * stop],
        key_index=metrics.key_index[2 * first : 2 * last],
        values=metrics.values[8 * first : 8 * last],
    )


def admitted(
    metrics: MetricsLogged, seq: int, count: int, accepted: Intervals
) -> Iterable[tuple[int, MetricsLogged]]:
    """(seq of the first call, columns) of each part of a record that the ledger accepted."""
    if accepted == ((seq, seq + count),):
        return [(seq, metrics)]
    return [(start, slice_calls(metrics, start - seq, stop - seq)) for start, stop in accepted]


def rows(pieces: Sequence[Piece]) -> Rows:
    """The rows of pieces in log order; the same pieces give the same rows, in the same order."""
    calls = _Calls(pieces)
    series = _Table(pieces)
    code = series.codes(pieces, calls.points_of_piece)
    order = _stable_order(code, len(series))
    sizes = np.bincount(code, minlength=len(series))
    present = np.flatnonzero(sizes)
    sizes = sizes[present]
    call = np.repeat(np.arange(len(calls.step), dtype=np.int32), calls.points)[order]
    return Rows(
        series=[series.of(int(each)) for each in present],
        starts=np.concatenate(([0], np.cumsum(sizes))),
        run=np.repeat(series.run_hashes[present // series.width], sizes),
        key=np.repeat(series.key_hashes[present % series.width], sizes),
        step=calls.step[call],
        producer=calls.producer[call],
        seq=calls.seq[call],
        time=calls.time[call],
        value=np.frombuffer(b"".join([piece.columns.values for piece in pieces]), "<f8")[order],
        epoch=None if calls.epoch is None else calls.epoch[call],
        partition=calls.partition[call],
        offset=calls.offset[call],
        counts=None if calls.counts is None else calls.counts[call],
    )


class _Calls:
    """What points share with their call, one item for each call of the batch."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        columns = [piece.columns for piece in pieces]
        self.points = np.frombuffer(b"".join([each.calls for each in columns]), "<u4")
        self.step = np.frombuffer(b"".join([each.steps for each in columns]), "<i8")
        self.time = np.frombuffer(b"".join([each.times for each in columns]), "<i8")
        calls_of_piece = np.array([len(each.steps) // 8 for each in columns], np.int64)
        self.points_of_piece = np.array([len(each.values) // 8 for each in columns], np.int64)
        producers = np.array([_producer_hash(piece.producer) for piece in pieces], np.uint64)
        self.producer = np.repeat(producers, calls_of_piece)
        self.partition = np.repeat(np.array([piece.partition for piece in pieces], np.uint16), calls_of_piece)
        self.offset = np.repeat(np.array([piece.offset for piece in pieces], np.uint64), calls_of_piece)
        self.seq = self._seqs(pieces, calls_of_piece)
        self.epoch = self._epochs(columns)
        self.counts = self._counting(pieces, calls_of_piece)

    def _seqs(self, pieces: Sequence[Piece], calls_of_piece: Array) -> Array:
        first = np.cumsum(calls_of_piece) - calls_of_piece
        base = np.array([piece.seq for piece in pieces], np.int64) - first
        return (np.repeat(base, calls_of_piece) + np.arange(len(self.step))).view(np.uint64)

    def _epochs(self, columns: Sequence[MetricsLogged]) -> Array | None:
        if not any(each.epochs for each in columns):
            return None
        unknown = np.float64(np.nan).tobytes()
        return np.frombuffer(
            b"".join([each.epochs or unknown * (len(each.steps) // 8) for each in columns]), "<f8"
        )

    def _counting(self, pieces: Sequence[Piece], calls_of_piece: Array) -> Array | None:
        if all(piece.last is None for piece in pieces):
            return None
        ends = [2**63 - 1 if piece.last is None else piece.last for piece in pieces]
        counts = self.step <= np.repeat(np.array(ends, np.int64), calls_of_piece)
        return None if counts.all() else counts


class _Table:
    """All pairs of (run, rank) and key of a batch, numbered in the table's order."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self._names = {tuple(keys): keys for keys in (piece.columns.keys for piece in pieces)}
        hashes = {key: _key_hash(key) for keys in self._names.values() for key in keys}
        self._keys = sorted(hashes, key=hashes.__getitem__)
        self.key_hashes = np.array([hashes[key] for key in self._keys], np.uint64)
        lines = {(_run_hash(piece.run), piece.rank): piece.run for piece in pieces}
        self._lines = sorted(lines)
        self._runs = lines
        self.run_hashes = np.array([run for run, _ in self._lines], np.uint64)
        self.width = len(self._keys)

    def __len__(self) -> int:
        return self.width * len(self._lines)

    def of(self, code: int) -> Series:
        line = self._lines[code // self.width]
        return Series(self._runs[line], line[1], self._keys[code % self.width])

    def codes(self, pieces: Sequence[Piece], points_of_piece: Array) -> Array:
        """The number of each point's series, in the smallest type that holds them."""
        kind = np.uint16 if len(self) <= _RADIX else np.uint32
        place = {key: i for i, key in enumerate(self._keys)}
        ranks = {names: [place[key] for key in keys] for names, keys in self._names.items()}
        line = {each: i * self.width for i, each in enumerate(self._lines)}
        lookup: list[int] = []
        begins: dict[tuple[int, tuple[str, ...]], int] = {}
        bases = []
        for piece in pieces:
            first = line[_run_hash(piece.run), piece.rank]
            names = tuple(piece.columns.keys)
            if (first, names) not in begins:
                begins[first, names] = len(lookup)
                lookup += [first + each for each in ranks[names]]
            bases.append(begins[first, names])
        index = np.frombuffer(b"".join([piece.columns.key_index for piece in pieces]), "<u2")
        place_of_point = np.repeat(np.array(bases, np.int32), points_of_piece)
        place_of_point += index
        return np.array(lookup, kind)[place_of_point]


def _stable_order(code: Array, size: int) -> Array:
    """Indices that sort the codes and keep their order among equals; radix passes over 16 bits."""
    if code.dtype == np.uint16:
        return np.argsort(code, kind="stable")
    order = np.argsort(code.astype(np.uint16), kind="stable")
    high = (code >> np.uint32(16)).astype(np.uint16)
    return order[np.argsort(high[order], kind="stable")]


@lru_cache(maxsize=1 << 16)
def _key_hash(key: str) -> int:
    return key_hash(key)


@lru_cache(maxsize=1 << 14)
def _run_hash(run: UUID) -> int:
    return run_hash(run)


@lru_cache(maxsize=1 << 14)
def _producer_hash(producer: UUID) -> int:
    return producer_hash(producer)
