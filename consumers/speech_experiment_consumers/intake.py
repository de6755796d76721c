"""From bytes of the log to events, or to the reason why they are none."""

from __future__ import annotations

import re
from typing import NamedTuple

from speech_experiment_projections.intervals import EMPTY
from speech_experiment_projections.recorded import Recorded
from speech_experiment_schemas import InvalidEvent, Unknown, record_key
from speech_experiment_schemas.ids import partition_of
from speech_experiment_schemas.stamps import read_stamps
from speech_experiment_schemas.validate import read

from .sink import Incoming

_ORIGIN = re.compile(r"[a-z]+/(\d{1,9})/(\d{1,18})\Z")


class Letter(NamedTuple):
    """A record to be parked. reason: malformed, unknown_type, wrong_partition, forbidden, collision, failed."""

    incoming: Incoming
    reason: str
    error: str


class Accepted(NamedTuple):
    """A record that is an event of this topic; whether any of it is new, the ledger says."""

    incoming: Incoming
    recorded: Recorded


def take_in(incoming: Incoming, partitions: int) -> Accepted | Letter:
    """An event, not yet admitted by the ledger, or a letter with the reason against it."""
    control = incoming.topic == "control"
    try:
        envelope, payload = read(incoming.value, control=control)
    except InvalidEvent as error:
        return Letter(incoming, "forbidden" if error.code == "forbidden" else "malformed", str(error))
    if envelope.stream != incoming.topic:
        error_text = f"stream: the record says {envelope.stream}, but was found in {incoming.topic}"
        return Letter(incoming, "malformed", error_text)
    expected = partition_of(record_key(envelope), partitions) if partitions > 1 else 0
    if expected != incoming.partition:
        return Letter(
            incoming, "wrong_partition", f"belongs to partition {expected}, found in {incoming.partition}"
        )
    if isinstance(payload, Unknown):
        return Letter(incoming, "unknown_type", f"{payload.type} v{payload.v} is not known to this release")
    stamps = read_stamps(incoming.headers)
    recorded = Recorded(
        envelope,
        payload,
        incoming.partition,
        incoming.offset,
        incoming.timestamp * 1000,
        stamps.actor or None,
        stamps.workspace,
        EMPTY,
        origin(stamps.replayed_from),
    )
    return Accepted(incoming, recorded)


def origin(replayed_from: str | None) -> tuple[int, int] | None:
    """(partition, offset) of the header that a replayed dead letter carries."""
    match = _ORIGIN.match(replayed_from or "")
    return (int(match[1]), int(match[2])) if match else None
