"""What a live viewer is told about a record of the log."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

import msgspec

from speech_experiment_schemas import Envelope, decode, decode_payload
from speech_experiment_schemas.artifacts import ArtifactLogged
from speech_experiment_schemas.metrics import MetricsLogged, unpack_calls
from speech_experiment_schemas.producers import ProducerClosed
from speech_experiment_schemas.runs import (
    RunConfigured,
    RunFailed,
    RunFinished,
    RunHeartbeat,
    RunNoted,
    RunOutput,
    RunRenamed,
    RunResumed,
    RunStarted,
    RunTagged,
)

from .events_json import jsonable, number_text
from .log_reader import LogRecord
from .thinning import Point, thin

Message = tuple[str, Any]
"""(event name of the stream, JSON data)"""
POINTS_PER_KEY = 2_000
_CHANGES = (RunConfigured, RunTagged, RunNoted, RunRenamed)


class Curves:
    """Points of several records, to be told in one message per run and producer."""

    def __init__(self, keys: Collection[str]) -> None:
        self._keys = frozenset(keys)
        self._points: dict[tuple[UUID, UUID], dict[str, list[Point]]] = {}

    def add(self, envelope: Envelope, payload: MetricsLogged) -> None:
        curves = self._points.setdefault((envelope.subject[1], envelope.producer), {})
        for step, time, _, values in unpack_calls(payload):
            for key, value in values.items():
                if not self._keys or key in self._keys:
                    curves.setdefault(key, []).append(Point(step, time, value))

    def messages(self) -> list[Message]:
        """One `points` message per run and producer; emptied by it."""
        told = [
            (
                "points",
                {"run": run, "producer": producer, "curves": {k: _columns(p) for k, p in curves.items()}},
            )
            for (run, producer), curves in self._points.items()
            if curves
        ]
        self._points.clear()
        return told


def _columns(points: list[Point]) -> dict[str, list[Any]]:
    shown = thin(points, POINTS_PER_KEY)
    return {
        "step": [point.step for point in shown],
        "time": [point.time for point in shown],
        "value": [_number(point.value) for point in shown],
    }


def _number(value: float) -> float | str:
    return value if value - value == 0 else number_text(value)


def messages(records: Iterable[LogRecord], keys: Collection[str]) -> list[Message]:
    """What to tell of a batch of records, points gathered at its end; undecodable ones say nothing."""
    told: list[Message] = []
    curves = Curves(keys)
    for record in records:
        try:
            envelope = decode(record.value)
            payload = decode_payload(envelope)
        except msgspec.DecodeError:
            continue
        if isinstance(payload, MetricsLogged):
            curves.add(envelope, payload)
        elif message := _message(envelope, payload):
            name, data = message
            told.append((name, {"run": envelope.run_id, "time": record.time / 1000, **data}))
    return told + curves.messages()


def _message(envelope: Envelope, payload: object) -> Message | None:
    match payload:
        case RunStarted():
            return "status", {"status": "running", "name": payload.name}
        case RunResumed() if envelope.stream == "runs":
            return "status", {"status": "running", "attempt": payload.attempt}
        case RunFinished():
            return "status", {"status": "finished"}
        case RunFailed():
            return "status", {"status": payload.status, "error": payload.error}
        case ProducerClosed(reason="lost") if envelope.stream == "runs":
            return "lost", {"producer": envelope.producer}
        case RunOutput():
            return "log", {"channel": payload.channel, "first": payload.first, "lines": payload.lines}
        case RunHeartbeat():
            return "heartbeat", {"problems": payload.problems}
        case ArtifactLogged():
            names = ("artifact", "path", "type", "size", "step", "epoch")
            return "artifact", {name: jsonable(getattr(payload, name)) for name in names}
        case _ if isinstance(payload, _CHANGES):
            return "changed", {"type": envelope.type}
    return None
