"""A run's records, out of its own stretches of the log, in the order of the broker's time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from .log_reader import LogReader, LogRecord, Piece
from .positions import Place
from .runs import ledger_rows
from .services import Services
from .versions import TOPIC_OF

Span = tuple[int, int]
"""[first offset, offset after the last)"""
Spans = dict[Place, list[Span]]
"""Per topic and partition, disjoint and rising; never empty."""


async def spans_of(services: Services, run_id: UUID) -> Spans:
    """Where the run's producers spoke: what lies between a run and its resumption a month later is left out."""
    found: Spans = {}
    for row in await ledger_rows(services, [run_id]):
        place = (TOPIC_OF[row["projection"]], row["partition"])
        found.setdefault(place, []).append((row["first_offset"], row["last_offset"] + 1))
    return {place: joined(spans) for place, spans in found.items()}


def joined(spans: Sequence[Span]) -> list[Span]:
    """The same offsets in disjoint spans."""
    made: list[Span] = []
    for first, stop in sorted(spans):
        if made and first <= made[-1][1]:
            made[-1] = (made[-1][0], max(made[-1][1], stop))
        else:
            made.append((first, stop))
    return made


def clipped(spans: Spans, first: Mapping[Place, int], stop: Mapping[Place, int]) -> Spans:
    """What lies between the offsets given; a place that is not named is not clipped."""
    found: Spans = {}
    for place, each in spans.items():
        low, high = first.get(place, 0), stop.get(place, each[-1][1])
        kept = [(max(start, low), min(end, high)) for start, end in each]
        kept = [(start, end) for start, end in kept if start < end]
        if kept:
            found[place] = kept
    return found


class Page(NamedTuple):
    """Records in order, and where each place is to be read on."""

    records: list[LogRecord]
    next_offsets: dict[Place, int]

    def complete(self, spans: Spans) -> bool:
        return all(self.next_offsets[place] >= each[-1][1] for place, each in spans.items())

    def share(self, spans: Spans) -> float:
        """The part of all offsets that is read, from 0 to 1."""
        total = sum(stop - first for each in spans.values() for first, stop in each)
        left = sum(
            max(0, stop - max(first, self.next_offsets[place]))
            for place, each in spans.items()
            for first, stop in each
        )
        return 1.0 if total == 0 else 1 - left / total


async def read_page(
    reader: LogReader, spans: Spans, after: Mapping[Place, int], key: bytes, limit: int, size: int
) -> Page:
    """The next records with the key: at most `limit` of them and about `size` bytes.

    after  where each place is to be read on; where it is not named, from its beginning
    """
    starts = {place: max(each[0][0], after.get(place, 0)) for place, each in spans.items()}
    pieces = await asyncio.gather(
        *(_scan(reader, place, each, starts[place], key, limit) for place, each in spans.items())
    )
    ends = {place: each[-1][1] for place, each in spans.items()}
    return merge(dict(zip(spans, pieces, strict=True)), ends, limit, size)


async def _scan(
    reader: LogReader, place: Place, spans: Sequence[Span], start: int, key: bytes, limit: int
) -> Piece:
    """Span after span, until there are enough records or a scan ends early."""
    records: list[LogRecord] = []
    for first, stop in spans:
        if stop <= start:
            continue
        piece = await reader.scan(place, max(first, start), stop, key, limit - len(records))
        records += piece.records
        if piece.next_offset < stop or len(records) >= limit:
            return Piece(records, piece.next_offset)
    return Piece(records, max(start, spans[-1][1]))


def merge(pieces: Mapping[Place, Piece], ends: Mapping[Place, int], limit: int, size: int) -> Page:
    """The earliest records of all places, none later than what a place may still bring."""
    horizon = min(
        (_frontier(piece) for place, piece in pieces.items() if piece.next_offset < ends[place]),
        default=None,
    )
    ordered = sorted(
        (record for piece in pieces.values() for record in piece.records),
        key=lambda record: (record.time, record.topic, record.partition, record.offset),
    )
    page = [record for record in ordered if horizon is None or record.time <= horizon][:limit]
    page = page[: _fitting(page, size)]
    return Page(page, _next_offsets(pieces, page))


def _fitting(records: Sequence[LogRecord], size: int) -> int:
    """How many records make up `size` bytes; one at least."""
    total = 0
    for index, record in enumerate(records):
        total += len(record.value)
        if total > size:
            return max(index, 1)
    return len(records)


def _frontier(piece: Piece) -> int:
    """Nothing of this place that comes later has an earlier time than its last record here."""
    return piece.records[-1].time if piece.records else 0


def _next_offsets(pieces: Mapping[Place, Piece], page: Sequence[LogRecord]) -> dict[Place, int]:
    """Per place the first record left out, or where the scan ended."""
    shown = {(record.topic, record.partition, record.offset) for record in page}
    return {
        place: next(
            (record.offset for record in piece.records if (*place, record.offset) not in shown),
            piece.next_offset,
        )
        for place, piece in pieces.items()
    }
