"""What a verification finds: where two of the system's memories of a run disagree, and what to do about it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import msgspec

from .artifacts import ArtifactRow
from .intervals import Intervals

Where = Literal["spool", "log", "ledger", "postgres", "clickhouse", "objects"]
Kind = Literal["missing", "surplus", "changed", "broken", "parked", "waiting"]
Range = tuple[int, int]
"""[first, last], both included."""

MOST_RANGES = 50
_STREAMS = {"metadata": "runs", "scores": "evaluations", "artifacts": "artifacts"}
"""The topic that each projection reads."""


class Finding(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One disagreement.

    where      the store that is wrong, or lacks something
    kind       missing, surplus, changed, broken (a chain), parked (a dead letter), waiting (not sent yet: no loss)
    run        that it is about
    stream     topic, producer and calls (sequence numbers) concerned
    offsets    of the records concerned, first and last, in `partition` of the stream's topic
    since      broker time of the first of these records
    what       for people
    next_step  what brings it in order
    """

    where: Where
    kind: Kind
    run: UUID | None = None
    stream: str = ""
    producer: UUID | None = None
    calls: list[Range] = []
    partition: int | None = None
    offsets: Range | None = None
    since: datetime | None = None
    what: str
    next_step: str = ""


def of_artifact(row: ArtifactRow, where: Where, kind: Kind, what: str, next_step: str) -> Finding:
    """About one version of an artifact, as the log has it."""
    return Finding(
        where=where,
        kind=kind,
        run=row.run_id,
        stream="artifacts",
        producer=row.producer,
        partition=row.partition,
        offsets=(row.offset, row.offset),
        since=when(row.created_at),
        what=what,
        next_step=next_step,
    )


def of_rows(
    projection: Literal["metadata", "scores", "artifacts"],
    kind: Kind,
    what: str,
    *,
    run: UUID | None,
    partition: int | None,
    offsets: Range | None,
    since: int | None,
    producer: UUID | None = None,
) -> Finding:
    """About rows of a projection in Postgres, which its rebuild brings in order.

    since  microseconds since 1970
    """
    return Finding(
        where="postgres",
        kind=kind,
        run=run,
        stream=_STREAMS[projection],
        producer=producer,
        partition=partition,
        offsets=offsets,
        since=None if since is None else when(since),
        what=what,
        next_step=rebuild(projection),
    )


def when(microseconds: int) -> datetime:
    """A time of the log, from microseconds since 1970."""
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=microseconds)


def inclusive(intervals: Intervals) -> list[Range]:
    """As ranges for people and programs; of very many the first."""
    return [(start, stop - 1) for start, stop in intervals[:MOST_RANGES]]


def rebuild(projection: str) -> str:
    return f"speech-tracker rebuild {projection}"


def shown(value: Any, most: int = 120) -> str:
    """A value in a sentence."""
    text = repr(value)
    return text if len(text) <= most else f"{text[: most - 1]}…"
