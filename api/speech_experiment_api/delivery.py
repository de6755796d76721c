"""The ledger's answer: whether everything that a producer said has arrived."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from speech_experiment_projections.concurrency import Process, writes_on
from speech_experiment_projections.intervals import Intervals, missing, size

from .versions import TOPIC_OF

Range = tuple[int, int]
"""[first, last], both included."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class StreamDelivery(msgspec.Struct, kw_only=True):
    """One producer in one stream.

    verdict   complete, complete with N voided, open, missing [a, b], …
    calls     how many sequence numbers it used, as far as is known
    received  how many of them arrived, voided ones included
    problems  what the client swallowed to spare the training loop, by kind
    concurrent  it went on after another process had taken over
    """

    projection: str
    stream: str
    producer: UUID
    role: str | None
    rank: int | None
    attempt: int | None
    host: str | None
    pid: int | None
    launch: str | None
    verdict: str
    calls: int
    received: int
    voided: list[Range]
    missing: list[Range]
    open: bool
    first_seen: datetime
    last_seen: datetime
    closed_at: datetime | None
    close_reason: str | None
    problems: dict[str, int]
    concurrent: bool = False


class RunDelivery(msgspec.Struct, kw_only=True):
    """verdict covers all streams; behind: records of the log not projected yet, by projection.

    concurrent: whether a process went on after another one had taken over, by what any stream holds.
    """

    run_id: UUID
    verdict: str
    complete: bool
    calls: int
    received: int
    voided: int
    missing: int
    behind: dict[str, int]
    concurrent: bool
    streams: list[StreamDelivery]


def stream_delivery(row: Mapping[str, Any]) -> StreamDelivery:
    """From a row of the ledger, with `projection` added."""
    received, voided = _intervals(row["received"]), _intervals(row["voided"])
    stop = max(received[-1][1] if received else 0, 0 if row["last_seq"] is None else row["last_seq"] + 1)
    gaps, is_open = missing(received, 0, stop), row["last_seq"] is None
    copied = ("projection", "producer", "role", "rank", "attempt", "host", "pid", "launch")
    dated = ("first_seen", "last_seen", "closed_at", "close_reason")
    return StreamDelivery(
        stream=TOPIC_OF[row["projection"]],
        verdict=verdict(gaps, is_open=is_open, voided=size(voided)),
        calls=stop,
        received=size(received),
        voided=_inclusive(voided),
        missing=_inclusive(gaps),
        open=is_open,
        problems=msgspec.json.decode(row["problems"]),
        **{name: row[name] for name in copied + dated},
    )


def run_delivery(run_id: UUID, streams: list[StreamDelivery], behind: Mapping[str, int]) -> RunDelivery:
    """All streams of a run as one; nothing is complete while a projection is behind."""
    gaps = sum(last - first + 1 for stream in streams for first, last in stream.missing)
    voided = sum(last - first + 1 for stream in streams for first, last in stream.voided)
    is_open = bool(behind) or not streams or any(stream.open for stream in streams)
    overall = f"missing {gaps}" if gaps else verdict((), is_open=is_open, voided=voided)
    return RunDelivery(
        run_id=run_id,
        verdict=overall,
        complete=not gaps and not is_open,
        calls=sum(stream.calls for stream in streams),
        received=sum(stream.received for stream in streams),
        voided=voided,
        missing=gaps,
        behind=dict(behind),
        concurrent=any(stream.concurrent for stream in streams),
        streams=streams,
    )


def verdict(gaps: Intervals, *, is_open: bool, voided: int) -> str:
    """In the words of the ledger; what is missing comes before what is still open."""
    if gaps:
        shown = ", ".join(f"[{first}, {last}]" for first, last in _inclusive(gaps)[:5])
        return f"missing {shown}" + (" …" if len(gaps) > 5 else "")
    if is_open:
        return "open"
    return f"complete with {voided:,} voided" if voided else "complete"


def by_run(rows: Iterable[Mapping[str, Any]]) -> dict[UUID, list[StreamDelivery]]:
    found: dict[UUID, list[StreamDelivery]] = {}
    groups: dict[tuple[UUID, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["run_id"], row["projection"]), []).append(row)
    for (run_id, _), group in groups.items():
        flagged = concurrent(group)
        streams = found.setdefault(run_id, [])
        for row in group:
            stream = stream_delivery(row)
            stream.concurrent = row["producer"] in flagged
            streams.append(stream)
    return found


def concurrent(rows: Iterable[Mapping[str, Any]]) -> set[UUID]:
    """The producers of one run in one topic that went on after another one had taken over."""
    trainers = {
        row["producer"]: (_process(row), row["last_call"])
        for row in rows
        if row["role"] == "trainer" and row["opened_at"] is not None
    }
    processes = [process for process, _ in trainers.values()]
    return {producer for producer, (process, last) in trainers.items() if writes_on(process, last, processes)}


def _process(row: Mapping[str, Any]) -> Process:
    opened = (row["opened_at"] - _EPOCH) // timedelta(microseconds=1)
    return Process(row["attempt"] or 1, row["rank"] or 0, row["host"] or "", row["pid"] or 0, opened)


def _intervals(ranges: Iterable[Any]) -> Intervals:
    """From asyncpg's ranges of an int8multirange, which Postgres gives half-open."""
    return tuple((each.lower, each.upper) for each in ranges)


def _inclusive(intervals: Intervals) -> list[Range]:
    return [(start, stop - 1) for start, stop in intervals]
