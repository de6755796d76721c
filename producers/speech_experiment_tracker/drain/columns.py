"""Many metrics calls into one columnar record, by joining slices: no loop over points."""

from __future__ import annotations

import struct
from math import nan

from speech_experiment_schemas.metrics import MAX_KEYS, MetricsLogged

from ..spool.records import METRICS_EPOCH, METRICS_STEP, METRICS_TIME, METRICS_VALUES

MAX_BYTES = 840_000
"""Size at which a record is full; the envelope and msgpack's own bytes come on top."""

_NO_EPOCH = struct.pack("<d", nan)
_CALL_BYTES = 28


class Layout:
    """The keys of some calls, and their place in the record's key table."""

    __slots__ = ("index", "keys", "length", "payload_size", "size")

    def __init__(self, keys: list[str]) -> None:
        self.keys = keys
        self.length = struct.pack("<I", len(keys))
        self.size = _CALL_BYTES + 10 * len(keys)
        self.payload_size = METRICS_VALUES + 8 * len(keys)
        self.index = b""


class Columns:
    """Gathers calls until the record is full."""

    def __init__(self) -> None:
        self.count = 0
        self._size = 0
        self._keys: dict[str, int] = {}
        self._known: dict[int, Layout] = {}
        self._lengths: list[bytes] = []
        self._steps: list[memoryview] = []
        self._times: list[memoryview] = []
        self._epochs: list[memoryview] = []
        self._index: list[bytes] = []
        self._values: list[memoryview] = []

    def add(self, layout: Layout, payload: memoryview) -> bool:
        """Takes a METRICS payload; False when the record is full and must be made first."""
        if id(layout) not in self._known and not self._introduce(layout):
            return False
        size = self._size + layout.size
        if size > MAX_BYTES and self.count:
            return False
        self._size = size
        self.count += 1
        self._lengths.append(layout.length)
        self._steps.append(payload[METRICS_STEP:METRICS_TIME])
        self._times.append(payload[METRICS_TIME:METRICS_EPOCH])
        self._epochs.append(payload[METRICS_EPOCH:METRICS_VALUES])
        self._index.append(layout.index)
        self._values.append(payload[METRICS_VALUES:])
        return True

    def _introduce(self, layout: Layout) -> bool:
        new = [key for key in layout.keys if key not in self._keys]
        size = self._size + sum(len(key.encode()) + 5 for key in new)
        if self.count and (size + layout.size > MAX_BYTES or len(self._keys) + len(new) > MAX_KEYS):
            return False
        for key in new:
            self._keys[key] = len(self._keys)
        self._size = size
        layout.index = struct.pack(f"<{len(layout.keys)}H", *(self._keys[key] for key in layout.keys))
        self._known[id(layout)] = layout
        return True

    def payload(self) -> MetricsLogged:
        """The record's payload; equal to metrics.pack_calls of the same calls."""
        epochs = b"".join(self._epochs)
        return MetricsLogged(
            keys=list(self._keys),
            calls=b"".join(self._lengths),
            steps=b"".join(self._steps),
            times=b"".join(self._times),
            epochs=b"" if epochs == _NO_EPOCH * self.count else epochs,
            key_index=b"".join(self._index),
            values=b"".join(self._values),
        )
