"""Points as the store answers them, as JSON columns or as one Arrow table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from speech_experiment_projections.curves import CurveRequest
from speech_experiment_schemas.ids import key_hash

_NAMES = ("NaN", "Infinity", "-Infinity")


class Points:
    """One answer of the store: rows by run, key and rank, each in the order of the axis.

    stream: an Arrow IPC stream of the columns that curves.Query describes.
    """

    def __init__(self, stream: bytes, runs: Sequence[UUID], asked: CurveRequest) -> None:
        self.table = pa.ipc.open_stream(stream).read_all()
        self.runs, self.asked = runs, asked

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def column(self, name: str) -> NDArray[Any]:
        """A column of the store's answer."""
        found: NDArray[Any] = self.table.column(name).to_numpy()
        return found

    def has(self, name: str) -> bool:
        return name in self.table.column_names

    def run_index(self) -> NDArray[np.int32]:
        """Of each row, the place of its run in `runs`."""
        return self._index("run", [run.hash for run in self.asked.runs])

    def key_index(self) -> NDArray[np.int32]:
        """Of each row, the place of its key in `asked.keys`."""
        return self._index("key", [key_hash(key) for key in self.asked.keys])

    def _index(self, name: str, hashes: list[int]) -> NDArray[np.int32]:
        if not self.has(name):
            return np.zeros(len(self), np.int32)
        known = np.array(hashes, np.uint64)
        order = np.argsort(known)
        found: NDArray[np.int32] = order[np.searchsorted(known[order], self.column(name))].astype(np.int32)
        return found


def arrow_body(points: Points, many: bool) -> bytes:
    """An Arrow IPC stream: run (of several), key, step (null without one), value, time, epoch, rank, abandoned."""
    columns: dict[str, Any] = {}
    if many:
        columns["run"] = _dictionary(points.run_index(), [str(run) for run in points.runs])
    columns["key"] = _dictionary(points.key_index(), list(points.asked.keys))
    without = points.column("has_step") == 0
    columns["step"] = pa.array(points.column("step"), mask=without if without.any() else None)
    columns["value"] = points.table.column("value")
    columns["time"] = _times(points)
    for name in ("epoch", "rank"):
        if points.has(name):
            columns[name] = points.table.column(name)
    if points.has("abandoned"):
        columns["abandoned"] = pa.array(points.column("abandoned").astype(bool))
    table = pa.table(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _dictionary(index: NDArray[np.int32], names: list[str]) -> Any:
    return pa.DictionaryArray.from_arrays(pa.array(index), pa.array(names, pa.string()))


def _times(points: Points) -> Any:
    kind = pa.duration("us") if points.asked.axis == "relative" else pa.timestamp("us", tz="UTC")
    return pa.array(points.column("time").astype(np.int64)).cast(kind)


def json_body(points: Points, many: bool) -> bytes:
    """{"curves": {key: columns}}, or for several runs {"runs": {run: {"curves": …}}}."""
    curves = [{key: _columns(points, slice(0, 0)) for key in points.asked.keys} for _ in points.runs]
    for run, key, rows in _series(points):
        curves[run][points.asked.keys[key]] = _columns(points, rows)
    if not many:
        return msgspec.json.encode({"curves": curves[0]})
    return msgspec.json.encode(
        {"runs": {str(run): {"curves": each} for run, each in zip(points.runs, curves, strict=True)}}
    )


def _series(points: Points) -> Iterator[tuple[int, int, slice]]:
    """(run, key, rows) of every curve that has points; ranks of one key stay together."""
    runs, keys = points.run_index(), points.key_index()
    edges = np.flatnonzero((np.diff(runs) != 0) | (np.diff(keys) != 0)) + 1
    starts = [0, *edges.tolist()] if len(points) else []
    for start, stop in zip(starts, [*starts[1:], len(points)], strict=True) if starts else ():
        yield int(runs[start]), int(keys[start]), slice(start, stop)


def _columns(points: Points, rows: slice) -> dict[str, list[Any]]:
    columns = {
        "step": _steps(points.column("step")[rows], points.column("has_step")[rows]),
        "value": json_numbers(points.column("value")[rows]),
        "time": (points.column("time")[rows] / 1e6).tolist(),
    }
    if points.has("epoch"):
        columns["epoch"] = json_numbers(points.column("epoch")[rows])
    if points.has("rank"):
        columns["rank"] = points.column("rank")[rows].tolist()
    if points.has("abandoned"):
        columns["abandoned"] = points.column("abandoned")[rows].astype(bool).tolist()
    return columns


def _steps(steps: NDArray[Any], has_step: NDArray[Any]) -> list[int | None]:
    found: list[int | None] = steps.tolist()
    for place in np.flatnonzero(has_step == 0).tolist():
        found[place] = None
    return found


def json_numbers(values: NDArray[np.float64]) -> list[float | str]:
    """Floats, with what JSON has no number for as its name: NaN, Infinity, -Infinity."""
    found: list[float | str] = values.tolist()
    for place in np.flatnonzero(~np.isfinite(values)).tolist():
        value = values[place]
        found[place] = _NAMES[0] if np.isnan(value) else _NAMES[1] if value > 0 else _NAMES[2]
    return found
