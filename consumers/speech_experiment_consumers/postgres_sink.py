"""The sink of every projection whose rows live in Postgres alone: one transaction for everything."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Protocol

import asyncpg
import stamina

from speech_experiment_infra.connections import postgres_pool
from speech_experiment_infra.settings import Settings
from speech_experiment_projections.recorded import Recorded

from .bookkeeping import Books, Place
from .dead_letters import PoisonGuard, recall_guard
from .failpoints import failpoint
from .intake import Accepted, Letter, Passed, take_in
from .lanes import Lane, wait_for_others
from .positions import check_log, read_positions
from .sink import Incoming, Limits
from .status import Status
from .worker_rows import save_status

log = logging.getLogger(__name__)

RETRY_SECONDS = 60.0

TRANSIENT = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what asyncpg makes of a session that ended between two of its messages
    OSError,
    TimeoutError,
)
"""Errors after which the same batch may well go through: retried, then the process ends."""

BY_DATA = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    RecursionError,
)
"""Errors that some record of the batch brings about each time: it is found by halves, and parked."""


def patiently(*others: type[Exception]) -> Any:
    """Attempts over a minute, soon after each other: a restarted store answers within seconds, and people wait.

    others: errors beside Postgres' own after which to try again.
    """
    return stamina.retry_context(
        on=(*TRANSIENT, *others),
        attempts=None,
        timeout=RETRY_SECONDS,
        wait_initial=0.05,
        wait_jitter=0.1,
        wait_max=0.5,
    )


@asynccontextmanager
async def postgres(settings: Settings) -> AsyncIterator[Any]:
    """One connection's pool, once Postgres answers; raises what keeps it away for longer than RETRY_SECONDS."""
    async with AsyncExitStack() as stack:
        async for attempt in patiently():
            with attempt:
                pool = await stack.enter_async_context(postgres_pool(settings, min_size=1, max_size=1))
        yield pool


Taken = Accepted | Letter | Passed


class Rows(Protocol):
    """The rows of one batch of one projection: read, changed by events, written."""

    async def load(self, connection: Any, events: Sequence[Recorded]) -> None:
        """Reads, in few statements, the states that the events touch."""

    def apply(self, recorded: Recorded) -> None:
        """Folds one event in; on an error nothing has changed."""

    async def save(self, connection: Any) -> None:
        """Writes what changed."""


class PostgresSink:
    """A Sink that writes `rows`."""

    bulk = Limits(records=8_000, bytes=24 << 20, waiting=24 << 20)
    points = 0

    def __init__(
        self,
        settings: Settings,
        *,
        name: str,
        version: int,
        topic: str,
        rows: Callable[[str], Rows],
        limits: Limits | None = None,
        laned: bool = False,
    ) -> None:
        """rows: makes the empty rows of a batch, given the Postgres schema.

        laned: whether several may write the runs of one partition side by side, see lanes.py.
        """
        self.name = name
        self.version = version
        self.topic = topic
        self.limits = limits or Limits()
        self.laned = laned
        self._settings = settings
        self._rows = rows
        self._place = Place(name, version, topic, settings.partitions, "")
        self._guard = PoisonGuard()
        self._open = AsyncExitStack()
        self._pool: Any = None
        self._flight: asyncio.Task[None] | None = None

    def keep_to(self, lane: Lane) -> None:
        """Before it is opened: writes the records of this lane alone."""
        self._place = self._place._replace(lane=lane)

    async def open(self, cluster_id: str) -> None:
        """Raises WrongLog when the positions were taken in another log."""
        self._place = self._place._replace(cluster_id=cluster_id)
        async for attempt in patiently():
            with attempt:
                pool = postgres_pool(self._settings, min_size=1, max_size=2)
                self._pool = await self._open.enter_async_context(pool)
        await self.next_offsets(range(self._settings.partitions))

    async def next_offsets(self, partitions: Collection[int]) -> dict[int, int]:
        await self._settle()
        async for attempt in patiently():
            with attempt:
                async with self._pool.acquire() as connection:
                    positions = await read_positions(
                        connection, self._place.schema, self._place.seat, partitions
                    )
                    self._guard = await recall_guard(connection, self._place.schema, self.topic, partitions)
        await check_log(self._settings, self.topic, positions.values(), self._place.cluster_id)
        return {partition: position.next_offset for partition, position in positions.items()}

    async def write(self, batch: Sequence[Incoming]) -> None:
        await self._write(self._take_in(batch))

    async def write_ahead(self, batch: Sequence[Incoming]) -> None:
        taken = await asyncio.to_thread(self._take_in, batch)
        await self._settle()
        self._flight = asyncio.create_task(self._write(taken))

    async def _settle(self) -> None:
        """Waits for the batch under way; raises what it failed with."""
        flight, self._flight = self._flight, None
        if flight is not None:
            await flight

    def _take_in(self, batch: Sequence[Incoming]) -> list[Taken]:
        """Before the transaction: what holds locks computes as little as it can."""
        lane, partitions = self._place.lane, self._place.partitions
        if lane is None:
            return [take_in(incoming, partitions) for incoming in batch]
        return [
            take_in(incoming, partitions) if lane.has(incoming.value) else Passed(incoming)
            for incoming in batch
        ]

    async def _write(self, taken: list[Taken]) -> None:
        if self._place.lane is not None:
            await self._follow_others(taken)
        try:
            await self._transact(taken)
        except BY_DATA as error:
            await self._divide(taken, error)

    async def _follow_others(self, taken: list[Taken]) -> None:
        """Waits with events about no run for those before them in other lanes."""
        ends = {
            each.recorded.partition: each.recorded.offset
            for each in taken
            if isinstance(each, Accepted) and each.recorded.envelope.run_id is None
        }
        if ends and self._place.lane is not None:
            await wait_for_others(self._pool, self._place.schema, self.topic, self._place.lane, ends)

    async def _divide(self, taken: list[Taken], error: Exception) -> None:
        """Writes the batch in halves, down to the record that the tables refuse: that one is parked."""
        if len(taken) == 1:
            await self._transact(taken, refused=error)
            return
        middle = len(taken) // 2
        await self._write(taken[:middle])
        await self._write(taken[middle:])

    async def _transact(self, taken: list[Taken], refused: Exception | None = None) -> None:
        async for attempt in patiently():
            with attempt:
                async with self._pool.acquire() as connection, connection.transaction():
                    guard = await self._apply(connection, taken, refused)
                    failpoint("postgres.before_commit")
                failpoint("postgres.after_commit")
                self._guard = guard

    async def _apply(self, connection: Any, taken: list[Taken], refused: Exception | None) -> PoisonGuard:
        books = await Books.open(connection, self._place, taken, self._guard.copy())
        if not books.records:
            return books.guard
        failpoint("postgres.locked")
        if refused is None:
            rows = self._rows(self._place.schema)
            await rows.load(connection, [each.recorded for each in books.accepted])
            books.project(rows.apply)
            await rows.save(connection)
        else:
            for each in books.accepted:
                books.give_up(each, refused)
        await books.close(connection)
        return books.guard

    async def watch(self) -> None:
        await asyncio.Event().wait()  # nothing is written between calls

    async def report(self, status: Status) -> None:
        async with self._pool.acquire() as connection:
            await save_status(connection, status)

    async def close(self) -> None:
        await self._settle()
        await self._open.aclose()
