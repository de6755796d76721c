"""Rows of runs and artifacts in Postgres, held against what the log makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from . import runs
from .artifacts import ArtifactRow
from .evidence import Evidence
from .findings import Finding, Kind, of_artifact, of_rows, rebuild, shown
from .run_rows import derived_columns, run_row
from .runs import Run
from .texts import clean_text
from .trees import params

JSON_COLUMNS = frozenset(
    [
        "tags",
        "config",
        "environment",
        "problems",
        "concurrent",
        "storage",
        "metadata",
        "decoding",
        "timing",
        "definition",
        "numbers",
        "intervals",
        "items",
        "artifacts",
    ]
)
"""Compared as values: jsonb keeps neither the order of keys nor spaces."""

Side = frozenset[tuple[Any, ...]]


class RunTables(NamedTuple):
    """A run in Postgres; times in microseconds, JSON as text.

    row       columns by name, with `state`
    params    (key, number as text, text); tags (key, value); links (kind, target)
    versions  offset → (offset of the next version, MD5)
    output    offset → MD5 of captured lines
    beats     offsets of heartbeats
    """

    row: Mapping[str, Any] | None
    params: Side
    tags: Side
    links: Side
    versions: Mapping[int, tuple[int | None, str]]
    output: Mapping[int, str]
    beats: frozenset[int]


def check_run(evidence: Evidence, run_id: UUID, stored: RunTables) -> Iterator[Finding]:
    """Differences between a run's rows and the fold of its events."""
    run = evidence.folded.get(run_id)
    if run is None:
        if stored.row is not None:
            yield Finding(
                where="log",
                kind="missing",
                run=run_id,
                stream="runs",
                what="Postgres has the run, and the log has no event of it",
                next_step="is this the log that the projection was built from? See speech-tracker doctor",
            )
        return
    if stored.row is None:
        yield _wrong(run, "missing", run.first_offset, run.created_at, "the run has no row")
        return
    for told in different_columns(_columns(run), stored.row):
        yield _wrong(run, "changed", run.version_offset, run.updated_at, told)
    if _state(stored.row) != runs.dump(run):
        told = "the stored state, from which the next event goes on, is not the fold of the run's events"
        yield _wrong(run, "changed", run.version_offset, run.updated_at, told)
    yield from _check_sides(run, stored)
    yield from _check_versions(evidence, run, stored)
    yield from _check_signs(evidence, run, stored)


def _columns(run: Run) -> dict[str, Any]:
    return run_row(run)._asdict() | msgspec.structs.asdict(derived_columns(run))


def different_columns(expected: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for each column that is not as expected."""
    for name, value in expected.items():
        if not _equal(name, value, found[name]):
            yield f"column {name} is {_value(name, found[name])}, the log says {_value(name, value)}"


def _equal(name: str, expected: Any, found: Any) -> bool:
    if name in JSON_COLUMNS:
        return _same(msgspec.json.decode(expected), msgspec.json.decode(found))
    return bool(expected == found)


def _same(one: Any, other: Any) -> bool:
    """Numbers by value: jsonb writes 1e300 with all its digits, which are read back as an integer."""
    match one, other:
        case (dict(), dict()):
            return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
        case (list(), list()):
            return len(one) == len(other) and all(map(_same, one, other))
        case (bool(), _) | (_, bool()):
            return one is other
        case (float(), int()) | (int(), float()):
            return float(one) == float(other)
    return bool(one == other)


def _value(name: str, value: Any) -> str:
    return shown(msgspec.json.decode(value) if name in JSON_COLUMNS and value else value)


def _state(row: Mapping[str, Any]) -> bytes:
    """The state with what heartbeats and output touch in the row alone."""
    return runs.dump(
        msgspec.structs.replace(
            runs.load(row["state"]),
            heartbeat_at=row["heartbeat_at"],
            problems=dict(sorted(msgspec.json.decode(row["problems"]).items())),
            updated_at=row["updated_at"],
            last_offset=row["last_offset"],
        )
    )


def _check_sides(run: Run, stored: RunTables) -> Iterator[Finding]:
    expected: dict[str, tuple[Side, Side]] = {
        "param": (
            frozenset((key, str(param.num), param.txt) for key, param in params(run.config).items()),
            stored.params,
        ),
        "tag": (
            frozenset((clean_text(key), clean_text(value)) for key, value in run.tags.items()),
            stored.tags,
        ),
        "link": (frozenset(run.links), stored.links),
    }
    for name, (wanted, found) in expected.items():
        kinds: tuple[tuple[Kind, Side, str], ...] = (
            ("missing", wanted - found, "is not in Postgres"),
            ("surplus", found - wanted, "is in Postgres alone"),
        )
        for kind, rows, told in kinds:
            for row in sorted(rows, key=repr):
                what = f"the {name} {shown(row)} {told}"
                yield _wrong(run, kind, run.version_offset, run.updated_at, what)


def _check_versions(evidence: Evidence, run: Run, stored: RunTables) -> Iterator[Finding]:
    versions = evidence.versions[run.id]
    followers = [offset for offset, _ in versions[1:]]
    for (offset, digest), follower in zip(versions, [*followers, None], strict=True):
        if stored.versions.get(offset) != (follower, digest):
            there = offset in stored.versions
            told = "is another than the log makes" if there else "is missing"
            what = f"the version that as-of queries read from offset {offset} on {told}"
            yield _wrong(run, "changed" if there else "missing", offset, run.updated_at, what)
    for offset in sorted(stored.versions.keys() - dict(versions).keys()):
        what = f"there is a version from offset {offset} on, and no event there"
        yield _wrong(run, "surplus", offset, run.updated_at, what)


def _check_signs(evidence: Evidence, run: Run, stored: RunTables) -> Iterator[Finding]:
    """Captured output, and heartbeats."""
    output, beats = evidence.output.get(run.id, {}), evidence.beats.get(run.id, [])
    told = "the captured output of the record at offset {} is {}"
    for offset in sorted(output.keys() | stored.output.keys()):
        if offset not in stored.output:
            yield _wrong(run, "missing", offset, run.updated_at, told.format(offset, "not in Postgres"))
        elif offset not in output:
            yield _wrong(run, "surplus", offset, run.updated_at, told.format(offset, "in Postgres alone"))
        elif output[offset] != stored.output[offset]:
            yield _wrong(run, "changed", offset, run.updated_at, told.format(offset, "other than in the log"))
    gone = [beat for beat in beats if beat.offset not in stored.beats]
    if gone:
        what = f"{len(gone):,} heartbeats are not in Postgres, so that as-of queries may see contact lost"
        yield _wrong(run, "missing", gone[0].offset, gone[0].time, what)


def _wrong(run: Run, kind: Kind, offset: int, since: int, what: str) -> Finding:
    return of_rows(
        "metadata",
        kind,
        what,
        run=run.id,
        partition=run.partition,
        offsets=(offset, run.last_offset),
        since=since,
    )


def check_artifacts(evidence: Evidence, stored: Mapping[UUID, Mapping[str, Any]]) -> Iterator[Finding]:
    """Differences between the rows of artifacts and those that the log makes. stored: by id."""
    for expected in evidence.artifacts.values():
        found = stored.get(expected.id)
        if found is None:
            yield _artifact(expected, "missing", f"{expected.path} version {expected.version} has no row")
            continue
        for told in different_columns(expected._asdict(), found):
            yield _artifact(expected, "changed", f"{expected.path} version {expected.version}: {told}")
    for identity in sorted(stored.keys() - evidence.artifacts.keys()):
        row = stored[identity]
        yield of_rows(
            "artifacts",
            "surplus",
            f"{row['path']} version {row['version']} is in Postgres, and the log has no such artifact",
            run=row["run_id"],
            partition=row["partition"],
            offsets=(row["offset"], row["offset"]),
            since=row["created_at"],
            producer=row["producer"],
        )


def _artifact(row: ArtifactRow, kind: Kind, what: str) -> Finding:
    return of_artifact(row, "postgres", kind, what, rebuild("artifacts"))
