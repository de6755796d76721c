"""What ClickHouse holds of some runs, as counts and digests of points."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from speech_experiment_projections.curves import MAX_OFFSET, CurveRun
from speech_experiment_projections.point_digests import POINT_SQL
from speech_experiment_projections.recompute import Found, before, statement, summaries
from speech_experiment_schemas.ids import producer_hash, run_hash

from .positions import Place
from .services import Services

TOPIC = "metrics"
_RUNS_AT_ONCE = 1_000


class Sum(NamedTuple):
    """So many points, and the sum of their digests modulo 2**64."""

    points: int
    digest: int


class StoredPoints:
    """The points below the projection's position."""

    def __init__(self, services: Services, version: int, next_offsets: Mapping[Place, int]) -> None:
        self._services = services
        self._table = f"metric_points_v{version}"
        self._as_of = {
            partition: following for (topic, partition), following in next_offsets.items() if topic == TOPIC
        }
        self._below = before(self._as_of)

    async def sums(self, runs: Sequence[UUID]) -> dict[tuple[int, int], Sum]:
        """(hash of the run, hash of the producer) → its points."""
        found: dict[tuple[int, int], Sum] = {}
        for start in range(0, len(runs), _RUNS_AT_ONCE):
            rows = await self._query(
                f"""with {POINT_SQL} select run, producer, count(), sum(point) from {self._table}
                    where run in {{runs:Array(UInt64)}} and {self._below} group by run, producer""",  # noqa: S608
                {"runs": [run_hash(run) for run in runs[start : start + _RUNS_AT_ONCE]]},
            )
            found |= {(run, producer): Sum(count, digest) for run, producer, count, digest in rows}
        return found

    async def by_record(self, run: UUID, producer: int) -> dict[int, Sum]:
        """offset → points that its record gave."""
        rows = await self._query(
            f"""with {POINT_SQL} select {MAX_OFFSET} - inverted_offset, count(), sum(point) from {self._table}
                where run = {{run:UInt64}} and producer = {{producer:UInt64}} and {self._below}
                group by inverted_offset""",  # noqa: S608
            {"run": run_hash(run), "producer": producer},
        )
        return {int(offset): Sum(count, digest) for offset, count, digest in rows}

    async def of_record(self, run: UUID, producer: UUID, offset: int) -> list[tuple[int, int, int, int]]:
        """(seq, hash of the key, digest, bits of the value) of every point that a record gave."""
        rows = await self._query(
            f"""with {POINT_SQL} select seq, key, point, reinterpretAsUInt64(value) from {self._table}
                where run = {{run:UInt64}} and producer = {{producer:UInt64}} and inverted_offset = {{at:UInt64}}""",  # noqa: S608
            {"run": run_hash(run), "producer": producer_hash(producer), "at": MAX_OFFSET - offset},
        )
        return [(int(seq), int(key), int(point), int(bits)) for seq, key, point, bits in rows]

    async def summaries(self, runs: Sequence[CurveRun]) -> list[Found]:
        """Summaries of the runs' series, made anew."""
        found: list[Found] = []
        for start in range(0, len(runs), _RUNS_AT_ONCE // 4):
            some = runs[start : start + _RUNS_AT_ONCE // 4]
            found += summaries(await self._query(statement(self._table, some, as_of=self._as_of), {}))
        return found

    async def _query(self, sql: str, parameters: dict[str, Any]) -> Sequence[Sequence[Any]]:
        client = self._services.stores.clickhouse
        result = await asyncio.to_thread(client.query, sql, parameters=parameters)
        return result.result_rows
