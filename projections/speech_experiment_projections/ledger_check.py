"""The ledger and the chain of records, held against what the log says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .evidence import COUNTED, REPLACES, Evidence, Lines
from .findings import Finding, inclusive, rebuild, when
from .intervals import Intervals, missing, union
from .ledger import Account, Entry

OFFSET, TIME, SEQ, LAST, POINTS, MARK, LINK, BEFORE, FLAGS = range(9)
"""Columns of lines."""
PROJECTION = {"runs": "metadata", "metrics": "metrics", "evaluations": "scores", "artifacts": "artifacts"}


class Stored(NamedTuple):
    """What a ledger's row says; times in microseconds."""

    received: Intervals
    voided: Intervals
    digest: bytes
    partition: int
    first_offset: int
    last_offset: int
    first_seen: int
    last_seen: int
    opened_offset: int | None
    role: str | None
    rank: int | None
    attempt: int | None
    last_seq: int | None
    close_reason: str | None


def stored_form(entry: Entry) -> Stored:
    """An entry as its row must be."""
    opened, closed = entry.opened, entry.closed
    return Stored(
        entry.received,
        entry.voided,
        entry.digest,
        entry.partition,
        entry.first_offset,
        entry.last_offset,
        entry.first_seen,
        entry.last_seen,
        entry.opened_offset,
        opened.role if opened else None,
        opened.rank if opened else None,
        opened.attempt if opened else None,
        entry.last_seq,
        closed.reason if closed else None,
    )


def check_ledger(evidence: Evidence, stored: Mapping[Account, Stored]) -> Iterator[Finding]:
    """Rows of the ledger that are not what the log makes of them."""
    for account, entry in evidence.accounts.entries.items():
        found = stored.get(account)
        expected = stored_form(entry)
        if found is None:
            yield _ledger(evidence, account, "missing", expected.received, "the producer has no row")
        elif found != expected:
            yield from _differences(evidence, account, expected, found)
    for account in stored.keys() - evidence.accounts.entries.keys():
        what = "the ledger has a producer that the log does not know"
        yield _ledger(evidence, account, "surplus", stored[account].received, what)


def _differences(evidence: Evidence, account: Account, expected: Stored, found: Stored) -> Iterator[Finding]:
    lacking = difference(expected.received, found.received)
    if lacking:
        yield _ledger(evidence, account, "missing", lacking, "calls that the log has are not in the ledger")
    beyond = difference(found.received, expected.received)
    if beyond:
        yield _ledger(evidence, account, "surplus", beyond, "calls in the ledger that the log does not have")
    names = [name for name in Stored._fields if getattr(expected, name) != getattr(found, name)]
    others = [name for name in names if name != "received"]
    if others and not (lacking or beyond):
        told = ", ".join(
            f"{name} is {_plain(getattr(found, name))}, the log says {_plain(getattr(expected, name))}"
            for name in others
        )
        yield _ledger(evidence, account, "changed", (), told)


def _plain(value: Any) -> Any:
    return value.hex()[:16] + "…" if isinstance(value, bytes) else value


def difference(one: Intervals, other: Intervals) -> Intervals:
    """What the first set has and the second has not."""
    return tuple(gap for start, stop in one for gap in missing(other, start, stop))


def _ledger(evidence: Evidence, account: Account, kind: Any, calls: Intervals, what: str) -> Finding:
    return locate(
        evidence,
        account,
        calls,
        Finding(where="ledger", kind=kind, what=what, next_step=rebuild(PROJECTION[evidence.topic])),
    )


def locate(evidence: Evidence, account: Account, calls: Intervals, finding: Finding) -> Finding:
    """The finding with its producer, its calls, and the records that carry them."""
    producer, run, _ = account
    finding.run, finding.producer, finding.stream = run, producer, evidence.topic
    finding.calls = inclusive(calls)
    lines = evidence.lines.get(account)
    entry = evidence.accounts.entries.get(account)
    if lines is None or entry is None:
        return finding
    columns = lines.columns
    chosen = np.zeros(len(columns), bool) if calls else np.ones(len(columns), bool)
    for start, stop in calls:
        chosen |= (columns[:, SEQ] < stop) & (columns[:, LAST] >= start)
    if chosen.any():
        of_calls = columns[chosen]
        finding.partition = entry.partition
        finding.offsets = (int(of_calls[0, OFFSET]), int(of_calls[-1, OFFSET]))
        finding.since = when(int(of_calls[0, TIME]))
    return finding


def check_log(evidence: Evidence) -> Iterator[Finding]:
    """Calls that never arrived though later ones did, and records that do not follow on each other."""
    for account, entry in evidence.accounts.entries.items():
        lines = evidence.lines[account].columns
        received = _carried(lines, entry)
        stop = max(received[-1][1] if received else 0, 0 if entry.last_seq is None else entry.last_seq + 1)
        holes = missing(received, 0, stop)
        if holes:
            yield _hole(evidence, account, holes, lines)
        yield from _breaks(evidence, account, lines)


def _carried(lines: NDArray[np.uint64], entry: Entry) -> Intervals:
    """All calls that records of the log carry, also those that a projection had to park."""
    parked = lines[(lines[:, FLAGS] & COUNTED) == 0]
    return union(entry.received, ((int(row[SEQ]), int(row[LAST]) + 1) for row in parked))


def _hole(evidence: Evidence, account: Account, holes: Intervals, lines: NDArray[np.uint64]) -> Finding:
    producer, run, _ = account
    later = lines[lines[:, SEQ] >= holes[0][1]]
    beyond = later[0] if len(later) else lines[-1]
    entry = evidence.accounts.entries[account]
    return Finding(
        where="log",
        kind="missing",
        run=run,
        stream=evidence.topic,
        producer=producer,
        calls=inclusive(holes),
        partition=entry.partition,
        offsets=(int(beyond[OFFSET]), int(beyond[OFFSET])),
        since=when(int(beyond[TIME])),
        what="calls never arrived, though the record at the offset given came after them",
        next_step="look for the client's spool: speech-tracker verify --spool DIR, then speech-tracker sync DIR",
    )


def _breaks(evidence: Evidence, account: Account, lines: NDArray[np.uint64]) -> Iterator[Finding]:
    """Every record names the digest of the one before it; sealed anew, or refused, there may be several."""
    links: dict[int, set[int]] = defaultdict(set)
    replaced: set[int] = set()
    for row in lines[:, [LAST, LINK, FLAGS]].tolist():
        links[row[0] + 1].add(row[1])
        if row[2] & REPLACES:
            replaced.add(row[0] + 1)
    for line in lines[:, [OFFSET, TIME, SEQ, LAST, BEFORE]].tolist():
        offset, time, seq, last, before = line
        if seq in replaced or (seq > 0 and seq not in links):
            continue  # the one before was refused, or is missing: that is told elsewhere
        if before not in (links[seq] if seq else {0}):
            producer, run, _ = account
            yield Finding(
                where="log",
                kind="broken",
                run=run,
                stream=evidence.topic,
                producer=producer,
                calls=[(seq, last)],
                partition=evidence.accounts.entries[account].partition,
                offsets=(offset, offset),
                since=when(time),
                what="the record does not follow on the one before it: its digest of that one is another",
                next_step="compare both with the client's spool; one of them was changed or forged",
            )


def points_of(lines: Lines) -> tuple[int, int]:
    """(points, sum of their digests) that the records of an account gave."""
    columns = lines.columns
    return int(columns[:, POINTS].sum()), int(np.add.reduce(columns[:, MARK]))


def records_with_points(lines: Lines) -> dict[int, tuple[int, int, int, int, int]]:
    """offset → (points, digest, time, first and last call)."""
    columns = lines.columns
    chosen = columns[columns[:, POINTS] > 0][:, [OFFSET, POINTS, MARK, TIME, SEQ, LAST]]
    return {row[0]: (row[1], row[2], row[3], row[4], row[5]) for row in chosen.tolist()}
