"""Desks: sessions of Postgres with tables of their own, on which the past is laid out.

A desk has temporary tables with the names of the live ones; statements compiled for the live tables run on it
unchanged. What lies on a desk stays true, as it is the state at one vector: it is kept for the next
question about the same vector, until the desk is wanted for another or nobody came for a while.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any
from uuid import UUID

MOST = 4
"""Desks of one process, so questions about the past at a time; others wait."""
IDLE_SECONDS = 120.0
FEW, WORN = 100, 200
"""So many runs are cleared away by deleting them; after so many clearings a desk is renewed."""

METADATA = ("runs", "run_params", "run_tags", "run_links", "experiments", "experiment_links")
METRICS = ("summaries", "test_set_results", "attempts", "ledger")
_KEYS = {
    "runs": "id",
    "run_params": "run_id, key",
    "run_tags": "run_id, key",
    "run_links": "run_id, kind, target",
    "experiments": "id",
    "experiment_links": "experiment_id, kind, target",
    "summaries": "run_id, key, rank",
    "test_set_results": "run_id, key",
    "attempts": "run_id, attempt",
    "ledger": "run_id",
}


class Depth(IntEnum):
    """How much of the rows of all runs is laid out, or wanted: each depth has what those before it have.

    SKETCHED  ids, experiments, and when they were created
    OWN       what events say of a run itself, but for what is shown alone
    DERIVED   the columns that are made of config and environment
    """

    NOTHING = 0
    SKETCHED = 1
    OWN = 2
    DERIVED = 3


@dataclass(frozen=True, slots=True)
class Subject:
    """What lies on a desk: a workspace, as of a vector (its token), made of the tables in these schemas."""

    metadata: str
    metrics: str
    workspace: str
    vector: str


@dataclass(slots=True)
class Contents:
    """How far a subject is laid out.

    described    runs with everything about them
    runs         how much of the rows of all runs of the workspace is there
    experiments  whether the workspace's are there
    params …     the keys, or metrics of results, that are there of all runs; lasts: of summaries the last value alone
    """

    described: set[UUID] = field(default_factory=set)
    runs: Depth = Depth.NOTHING
    experiments: bool = False
    params: set[str] = field(default_factory=set)
    tags: set[str] = field(default_factory=set)
    metrics: set[str] = field(default_factory=set)
    lasts: set[str] = field(default_factory=set)
    results: set[str] = field(default_factory=set)

    def copy(self) -> Contents:
        return Contents(
            set(self.described),
            self.runs,
            self.experiments,
            set(self.params),
            set(self.tags),
            set(self.metrics),
            set(self.lasts),
            set(self.results),
        )


@dataclass(slots=True)
class Desk:
    """A session with its tables.

    wanted    the subject that it was taken for last
    subject   the one that lies on it; None: nothing that could be relied on
    """

    wanted: Subject
    connection: Any = None
    subject: Subject | None = None
    contents: Contents = field(default_factory=Contents)
    schemas: tuple[str, str] | None = None
    worn: int = 0
    busy: bool = False
    used: float = 0.0

    async def lay_out(self, subject: Subject) -> None:
        """Makes the desk ready for a subject: cleared, unless it lies there already."""
        if self.subject == subject:
            return
        large = self.contents.runs > Depth.NOTHING or len(self.contents.described) > FEW
        self.subject, self.contents = None, Contents()
        schemas = (subject.metadata, subject.metrics)
        if self.schemas != schemas:
            await self.connection.execute(_tables(subject))
            self.schemas = schemas
            self.worn = 0
        else:
            await self._clear(large)
        self.subject = subject

    async def _clear(self, large: bool) -> None:
        """Deletes few rows, which is quicker; truncates tables with many, or worn by many deletions."""
        names = [f"pg_temp.{name}" for name in (*METADATA, *METRICS)]
        self.worn += 1
        if large or self.worn >= WORN:
            self.worn = 0
            await self.connection.execute(f"truncate {', '.join(names)}")
        else:
            await self.connection.execute("; ".join(f"delete from {name}" for name in names))  # noqa: S608


def _tables(subject: Subject) -> str:
    """Statements for empty tables with the columns of the live ones, none of them required.

    They are analysed while someone waits: a sample of some thousand rows has to do.
    """
    made = ["discard temp", "set default_statistics_target = 10"]
    for schema, names in ((subject.metadata, METADATA), (subject.metrics, METRICS)):
        for name in names:
            made.append(f"create temp table {name} as table {schema}.{name} with no data")
            made.append(f"create index on pg_temp.{name} ({_KEYS[name]})")
    return "; ".join(made)


class Desks:
    """The desks of this process; `connect` opens a session, of which there are MOST at a time."""

    def __init__(self, connect: Callable[[], Awaitable[Any]]) -> None:
        self._connect = connect
        self._desks: list[Desk] = []
        self._changed = asyncio.Condition()
        self._clearing: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def taken(self, subject: Subject) -> AsyncIterator[Desk]:
        """A desk to oneself, with what lies there of the subject, in a snapshot; an error undoes what was laid."""
        desk = await self._take(subject)
        try:
            if desk.connection is None:
                desk.connection = await self._connect()
            await desk.lay_out(subject)
            before = desk.contents.copy()
            try:
                async with desk.connection.transaction(isolation="repeatable_read"):
                    yield desk
            except BaseException:
                desk.contents = before
                raise
        finally:
            await self._leave(desk)

    async def _take(self, subject: Subject) -> Desk:
        async with self._changed:
            while (desk := self._choose(subject)) is None:
                await self._changed.wait()
            desk.busy = True
            return desk

    def _choose(self, subject: Subject) -> Desk | None:
        """The desk with the subject, else one more, else the one that was left first; None: wait."""
        mine = [desk for desk in self._desks if desk.wanted == subject]
        if not mine and len(self._desks) < MOST:
            self._desks.append(Desk(wanted=subject))
            return self._desks[-1]
        idle = [desk for desk in mine or self._desks if not desk.busy]
        desk = min(idle, key=lambda each: each.used, default=None)
        if desk is not None:
            desk.wanted = subject
        return desk

    async def _leave(self, desk: Desk) -> None:
        lost = desk.connection is None or desk.connection.is_closed() or desk.connection.is_in_transaction()
        if lost:
            await self._remove(desk)
        desk.busy, desk.used = False, time.monotonic()
        asyncio.get_running_loop().call_later(IDLE_SECONDS, self._clear_soon)
        async with self._changed:
            self._changed.notify_all()

    async def _remove(self, desk: Desk) -> None:
        self._desks.remove(desk)
        if desk.connection is not None:
            with suppress(Exception):
                await desk.connection.close(timeout=1.0)

    def _clear_soon(self) -> None:
        task = asyncio.ensure_future(self._clear())
        self._clearing.add(task)
        task.add_done_callback(self._clearing.discard)

    async def _clear(self) -> None:
        """Closes the sessions that nobody used for IDLE_SECONDS."""
        now = time.monotonic()
        for desk in [each for each in self._desks if not each.busy and now - each.used >= IDLE_SECONDS]:
            await self._remove(desk)

    async def close(self) -> None:
        for desk in [*self._desks]:
            await self._remove(desk)
