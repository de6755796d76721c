"""From the bytes of a record of the log to an event, or to the reason why it is none."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from speech_experiment_schemas import InvalidEvent, Unknown, record_key
from speech_experiment_schemas.ids import partition_of
from speech_experiment_schemas.stamps import read_stamps
from speech_experiment_schemas.validate import read

from .intervals import EMPTY
from .recorded import Recorded
from .texts import clean_text

_ORIGIN = re.compile(r"[a-z]+/(\d{1,9})/(\d{1,18})\Z")


class Rejected(NamedTuple):
    """Why bytes are no event of their topic. reason: malformed, unknown_type, wrong_partition, forbidden."""

    reason: str
    error: str


def read_record(
    topic: str,
    partition: int,
    offset: int,
    timestamp: int,
    value: bytes,
    headers: Iterable[tuple[str, bytes]],
    partitions: int,
) -> Recorded | Rejected:
    """An event, not yet admitted by the ledger, or the reason against it.

    timestamp: the broker's, in milliseconds; partitions: of the topic.
    """
    try:
        envelope, payload = read(value, control=topic == "control")
    except InvalidEvent as error:
        return Rejected("forbidden" if error.code == "forbidden" else "malformed", str(error))
    if envelope.stream != topic:
        return Rejected("malformed", f"stream: the record says {envelope.stream}, but was found in {topic}")
    expected = partition_of(record_key(envelope), partitions) if partitions > 1 else 0
    if expected != partition:
        return Rejected("wrong_partition", f"belongs to partition {expected}, found in {partition}")
    if isinstance(payload, Unknown):
        return Rejected("unknown_type", f"{payload.type} v{payload.v} is not known to this release")
    stamps = read_stamps(headers)
    return Recorded(
        envelope,
        payload,
        partition,
        offset,
        timestamp * 1000,
        stamps.actor or None,
        clean_text(stamps.workspace),
        EMPTY,
        origin(stamps.replayed_from),
    )


def origin(replayed_from: str | None) -> tuple[int, int] | None:
    """(partition, offset) of the header that a replayed dead letter carries."""
    if replayed_from is None:
        return None
    match = _ORIGIN.match(replayed_from)
    return (int(match[1]), int(match[2])) if match else None
