"""Rows of evaluations and measurements in Postgres, held against what the log makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from uuid import UUID

from . import evaluations
from .evaluation_rows import evaluation_row
from .evaluations import Evaluation
from .evidence import Batch, Evidence
from .findings import Finding, Kind, of_rows
from .row_check import different_columns


class EvaluationTables(NamedTuple):
    """Evaluations and measurements of some runs in Postgres, by id; times in microseconds, JSON as text.

    hypotheses  of each evaluation: offset → batch
    unscored    evaluations that are whole, have neither scores nor work left for the scorer, and should
    """

    evaluations: Mapping[UUID, Mapping[str, Any]]
    hypotheses: Mapping[UUID, Mapping[int, Batch]]
    measurements: Mapping[UUID, Mapping[str, Any]]
    unscored: frozenset[UUID]


def check_evaluations(evidence: Evidence, stored: EvaluationTables) -> Iterator[Finding]:
    """Differences between the rows and the fold of the log's events."""
    for each in evidence.evaluations.values():
        found = stored.evaluations.get(each.id)
        if found is None:
            yield _wrong(each, "missing", each.offset, f"{_named(each)} has no row")
            continue
        for told in different_columns(evaluation_row(each)._asdict(), found):
            yield _wrong(each, "changed", each.offset, f"{_named(each)}: {told}")
        if found["fold"] != evaluations.dump(each):
            told = "the stored state, from which the next event goes on, is not the fold of its events"
            yield _wrong(each, "changed", each.offset, f"{_named(each)}: {told}")
        yield from _check_hypotheses(
            each, evidence.hypotheses.get(each.id, {}), stored.hypotheses.get(each.id, {})
        )
        if each.id in stored.unscored:
            yield _wrong(
                each, "missing", each.completed or each.offset, f"{_named(each)} is whole and has no scores"
            )
    for identity in sorted(stored.evaluations.keys() - evidence.evaluations.keys()):
        row = stored.evaluations[identity]
        yield _surplus(row, f"the evaluation {identity}", row["started_at"])
    yield from _check_measurements(evidence, stored.measurements)


def _check_hypotheses(
    evaluation: Evaluation, expected: Mapping[int, Batch], found: Mapping[int, Batch]
) -> Iterator[Finding]:
    for offset in sorted(expected.keys() | found.keys()):
        if expected.get(offset) == found.get(offset):
            continue
        kind: Kind = "missing" if offset not in found else "surplus" if offset not in expected else "changed"
        batch = expected.get(offset) or found[offset]
        told = {"missing": "are not in Postgres", "surplus": "are in Postgres alone"}.get(
            kind, "are other than in the log"
        )
        rows = f"hypotheses {batch.first}–{batch.first + batch.rows - 1}"
        yield _wrong(evaluation, kind, offset, f"{_named(evaluation)}: {rows} {told}")


def _check_measurements(evidence: Evidence, stored: Mapping[UUID, Mapping[str, Any]]) -> Iterator[Finding]:
    for expected in evidence.measurements.values():
        name = f"the measurement of {expected.task} on {expected.test_set}"
        found = stored.get(expected.id)
        told = ["has no row"] if found is None else different_columns(expected._asdict(), found)
        for each in told:
            yield of_rows(
                "scores",
                "missing" if found is None else "changed",
                f"{name}: {each}" if found is not None else f"{name} {each}",
                run=expected.run_id,
                partition=expected.partition,
                offsets=(expected.offset, expected.offset),
                since=expected.logged_at,
            )
    for identity in sorted(stored.keys() - evidence.measurements.keys()):
        row = stored[identity]
        yield _surplus(row, f"the measurement {identity}", row["logged_at"])


def _named(evaluation: Evaluation) -> str:
    return f"the evaluation {evaluation.id} on {evaluation.test_set or 'a test set not known yet'}"


def _wrong(evaluation: Evaluation, kind: Kind, offset: int, what: str) -> Finding:
    return of_rows(
        "scores",
        kind,
        what,
        run=evaluation.run,
        partition=evaluation.partition,
        offsets=(offset, offset),
        since=evaluation.started_at,
    )


def _surplus(row: Mapping[str, Any], what: str, since: int) -> Finding:
    return of_rows(
        "scores",
        "surplus",
        f"{what} is in Postgres, and the log has no event of it",
        run=row["run_id"],
        partition=row["partition"],
        offsets=(row["offset"], row["offset"]),
        since=since,
    )
