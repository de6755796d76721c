"""The metrics stream: the one call that must cost microseconds."""

from __future__ import annotations

import struct
import time
from collections.abc import Mapping, Sequence
from math import nan
from typing import Any

from speech_experiment_schemas.metrics import NO_STEP

from .._crc import crc32c
from .records import FRAME, FRAME_SIZE, METRICS, encode_layout
from .segments import Segment
from .streams import Host, Stream

MAX_LAYOUTS = 60_000
_PREFIX = struct.Struct("<BBH")
_PREFIX_SIZE = _PREFIX.size


class MetricsStream(Stream):
    """Writes calls of metrics; a tuple of keys is written once a segment and then known by number."""

    def __init__(self, host: Host) -> None:
        super().__init__(host, "metrics")

    def log(
        self, metrics: Mapping[str, Any], step: Any = None, epoch: Any = None, now: int | None = None
    ) -> bool:
        """One call with keys used before; False when it was dropped for lack of space.

        Raises KeyError when the keys are new, struct.error, TypeError or another error of the value's own
        conversion when something is no number: then nothing was written, see log_checked.
        """
        with self.lock:
            segment = self.segment
            pack, prefix = segment.layouts[tuple(metrics)]
            payload = pack(
                prefix,
                NO_STEP if step is None else step,
                time.time_ns() // 1000 if now is None else now,
                nan if epoch is None else epoch,
                *metrics.values(),
            )
            at = segment.at
            start, seq = at
            end = start + FRAME_SIZE + len(payload)
            if end > segment.limit or self.pending:
                return self._log(tuple(metrics), payload[_PREFIX_SIZE:])
            record = FRAME.pack(len(payload), crc32c(payload)) + payload
            # From here on as Segment.put, without a call.
            if segment.at is not at or segment.begun != start or self.segment is not segment:
                return self._log(tuple(metrics), payload[_PREFIX_SIZE:])
            segment.begun = end
            segment.memory[start:end] = record
            segment.at = end, seq + 1
        if not self.host.dirty:
            self.host.touched(urgent=False)
        return True

    def log_checked(
        self, keys: tuple[str, ...], values: Sequence[float], step: int | None, epoch: float | None, now: int
    ) -> bool:
        """One call whose keys and values were checked; the keys may be new."""
        columns = struct.pack(
            f"<qqd{len(keys)}d",
            NO_STEP if step is None else step,
            now,
            nan if epoch is None else epoch,
            *values,
        )
        with self.lock:
            kept = self._log(keys, columns)
        self.host.touched(urgent=False)
        return kept

    def _log(self, keys: tuple[str, ...], columns: bytes) -> bool:
        size = len(encode_layout(0, keys)) + FRAME_SIZE + _PREFIX_SIZE + len(columns)
        while True:
            if len(self.segment.layouts) >= MAX_LAYOUTS:
                self._roll(size, droppable=True)
            if not self._has_room(size) and not self._make_room(size, droppable=True):
                return self._drop()
            segment, at = self.segment, self.segment.at
            known = segment.layouts.get(keys)
            if known is None:
                self._define(segment, at, keys)
            elif segment.put(known[1] + columns, at):
                return True

    @staticmethod
    def _define(segment: Segment, at: tuple[int, int], keys: tuple[str, ...]) -> None:
        number = len(segment.layouts)
        if segment.put(encode_layout(number, keys), at, calls=0):
            pack = struct.Struct(f"<4sqqd{len(keys)}d").pack
            segment.layouts[keys] = pack, _PREFIX.pack(METRICS, 0, number)
