"""What the worker asks of a sink: it owns the position, and writes rows and position as one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol


class Incoming(NamedTuple):
    """One record as it came from Kafka; timestamp is the broker's append time in milliseconds."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes
    headers: Sequence[tuple[str, bytes]]


class Sink(Protocol):
    """The only writer of a projection version. One instance per worker process."""

    topic: str

    async def open(self, cluster_id: str) -> None:
        """Connects, and checks that positions belong to this log; raises WrongLog when they do not."""

    async def next_offsets(self, partitions: Collection[int]) -> dict[int, int]:
        """Where to read on, per partition; completes a predecessor's pending write first."""

    async def write(self, batch: Sequence[Incoming]) -> None:
        """Applies the batch, ordered per partition: rows, ledger and position together, or nothing.

        Records below the position are skipped; a gap raises PositionGap. A transient error of a
        store is retried inside; anything else propagates and ends the process.
        """

    async def close(self) -> None: ...


class WrongLog(RuntimeError):  # noqa: N818
    """The database's positions belong to another Kafka log than the one connected."""


class PositionGap(RuntimeError):  # noqa: N818
    """An offset arrived beyond the next expected one: records were lost below us."""
