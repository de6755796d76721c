"""The audit trail: what people did, one row for each event of the topic `control`."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

import msgspec

from speech_experiment_schemas.control import ControlEvent

from .recorded import Recorded
from .texts import clean_text, to_json

_SECRET = ("sha256",)
"""Fields that are for the server alone."""
_LONG = ("body",)
"""Fields that are read elsewhere."""


class Act(NamedTuple):
    """Who did what to which subject, and where the log has it.

    time     microseconds since 1970, by the broker
    actor    as the gateway stamped it: key:<uuid>, or system
    reason   as it was given, empty where none was
    details  the event's other fields, JSON; not the text of a report
    """

    partition: int
    offset: int
    time: int
    workspace: str
    actor: str | None
    type: str
    kind: str
    id: UUID
    reason: str
    details: str


def act(recorded: Recorded) -> Act | None:
    """The row of an event; None for one that frames a producer, which is no act of a person."""
    if not isinstance(recorded.payload, ControlEvent):
        return None
    kind, subject = recorded.envelope.subject
    told = msgspec.to_builtins(recorded.payload)
    reason = told.pop("reason", "")
    return Act(
        partition=recorded.partition,
        offset=recorded.offset,
        time=recorded.time,
        workspace=clean_text(recorded.workspace),
        actor=recorded.actor,
        type=recorded.envelope.type,
        kind=kind,
        id=subject,
        reason=clean_text(reason),
        details=to_json({name: value for name, value in told.items() if name not in _SECRET + _LONG}),
    )
