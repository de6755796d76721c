"""The Kafka headers that the gateway stamps on a record: who wrote it, for whom, and when it came in.

Values are UTF-8. A record without stamps came over the direct transport, whose principal
stamps its own; a projection treats missing ones as unknown actor and default workspace.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from .ids import DEFAULT_WORKSPACE

ACTOR = "actor"
"""`key:<uuid>` of the API key, or `system` for what the server writes on its own."""
WORKSPACE = "workspace"
RECEIVED_AT = "received-at"
"""Microseconds since 1970 by the gateway's clock, decimal digits."""
REPLAYED_FROM = "replayed-from"
"""`topic/partition/offset` of the dead letter whose bytes were appended again."""
REPLAYED_BY = "replayed-by"
"""The actor that asked for the replay."""

Headers = list[tuple[str, bytes]]


class Stamps(NamedTuple):
    """received_at is None when the record carries no such header."""

    actor: str
    workspace: str
    received_at: int | None
    replayed_from: str | None


def stamp(actor: str, workspace: str, received_at: int | None = None) -> Headers:
    """The headers of a record that comes in now, or at `received_at` microseconds."""
    received_at = time.time_ns() // 1000 if received_at is None else received_at
    return [
        (ACTOR, actor.encode()),
        (WORKSPACE, workspace.encode()),
        (RECEIVED_AT, str(received_at).encode()),
    ]


def read_stamps(headers: Iterable[tuple[str, bytes]]) -> Stamps:
    """The stamps of a record; of a header that occurs twice the first counts."""
    return _read(tuple(headers))


@lru_cache(maxsize=256)
def _read(headers: tuple[tuple[str, bytes], ...]) -> Stamps:
    """The records of one request have the same ones, and lie together in the log."""
    found: dict[str, str] = {}
    for name, value in headers:
        found.setdefault(name, value.decode("utf-8", "replace"))
    received = found.get(RECEIVED_AT, "")
    return Stamps(
        found.get(ACTOR, ""),
        found.get(WORKSPACE) or DEFAULT_WORKSPACE,
        int(received) if received.isdecimal() and received.isascii() else None,
        found.get(REPLAYED_FROM),
    )
