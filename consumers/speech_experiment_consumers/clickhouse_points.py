"""The table of metric points: one insert a vector, exactly once, and what stands at which position."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

import stamina
from numpy.typing import NDArray

from speech_experiment_projections.curves import MAX_OFFSET
from speech_experiment_projections.metrics import COLUMNS

from .clickhouse_native import encode_block

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

RETRY_SECONDS = 45.0
"""How long an outage of the store is waited for before the process ends."""

_CODE = re.compile(r"code:? (\d+)", re.I)
_OVERLOADED = frozenset({159, 202, 209, 210, 241, 242, 252})
"""Codes: timeouts, too many queries, network, memory, read-only for the moment, too many parts."""
_INSERT_SETTINGS = {
    # Tokens need a synchronous insert, of one block, and rows that are sorted need no second look.
    "async_insert": 0,
    "insert_deduplicate": 1,
    "optimize_on_insert": 0,
    "max_insert_block_size": 1 << 24,
}


class Span(NamedTuple):
    """Offsets first … last of a partition, in its generation."""

    first: int
    last: int
    generation: int = 0


Vector = Mapping[int, Span]
"""partition → span: exactly the records of one insert."""


def token(version: int, vector: Vector) -> str:
    """Names an insert: the same token is the same rows.

    A longer range is another one, and so is the same range in another generation: after a
    deletion the old token would drop the rows that are put back.
    """
    spans = ";".join(
        f"{partition}:{span.first}-{span.last}@{span.generation}"
        for partition, span in sorted(vector.items())
    )
    return sha256(f"metrics v{version} {spans}".encode()).hexdigest()


class PointTable:
    """Blocking; call it from a worker thread. One writer a partition."""

    def __init__(self, client: Client, version: int) -> None:
        self._client = client
        self.name = f"metric_points_v{version}"

    def insert(self, columns: Mapping[str, NDArray[Any]], token: str) -> None:
        """Inserts rows as one block; a repetition with the same token does nothing.

        An outage is waited out for RETRY_SECONDS; then, and for every refusal, raises
        clickhouse_connect's errors.
        """
        parts = encode_block(columns, COLUMNS)
        length = str(sum(len(part) for part in parts))
        for attempt in stamina.retry_context(
            on=_is_outage, timeout=RETRY_SECONDS, attempts=None, wait_max=2.0
        ):
            with attempt:
                self._client.raw_insert(
                    self.name,
                    list(columns),
                    iter(parts),  # type: ignore[arg-type]
                    settings=_INSERT_SETTINGS | {"insert_deduplication_token": token},
                    fmt="Native",
                    transport_settings={"Content-Length": length},
                )

    def holds(self, vector: Vector) -> bool:
        """Whether any row of these records is there; an insert is atomic, so then all are."""
        return self._count(" or ".join(_within(partition, span) for partition, span in vector.items())) > 0

    def last_offset(self, partition: int, before: int) -> int | None:
        """The greatest offset below `before` that gave a row; None when there is none."""
        where = _within(partition, Span(0, before - 1))
        rows = self.query(f"select count(), min(inverted_offset) from {self.name} where {where}")  # noqa: S608
        count, inverted = rows[0]
        return MAX_OFFSET - int(inverted) if count else None

    def seqs(self, run: int, producers: list[int], first: int, last: int) -> set[tuple[int, int]]:
        """(producer, seq) of the calls first … last of a run's producers that have a row."""
        sql = f"""select distinct producer, seq from {self.name}
            where run = {{run:UInt64}} and producer in {{producers:Array(UInt64)}}
                and seq between {{first:UInt64}} and {{last:UInt64}}"""  # noqa: S608
        parameters = {"run": run, "producers": producers, "first": first, "last": last}
        return {(int(producer), int(seq)) for producer, seq in self.query(sql, parameters)}

    def surplus(self, partition: int, next_offset: int) -> int:
        """Rows at and beyond an offset."""
        return self._count(_within(partition, Span(next_offset, MAX_OFFSET)))

    def delete_from(self, partition: int, next_offset: int) -> None:
        """Deletes the rows at and beyond an offset; tokens of the partition must change afterwards."""
        where = _within(partition, Span(next_offset, MAX_OFFSET))
        self._command(f"alter table {self.name} delete where {where} settings mutations_sync = 2")

    def query(self, sql: str, parameters: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Rows of a read."""
        for attempt in stamina.retry_context(
            on=_is_outage, timeout=RETRY_SECONDS, attempts=None, wait_max=2.0
        ):
            with attempt:
                rows = self._client.query(sql, parameters=parameters).result_rows
        return [tuple(row) for row in rows]

    def _count(self, where: str) -> int:
        return int(self.query(f"select count() from {self.name} where {where}")[0][0])  # noqa: S608

    def _command(self, sql: str) -> None:
        for attempt in stamina.retry_context(
            on=_is_outage, timeout=RETRY_SECONDS, attempts=None, wait_max=2.0
        ):
            with attempt:
                self._client.command(sql)


def _within(partition: int, span: Span) -> str:
    """A condition on positions; the table holds offsets inverted."""
    low, high = MAX_OFFSET - span.last, MAX_OFFSET - span.first
    return f"(partition = {partition} and inverted_offset between {low} and {high})"


def _is_outage(error: Exception) -> bool:
    """The store was not reached, broke off, or is overloaded: not that it refused."""
    from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

    if isinstance(error, DatabaseError) and not isinstance(error, OperationalError):
        code = _CODE.search(str(error))
        return code is not None and int(code[1]) in _OVERLOADED
    return isinstance(error, OperationalError | OSError)
