"""From bytes of the log to events, or to the reason why they are none."""

from __future__ import annotations

from typing import NamedTuple

from speech_experiment_projections.reading import Rejected, read_record
from speech_experiment_projections.recorded import Recorded

from .sink import Incoming


class Letter(NamedTuple):
    """A record to be parked. reason: malformed, unknown_type, wrong_partition, forbidden, collision, failed."""

    incoming: Incoming
    reason: str
    error: str


class Passed(NamedTuple):
    """A record that another process writes: only the position goes past it."""

    incoming: Incoming


class Accepted(NamedTuple):
    """A record that is an event of this topic; whether any of it is new, the ledger says."""

    incoming: Incoming
    recorded: Recorded


def take_in(incoming: Incoming, partitions: int) -> Accepted | Letter:
    """An event, not yet admitted by the ledger, or a letter with the reason against it."""
    topic, partition, offset, timestamp, _, value, headers = incoming
    found = read_record(topic, partition, offset, timestamp, value, headers, partitions)
    if isinstance(found, Rejected):
        return Letter(incoming, found.reason, found.error)
    return Accepted(incoming, found)
