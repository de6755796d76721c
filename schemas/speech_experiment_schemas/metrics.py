"""Metrics: columnar records, a batch of log calls in packed little-endian arrays.

A call has one step, time and epoch and any number of points. With C calls, P points and K keys:

keys       K distinct names; at most 65,535
calls      uint32[C], points of each call; their sum is P
steps      int64[C], NO_STEP where a call has none
times      int64[C], microseconds since 1970, the client's clock or the caller's timestamp
epochs     float64[C], NaN where unknown; empty when no call has one
key_index  uint16[P], index into keys
values     float64[P], NaN and ±Inf kept
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from math import nan
from sys import byteorder
from typing import Annotated, Any

import msgspec

from .catalogue import event
from .envelope import Envelope
from .errors import InvalidEvent
from .limits import MetricKey

NO_STEP = -(2**63)
MAX_KEYS = 65_535

Call = tuple[int | None, int, float | None, Mapping[str, float]]
"""(step, time in µs, epoch, {key: value})"""


def check_columns(metrics: MetricsLogged, envelope: Envelope) -> None:
    """Raises InvalidEvent unless the columns fit each other and the envelope's count."""
    widths = {"calls": 4, "steps": 8, "times": 8, "key_index": 2, "values": 8, "epochs": 8}
    for field, width in widths.items():
        if len(getattr(metrics, field)) % width:
            raise InvalidEvent("malformed", f"data.{field}", f"is not a whole number of {width}-byte items")
    calls, points = len(metrics.calls) // 4, len(metrics.values) // 8
    _expect("calls", calls, envelope.count, "the envelope's count")
    _expect("steps", len(metrics.steps) // 8, calls, "the number of calls")
    _expect("times", len(metrics.times) // 8, calls, "the number of calls")
    if metrics.epochs:
        _expect("epochs", len(metrics.epochs) // 8, calls, "the number of calls")
    _expect("key_index", len(metrics.key_index) // 2, points, "the number of values")
    _expect("calls", int(sum(unpack("I", metrics.calls))), points, "the number of values, summed")
    if len(set(metrics.keys)) != len(metrics.keys):
        raise InvalidEvent("malformed", "data.keys", "names a key twice")
    if points and _points_beyond(metrics.key_index, len(metrics.keys)):
        raise InvalidEvent("malformed", "data.key_index", f"points beyond the {len(metrics.keys)} keys")


def _points_beyond(key_index: bytes, keys: int) -> bool:
    """Whether an index is not below `keys`; by whole bytes where that is enough, as it is called for every point."""
    if keys > 256:
        return bool(max(unpack("H", key_index)) >= keys)
    low, high = key_index[0::2], key_index[1::2]
    return high != bytes(len(high)) or bool(low.translate(None, bytes(range(keys))))


def _expect(field: str, found: int, expected: int, meaning: str) -> None:
    if found != expected:
        raise InvalidEvent("malformed", f"data.{field}", f"has {found} items, expected {expected}: {meaning}")


@event("metrics.logged", stream="metrics", subject="run", counted=True, check=check_columns)
class MetricsLogged(msgspec.Struct, frozen=True, kw_only=True):
    """A batch of calls of log_metrics; see the module's head for the columns."""

    keys: Annotated[list[MetricKey], msgspec.Meta(max_length=MAX_KEYS)]
    calls: bytes
    steps: bytes
    times: bytes
    epochs: bytes = b""
    key_index: bytes
    values: bytes


def pack(typecode: str, items: Iterable[float]) -> bytes:
    """Items as little-endian bytes; typecode as in `array`."""
    packed = array(typecode, items)
    if byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def unpack(typecode: str, data: bytes) -> array[Any]:
    """The inverse of pack."""
    packed: array[Any] = array(typecode)
    packed.frombytes(data)
    if byteorder == "big":
        packed.byteswap()
    return packed


def pack_calls(calls: Iterable[Call]) -> MetricsLogged:
    """The columns of a few calls; the drain has a faster way for many."""
    calls = list(calls)
    index: dict[str, int] = {}
    for _, _, _, points in calls:
        for key in points:
            index.setdefault(key, len(index))
    epochs = [nan if epoch is None else epoch for _, _, epoch, _ in calls]
    return MetricsLogged(
        keys=list(index),
        calls=pack("I", (len(points) for _, _, _, points in calls)),
        steps=pack("q", (NO_STEP if step is None else step for step, _, _, _ in calls)),
        times=pack("q", (time for _, time, _, _ in calls)),
        epochs=pack("d", epochs) if any(epoch == epoch for epoch in epochs) else b"",
        key_index=pack("H", (index[key] for _, _, _, points in calls for key in points)),
        values=pack("d", (value for _, _, _, points in calls for value in points.values())),
    )


def unpack_calls(metrics: MetricsLogged) -> list[Call]:
    """The calls of a record, for reading and tests; hot paths read the columns."""
    steps, times = unpack("q", metrics.steps), unpack("q", metrics.times)
    epochs = unpack("d", metrics.epochs) if metrics.epochs else [nan] * len(steps)
    index, values = unpack("H", metrics.key_index), unpack("d", metrics.values)
    calls: list[Call] = []
    start = 0
    for i, length in enumerate(unpack("I", metrics.calls)):
        end = start + int(length)
        points = {metrics.keys[int(index[p])]: float(values[p]) for p in range(start, end)}
        step = None if steps[i] == NO_STEP else int(steps[i])
        epoch = None if epochs[i] != epochs[i] else float(epochs[i])
        calls.append((step, int(times[i]), epoch, points))
        start = end
    return calls
