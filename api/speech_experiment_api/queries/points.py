"""Points as the store answers them, as JSON columns or as one Arrow table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from speech_experiment_projections.curves import CurveRequest
from speech_experiment_schemas.ids import key_hash

from .thinning import thinned

_NAMES = ("NaN", "Infinity", "-Infinity")

Rows = slice | list[int]
_ALL = slice(None)


class Points:
    """One answer of the store: rows by run, key and rank, each in the order of the axis.

    stream: an Arrow IPC stream of `columns`, as curves.Query describes them.
    """

    def __init__(
        self, stream: bytes, columns: Sequence[str], runs: Sequence[UUID], asked: CurveRequest
    ) -> None:
        table = pa.ipc.open_stream(stream).read_all()
        self.columns: dict[str, NDArray[Any]] = {
            name: table.column(place).to_numpy() for place, name in enumerate(columns)
        }
        self.runs, self.asked = runs, asked

    def __len__(self) -> int:
        return len(self.columns["value"])

    def keep(self, rows: NDArray[np.int64]) -> None:
        """Leaves these rows alone."""
        self.columns = {name: column[rows] for name, column in self.columns.items()}

    def run_index(self, rows: Rows = _ALL) -> NDArray[np.int32]:
        """Of each row, the place of its run in `runs`."""
        return self._index("run", [run.hash for run in self.asked.runs], rows)

    def key_index(self, rows: Rows = _ALL) -> NDArray[np.int32]:
        """Of each row, the place of its key in `asked.keys`."""
        return self._index("key", [key_hash(key) for key in self.asked.keys], rows)

    def _index(self, name: str, hashes: list[int], rows: Rows) -> NDArray[np.int32]:
        if name not in self.columns:
            return np.zeros(len(self.columns["value"][rows]), np.int32)
        known = np.array(hashes, np.uint64)
        order = np.argsort(known)
        found = order[np.searchsorted(known[order], self.columns[name][rows])]
        return found.astype(np.int32)


def thin_out(points: Points, wanted: int) -> None:
    """Keeps about `wanted` points of each series; the rows must be whole curves."""
    keys: dict[int, list[slice]] = {}
    for _, key, rows in _series(points, each_rank=True):
        keys.setdefault(key, []).append(rows)
    if keys:
        points.keep(thinned(_axis(points), points.columns["value"], keys.values(), wanted))


def _axis(points: Points) -> NDArray[Any]:
    """The place of each row on the axis; a point without a step stands where it was logged."""
    if points.asked.axis == "step":
        step, has_step = points.columns["step"], points.columns["has_step"] == 1
        return step if has_step.all() else np.where(has_step, step, np.arange(len(points)))
    return points.columns["epoch" if points.asked.axis == "epoch" else "time"]


def arrow_body(points: Points, many: bool) -> bytes:
    """An Arrow IPC stream: run (of several), key, step (null without one), value, time, epoch, rank, abandoned."""
    columns: dict[str, Any] = {}
    if many:
        columns["run"] = _dictionary(points.run_index(), [str(run) for run in points.runs])
    columns["key"] = _dictionary(points.key_index(), list(points.asked.keys))
    without = points.columns["has_step"] == 0
    columns["step"] = pa.array(points.columns["step"], mask=without if without.any() else None)
    columns["value"] = points.columns["value"]
    columns["time"] = _times(points)
    for name in ("epoch", "rank"):
        if name in points.columns:
            columns[name] = points.columns[name]
    if "abandoned" in points.columns:
        columns["abandoned"] = pa.array(points.columns["abandoned"].astype(bool))
    table = pa.table(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _dictionary(index: NDArray[np.int32], names: list[str]) -> Any:
    return pa.DictionaryArray.from_arrays(pa.array(index), pa.array(names, pa.string()))


def _times(points: Points) -> Any:
    kind = pa.duration("us") if points.asked.axis == "relative" else pa.timestamp("us", tz="UTC")
    return pa.array(points.columns["time"].astype(np.int64)).cast(kind)


def json_body(points: Points, many: bool, vector: str) -> bytes:
    """{"curves": {key: columns}} of the keys that have points; for several runs {"runs": {run: {"curves": …}}}."""
    curves: list[dict[str, Any]] = [{} for _ in points.runs]
    for run, key, rows in _series(points):
        curves[run][points.asked.keys[key]] = _columns(points, rows)
    answer: dict[str, Any] = {"curves": curves[0]}
    if many:
        answer = {"runs": {str(run): {"curves": each} for run, each in zip(points.runs, curves, strict=True)}}
    return orjson.dumps(answer | {"vector": vector}, option=orjson.OPT_SERIALIZE_NUMPY)


def _series(points: Points, each_rank: bool = False) -> Iterator[tuple[int, int, slice]]:
    """(run, key, rows) of every curve that has points; ranks of one key stay together unless asked apart."""
    if not len(points):
        return
    names = [name for name in ("run", "key", *(["rank"] if each_rank else [])) if name in points.columns]
    changes = [np.diff(points.columns[name]) != 0 for name in names]
    starts = [0, *((np.flatnonzero(np.logical_or.reduce(changes)) + 1).tolist() if changes else [])]
    runs, keys = points.run_index(starts), points.key_index(starts)
    stops = [*starts[1:], len(points)]
    for run, key, start, stop in zip(runs.tolist(), keys.tolist(), starts, stops, strict=True):
        yield run, key, slice(start, stop)


def _columns(points: Points, rows: slice) -> dict[str, Sequence[Any] | NDArray[Any]]:
    """Arrays that are written as they are; lists only where one holds what JSON has no number for."""
    columns = {
        "step": _steps(points.columns["step"][rows], points.columns["has_step"][rows]),
        "value": json_numbers(points.columns["value"][rows]),
        "time": points.columns["time"][rows] / 1e6,
    }
    if "epoch" in points.columns:
        columns["epoch"] = json_numbers(points.columns["epoch"][rows])
    if "rank" in points.columns:
        columns["rank"] = points.columns["rank"][rows]
    if "abandoned" in points.columns:
        columns["abandoned"] = points.columns["abandoned"][rows].astype(bool)
    return columns


def _steps(steps: NDArray[Any], has_step: NDArray[Any]) -> Sequence[int | None] | NDArray[Any]:
    without = np.flatnonzero(has_step == 0).tolist()
    if not without:
        return steps
    found: list[int | None] = steps.tolist()
    for place in without:
        found[place] = None
    return found


def json_numbers(values: NDArray[np.float64]) -> Sequence[float | str] | NDArray[np.float64]:
    """Floats, with what JSON has no number for as its name: NaN, Infinity, -Infinity."""
    nameless = np.flatnonzero(~np.isfinite(values)).tolist()
    if not nameless:
        return values
    found: list[float | str] = values.tolist()
    for place in nameless:
        value = values[place]
        found[place] = _NAMES[0] if np.isnan(value) else _NAMES[1] if value > 0 else _NAMES[2]
    return found
