"""What the worker asks of a sink: it owns the position, and writes rows and position as one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

from .status import Status


class Incoming(NamedTuple):
    """One record as it came from Kafka; timestamp is the broker's append time in milliseconds."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes
    headers: Sequence[tuple[str, bytes]]


class Limits(NamedTuple):
    """How large one batch may grow, how many bytes may wait behind it, and how many one fetch brings.

    gather  least seconds between two fetches that bring something; a lone record is fetched at once
    """

    records: int = 5_000
    bytes: int = 8 << 20
    waiting: int = 1 << 20
    fetch: int = 1 << 20
    gather: float = 0.0


class Sink(Protocol):
    """The only writer of a projection version. One instance per worker process.

    limits  of a worker's batches; bulk: of a rebuild's, which waits for nobody
    points  metric points written by this instance
    """

    name: str
    version: int
    topic: str
    limits: Limits
    bulk: Limits
    points: int

    async def open(self, cluster_id: str) -> None:
        """Connects, and checks that positions belong to this log; raises WrongLog when they do not."""

    async def next_offsets(self, partitions: Collection[int]) -> dict[int, int]:
        """Where to read on, per partition; completes a predecessor's pending write first.

        Called at every assignment of partitions, never while a write is under way.
        """

    async def write(self, batch: Sequence[Incoming]) -> None:
        """Applies the batch, ordered per partition: rows, ledger and position together, or nothing.

        Records below the position are skipped; a gap raises PositionGap. A transient error of a
        store is retried inside; anything else propagates and ends the process.
        """

    async def write_ahead(self, batch: Sequence[Incoming]) -> None:
        """As `write`, but may return while the batch is under way; `next_offsets` waits until it is written.

        What it fails with is raised by the next call.
        """

    async def watch(self) -> None:
        """Never returns; raises what goes wrong between calls, in a sink that writes on after `write` returned."""

    async def report(self, status: Status) -> None:
        """Publishes the worker's figures for `speech-tracker status` and /metrics (coord.workers)."""

    async def close(self) -> None: ...


class WrongLog(RuntimeError):  # noqa: N818
    """The database's positions belong to another Kafka log than the one connected."""


class PositionGap(RuntimeError):  # noqa: N818
    """An offset arrived beyond the next expected one: records were lost below us."""


class PoisonLimit(RuntimeError):  # noqa: N818
    """So many records failed in this release's code that parking on would hide a bad deployment."""
