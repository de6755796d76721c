"""Points in ClickHouse, held against those that the records of the log carry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from struct import pack, unpack
from typing import Any, NamedTuple

import numpy as np

from speech_experiment_schemas.ids import key_hash
from speech_experiment_schemas.metrics import MetricsLogged

from .evidence import COUNTED, Evidence
from .findings import Finding, Kind, rebuild, shown
from .intervals import EMPTY, Intervals, missing, union
from .ledger import Account
from .ledger_check import FLAGS, LAST, OFFSET, SEQ, locate, records_with_points
from .metrics import admitted
from .point_digests import Part, point_digests

_MOST_KEYS = 3
_MOST_TOLD = 20

Point = tuple[int, int, int, int]
"""(seq, hash of the key, digest, bits of the value)"""


class Compared(NamedTuple):
    """suspects: offsets of records that have points, but not those of the log: to be read again."""

    findings: list[Finding]
    suspects: list[int]


def compare_records(evidence: Evidence, account: Account, stored: Mapping[int, tuple[int, int]]) -> Compared:
    """Finds the records whose points differ. stored: offset → (points, digest)."""
    lines = evidence.lines.get(account)
    expected = {} if lines is None else records_with_points(lines)
    findings: list[Finding] = []
    order = {offset: number for number, offset in enumerate(expected)}
    gone = [offset for offset in expected if offset not in stored]
    for _, stretch in groupby(enumerate(gone), lambda each: order[each[1]] - each[0]):
        lost = [expected[offset] for _, offset in stretch]
        calls = union(EMPTY, ((first, last + 1) for *_, first, last in lost))
        points = sum(each[0] for each in lost)
        told = f"{points:,} points of {len(lost):,} records are not in ClickHouse"
        findings.append(_wrong(evidence, account, "missing", calls, told))
    for offset in sorted(stored.keys() - expected.keys()):
        told = f"{stored[offset][0]:,} points that no record of the log gave, as if from offset {offset}"
        finding = _wrong(evidence, account, "surplus", EMPTY, told)
        finding.offsets, finding.since = (offset, offset), None
        findings.append(finding)
    suspects = [
        o for o, (points, mark, *_) in expected.items() if o in stored and stored[o] != (points, mark)
    ]
    return Compared(findings, suspects)


def compare_points(
    evidence: Evidence, account: Account, offset: int, payload: MetricsLogged, stored: Sequence[Point]
) -> Iterator[Finding]:
    """Finds the points of one record that differ. payload: of the record at the offset."""
    seq, accepted = _accepted(evidence, account, offset)
    parts = list(admitted(payload, seq, len(payload.steps) // 8, accepted))
    expected, names = _expected(parts)
    found = {(at, key): (digest, bits) for at, key, digest, bits in stored}
    times = Counter((at, key) for at, key, _, _ in stored)
    calls: dict[Kind, dict[int, list[str]]] = {"missing": {}, "surplus": {}, "changed": {}}
    for at, key in expected.keys() - found.keys():
        calls["missing"].setdefault(at, []).append(names[key])
    for (at, key), (digest, bits) in found.items():
        if (at, key) not in expected:
            calls["surplus"].setdefault(at, []).append(names.get(key, f"key {key}"))
        elif expected[at, key][0] != digest:
            told = _change(names[key], bits, expected[at, key][1])
            calls["changed"].setdefault(at, []).append(told)
        if times[at, key] > 1:
            told = f"{names.get(key, key)} {times[at, key]} times"
            calls["surplus"].setdefault(at, []).append(told)
    for kind, of_calls in calls.items():
        if of_calls:
            what = _told(kind, of_calls)
            finding = _wrong(evidence, account, kind, union(EMPTY, ((at, at + 1) for at in of_calls)), what)
            finding.offsets = (offset, offset)
            yield finding


def _accepted(evidence: Evidence, account: Account, offset: int) -> tuple[int, Intervals]:
    """(first call of the record at an offset, those of its calls that were new then)."""
    lines = evidence.lines[account].columns
    row = lines[lines[:, OFFSET] == offset][0]
    seq, last = int(row[SEQ]), int(row[LAST])
    counted = (lines[:, FLAGS] & COUNTED) != 0
    touching = (lines[:, SEQ] <= last) & (lines[:, LAST] >= seq)
    earlier = lines[counted & touching & (lines[:, OFFSET] < offset)]
    received = union(EMPTY, ((first, final + 1) for first, final in earlier[:, [SEQ, LAST]].tolist()))
    return seq, missing(received, seq, last + 1)


def _expected(parts: Sequence[Part]) -> tuple[dict[tuple[int, int], tuple[int, int]], dict[int, str]]:
    """({(seq, hash of the key): (digest, bits of the value)}, names of keys); of equal points the last."""
    names = {key_hash(key): key for _, part in parts for key in part.keys}
    expected: dict[tuple[int, int], tuple[int, int]] = {}
    digests, sizes = point_digests(parts)
    start = 0
    for (first, part), size in zip(parts, sizes.tolist(), strict=True):
        hashes = [key_hash(key) for key in part.keys]
        calls = np.frombuffer(part.calls, "<u4")
        seqs = np.repeat(np.arange(first, first + len(calls)), calls).tolist()
        index = np.frombuffer(part.key_index, "<u2").tolist()
        bits = np.frombuffer(part.values, "<u8").tolist()
        points = zip(seqs, index, digests[start : start + size].tolist(), bits, strict=True)
        expected |= {(at, hashes[key]): (digest, value) for at, key, digest, value in points}
        start += size
    return expected, names


def _change(name: str, found: int, expected: int) -> str:
    if found == expected:
        return f"{name} has another step, time or epoch than in the log"
    return f"{name} is {_number(found)}, the log says {_number(expected)}"


def _number(bits: int) -> Any:
    return unpack("<d", pack("<Q", bits))[0]


def _told(kind: Kind, of_calls: Mapping[int, Sequence[str]]) -> str:
    points = sum(map(len, of_calls.values()))
    some = [
        f"call {at}: {', '.join(told[:_MOST_KEYS])}{' …' if len(told) > _MOST_KEYS else ''}"
        for at, told in sorted(of_calls.items())[:_MOST_TOLD]
    ]
    words = {"missing": "are not in ClickHouse", "surplus": "are in ClickHouse alone, or twice"}
    return f"{points:,} points {words.get(kind, 'are others than in the log')}: {shown('; '.join(some), 400)[1:-1]}"


def _wrong(evidence: Evidence, account: Account, kind: Kind, calls: Intervals, what: str) -> Finding:
    finding = Finding(where="clickhouse", kind=kind, what=what, next_step=rebuild("metrics"))
    return locate(evidence, account, calls, finding)
