"""Sealed records of synthetic runs, cheap enough to load a server from the machine it runs on.

A payload is encoded once for each size; for every record numpy patches steps, times and values
in place, and only then it is sealed as the drain does it (id, salt, digest chain). Values are
multiples of 2**-24 below 17: their sums are exact in float64 in any order, so that the sums
of what was sent and what is stored can be compared for equality.
"""

from __future__ import annotations

import time
from uuid import UUID, uuid4

import msgspec
import numpy as np

from speech_experiment_schemas import Sealer
from speech_experiment_schemas.envelope import encode_payload
from speech_experiment_schemas.ids import experiment_id, uuid7
from speech_experiment_schemas.metrics import MetricsLogged
from speech_experiment_schemas.producers import ProducerClosed, ProducerOpened
from speech_experiment_schemas.runs import RunStarted

EXPERIMENT = "benchmark"
WAVES = 16


class Template:
    """The encoded payload of `points` points in calls of all keys, and views into its columns."""

    def __init__(self, keys: list[str], points: int, seed: int = 0) -> None:
        self.calls = max(1, points // len(keys))
        self.points = self.calls * len(keys)
        steps, values = b"\x01" * 8 * self.calls, b"\x02" * 8 * self.points
        times = b"\x03" * 8 * self.calls
        payload = encode_payload(
            MetricsLogged(
                keys=keys,
                calls=np.full(self.calls, len(keys), "<u4").tobytes(),
                steps=steps,
                times=times,
                key_index=np.tile(np.arange(len(keys), dtype="<u2"), self.calls).tobytes(),
                values=values,
            )
        )
        self._bytes = bytearray(payload)
        self._steps = self._view("<i8", steps)
        self._times = self._view("<i8", times)
        self._values = self._view("<f8", values)
        self._count = np.arange(self.calls, dtype="<i8")
        self._base = np.random.default_rng(seed).integers(0, 2**24, self.points) / 2**24
        self._sum = float(self._base.sum())

    def _view(self, dtype: str, filler: bytes) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.frombuffer(self._bytes, dtype, len(filler) // 8, self._bytes.index(filler))

    def payload(self, first_step: int, wave: int) -> tuple[msgspec.Raw, float]:
        """The payload with steps from `first_step` and values of this wave, and the values' sum."""
        np.add(self._count, first_step, out=self._steps)
        np.add(self._count, time.time_ns() // 1000, out=self._times)
        lift = wave % WAVES
        np.add(self._base, float(lift), out=self._values)
        return msgspec.Raw(bytes(self._bytes)), self._sum + lift * self.points


class SyntheticRun:
    """One run of one producer: its opening records, then metrics, and what a reader must find."""

    def __init__(self, name: str, run: UUID | None = None) -> None:
        self.name = name
        self.run = run or uuid7()
        producer = uuid4()
        self._runs = Sealer(producer, "runs")
        self._metrics = Sealer(producer, "metrics")
        self._step = 0
        self.records = 0
        self.points = 0
        self.sum = 0.0

    @property
    def subject(self) -> tuple[str, UUID]:
        return "run", self.run

    def opening(self) -> list[bytes]:
        """Producer opened in both streams, and the run started."""
        experiment = experiment_id("default", EXPERIMENT)
        started = RunStarted(experiment=experiment, experiment_name=EXPERIMENT, name=self.name)
        return [
            self._runs.seal(ProducerOpened(client="benchmark"), self.subject),
            self._runs.seal(started, self.subject),
            self._metrics.seal(ProducerOpened(client="benchmark"), self.subject),
        ]

    def record(self, template: Template) -> bytes:
        """The next record of metrics; counted as sent."""
        data, total = template.payload(self._step, self.records)
        record = self._metrics.seal_raw("metrics.logged", 1, data, self.subject, count=template.calls)
        self._step += template.calls
        self.records += 1
        self.points += template.points
        self.sum += total
        return record

    def seal(self, payload: msgspec.Struct, count: int = 1) -> bytes:
        """Another record of this producer, in the stream of its type."""
        sealer = self._metrics if isinstance(payload, MetricsLogged) else self._runs
        return sealer.seal(payload, self.subject, count=count)

    def closing(self) -> list[bytes]:
        """The producer's last record in both streams."""
        return [
            sealer.seal(ProducerClosed(reason="exit"), self.subject) for sealer in (self._runs, self._metrics)
        ]
