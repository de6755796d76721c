"""The metrics stream: the one call that must cost microseconds."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Mapping, Sequence
from math import nan
from typing import Any

from speech_experiment_schemas.metrics import NO_STEP

from .._crc import crc32c
from .records import FRAME, FRAME_SIZE, METRICS, encode_layout
from .segments import NOTHING
from .streams import Host, Stream

MAX_LAYOUTS = 60_000
_PREFIX = struct.Struct("<BBH")
_PREFIX_SIZE = _PREFIX.size

Layout = tuple[Callable[..., bytes], bytes]
"""(packs prefix, step, time, epoch and values; the prefix that names the layout)"""


class MetricsStream(Stream):
    """Writes calls of metrics; a tuple of keys is written once a segment and then known by number."""

    def __init__(self, host: Host) -> None:
        self.layouts: dict[tuple[str, ...], Layout] = {}
        super().__init__(host, "metrics")
        self.rolled = self.layouts.clear

    def log(
        self, metrics: Mapping[str, Any], step: Any = None, epoch: Any = None, now: int | None = None
    ) -> bool:
        """One call with keys used before; False when it was dropped for lack of space.

        Raises KeyError when the keys are new, struct.error, TypeError or another error of the value's own
        conversion when something is no number: then nothing was written, see log_checked.
        """
        with self.lock:
            pack, prefix = self.layouts[tuple(metrics)]
            payload = pack(
                prefix,
                NO_STEP if step is None else step,
                time.time_ns() // 1000 if now is None else now,
                nan if epoch is None else epoch,
                *metrics.values(),
            )
            segment = self.segment
            memory = segment.memory
            start, seq = segment.at
            if memory[start : start + 4] != NOTHING:
                start, seq = segment.recover()
            end = start + FRAME_SIZE + len(payload)
            if end > segment.limit or self.pending:
                return self._log(tuple(metrics), payload[_PREFIX_SIZE:])
            # As Segment.write, without the cost of a call.
            memory[start:end] = FRAME.pack(len(payload), crc32c(payload)) + payload
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
        layout = encode_layout(len(self.layouts), keys)
        size = len(layout) + FRAME_SIZE + _PREFIX_SIZE + len(columns)
        if len(self.layouts) >= MAX_LAYOUTS:
            self._roll(size, droppable=True)
        if (self.pending or self.segment.room() < size) and not self._make_room(size, droppable=True):
            return self._drop()
        if keys not in self.layouts:
            self._define(keys)
        self.segment.write(self.layouts[keys][1] + columns)
        return True

    def _define(self, keys: tuple[str, ...]) -> None:
        number = len(self.layouts)
        self.segment.write(encode_layout(number, keys), calls=0)
        pack = struct.Struct(f"<4sqqd{len(keys)}d").pack
        self.layouts[keys] = pack, _PREFIX.pack(METRICS, 0, number)
