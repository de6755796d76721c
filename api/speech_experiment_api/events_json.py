"""Events of the log as JSON: every value readable, NaN and ±Inf as strings."""

from __future__ import annotations

import base64
import math
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from speech_experiment_schemas import Unknown, decode, decode_payload
from speech_experiment_schemas.metrics import NO_STEP, MetricsLogged, unpack, unpack_calls
from speech_experiment_schemas.stamps import read_stamps

from .log_reader import LogRecord


class LoggedEvent(msgspec.Struct, kw_only=True):
    """An event with its place in the log, who sent it, and when the broker took it.

    time         broker's append time; client_time is the clock of the machine that logged it
    data         the payload; of metrics a summary, unless points were asked for
    replayed_from  topic/partition/offset of the dead letter that was appended again
    """

    topic: str
    partition: int
    offset: int
    time: datetime
    actor: str
    workspace: str
    received_at: datetime | None
    replayed_from: str | None = None
    type: str
    v: int
    id: UUID
    subject: tuple[str, UUID]
    producer: UUID
    seq: int
    count: int
    client_time: datetime | None
    data: Any


def logged_event(record: LogRecord, *, points: bool = False) -> LoggedEvent | None:
    """The decoded event; None for bytes that are no event (they are among the dead letters)."""
    try:
        envelope = decode(record.value)
        payload = decode_payload(envelope)
    except msgspec.DecodeError:
        return None
    stamps = read_stamps(record.headers)
    return LoggedEvent(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        time=_moment(record.time * 1000),
        actor=stamps.actor,
        workspace=stamps.workspace,
        received_at=None if stamps.received_at is None else _moment(stamps.received_at),
        replayed_from=stamps.replayed_from,
        type=envelope.type,
        v=envelope.v,
        id=envelope.id,
        subject=envelope.subject,
        producer=envelope.producer,
        seq=envelope.seq,
        count=envelope.count,
        client_time=_moment_or_none(envelope.ts),
        data=payload_json(payload, points=points),
    )


def payload_json(payload: msgspec.Struct | Unknown, *, points: bool = False) -> Any:
    """A payload of JSON values."""
    if isinstance(payload, Unknown):
        return {"unknown": base64.b64encode(payload.data).decode()}
    if isinstance(payload, MetricsLogged):
        return _metrics(payload, points=points)
    return jsonable(msgspec.to_builtins(payload))


def _metrics(payload: MetricsLogged, *, points: bool) -> dict[str, Any]:
    summary: dict[str, Any] = {
        "keys": payload.keys,
        "calls": len(payload.calls) // 4,
        "points": len(payload.values) // 8,
        "steps": _steps(payload),
    }
    if points:
        names = ("step", "time", "epoch", "values")
        summary["logged"] = [jsonable(dict(zip(names, call, strict=True))) for call in unpack_calls(payload)]
    return summary


def _steps(payload: MetricsLogged) -> tuple[int, int] | None:
    """The smallest and the greatest step; None where no call has one."""
    steps = [step for step in unpack("q", payload.steps) if step != NO_STEP]
    return (min(steps), max(steps)) if steps else None


def jsonable(value: Any) -> Any:
    """Numbers that JSON lacks become the strings NaN, Infinity and -Infinity; bytes become base64."""
    if isinstance(value, float):
        return value if math.isfinite(value) else number_text(value)
    if isinstance(value, dict):
        return {str(name): jsonable(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(each) for each in value]
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def number_text(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _moment(microseconds: int) -> datetime:
    return datetime.fromtimestamp(microseconds / 1e6, UTC)


def _moment_or_none(microseconds: int) -> datetime | None:
    """A client's clock may say anything."""
    try:
        return _moment(microseconds)
    except (ValueError, OverflowError, OSError):
        return None
