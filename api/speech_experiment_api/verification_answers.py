"""What a verification says of one run: its verdict, its differences, and what the log holds of its producers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import msgspec

from speech_experiment_projections.evidence import Evidence
from speech_experiment_projections.findings import Finding, Range, inclusive
from speech_experiment_projections.intervals import size
from speech_experiment_projections.ledger import Account
from speech_experiment_projections.ledger_check import points_of

from .delivery import verdict

MOST_FINDINGS = 1_000


class StreamEvidence(msgspec.Struct, kw_only=True):
    """What the log holds of one producer in one stream; received: calls, voided ones included."""

    stream: str
    producer: UUID
    received: list[Range]
    voided: int
    records: int
    points: int
    partition: int
    first_offset: int
    last_offset: int
    open: bool


class RunVerification(msgspec.Struct, kw_only=True):
    """verdict: verified, differs, or in the ledger's words what is still open or was voided.

    findings  of very many the first; how many there are is `found`
    behind    records that projections have not reached, and that were not looked at
    """

    run_id: UUID
    verdict: str
    verified: bool
    calls: int
    records: int
    points: int
    found: int
    findings: list[Finding]
    behind: dict[str, int]
    streams: list[StreamEvidence]


def answers(
    runs: Sequence[UUID],
    evidence: Mapping[str, Evidence],
    findings: Iterable[Finding],
    behind: Mapping[str, int],
) -> list[RunVerification]:
    """One for each run. evidence: by topic; behind: records that projections have not reached."""
    of_run: dict[UUID, list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.run is not None:
            of_run[finding.run].append(finding)
    streams: dict[UUID, list[StreamEvidence]] = defaultdict(list)
    for topic in evidence.values():
        for (_, run, _), stream in _streams(topic):
            if run is not None:
                streams[run].append(stream)
    return [_answer(run, streams[run], of_run[run], behind) for run in runs]


def _streams(evidence: Evidence) -> Iterable[tuple[Account, StreamEvidence]]:
    for account, entry in evidence.accounts.entries.items():
        lines = evidence.lines[account]
        yield (
            account,
            StreamEvidence(
                stream=evidence.topic,
                producer=account[0],
                received=inclusive(entry.received),
                voided=size(entry.voided),
                records=len(lines),
                points=points_of(lines)[0],
                partition=entry.partition,
                first_offset=entry.first_offset,
                last_offset=entry.last_offset,
                open=entry.last_seq is None,
            ),
        )


def _answer(
    run: UUID, streams: list[StreamEvidence], findings: list[Finding], behind: Mapping[str, int]
) -> RunVerification:
    is_open = bool(behind) or not streams or any(stream.open for stream in streams)
    voided = sum(stream.voided for stream in streams)
    said = "differs" if findings else verdict((), is_open=is_open, voided=voided)
    return RunVerification(
        run_id=run,
        verdict=said,
        verified=not findings and not is_open,
        calls=sum(last - first + 1 for stream in streams for first, last in stream.received),
        records=sum(stream.records for stream in streams),
        points=sum(stream.points for stream in streams),
        found=len(findings),
        findings=findings[:MOST_FINDINGS],
        behind=dict(behind),
        streams=streams,
    )
