"""Producers frame what they say: opened first, closed last, and holes named."""

from __future__ import annotations

from typing import Literal

import msgspec

from .catalogue import event
from .envelope import STREAMS
from .limits import Count, Line, Name, Word


@event("producer.opened", stream=STREAMS)
class ProducerOpened(msgspec.Struct, frozen=True, kw_only=True):
    """The first record of a producer in a stream (seq 0).

    role   trainer (a process that logs), drain (its courier: heartbeats, system metrics) or service
    rank   the process's index among the run's distributed workers
    launch names the start that these workers have in common; absent for a single process
    """

    role: Literal["trainer", "drain", "service"] = "trainer"
    rank: Count = 0
    world_size: Count = 1
    attempt: Count = 1
    host: Line = ""
    pid: Count = 0
    client: Line = ""
    launch: Line | msgspec.UnsetType = msgspec.UNSET


CloseReason = Literal["finished", "failed", "exit", "lost", "resumed"]


@event("producer.closed", stream=STREAMS)
class ProducerClosed(msgspec.Struct, frozen=True, kw_only=True):
    """The last record of a producer in a stream; its own seq is the last one used.

    reason    lost: written by the drain for a process that died without a word
    problems  what the client swallowed to spare the training loop, counted by kind
    """

    reason: CloseReason
    problems: dict[Word, Count] = {}


@event("seq.voided", stream=STREAMS, counted=True)
class SeqVoided(msgspec.Struct, frozen=True, kw_only=True):
    """Says that the record's own range seq … seq + count - 1 was given up, and why.

    reason  refused (by the gateway), dropped (spool full), damaged (unreadable on disk)
    digest  SHA-256 of the bytes given up, hex, when they were known
    """

    reason: Literal["refused", "dropped", "damaged"]
    digest: str = ""
    detail: Name | None = None
