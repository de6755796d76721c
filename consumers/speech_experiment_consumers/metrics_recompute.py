"""Summaries of one run from the points in ClickHouse, where a resume changed what counts."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from speech_experiment_projections.curves import CurveRun, Speaker
from speech_experiment_projections.effective import Resume
from speech_experiment_projections.recompute import statement, summaries
from speech_experiment_projections.summaries import Summary
from speech_experiment_schemas.ids import run_hash

from .clickhouse_points import PointTable


def recompute(
    table: PointTable, run: UUID, speakers: Iterable[Speaker], resumes: Iterable[Resume]
) -> list[tuple[int, Summary]]:
    """(hash of the key, summary with an empty key) for every series of the run. Blocks."""
    known = CurveRun(hash=run_hash(run), speakers=tuple(speakers), resumes=tuple(resumes))
    rows = table.query(statement(table.name, [known]))
    return [
        (found.key, found.summary._replace(series=found.summary.series._replace(run=run)))
        for found in summaries(rows)
    ]
