"""The past, laid out on a desk: of every table a question touches, the rows as of a vector.

Runs without an event since the vector are taken from the live tables; for the others rows are made of the
versions that history keeps, and of the points in ClickHouse, by the makers of the live rows. Only what
a question needs is laid out: the fields that it compares and sorts by of all runs, and everything about the
few runs that it shows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from uuid import UUID

from ..desks import Contents, Depth, Desk, Subject
from ..stores import Stores
from ..vectors import Vector
from .needs import EVERY, Needs
from .past_metrics import PastMetrics
from .past_rows import Wanted
from .past_runs import PastRuns
from .sql import Tables, on_desk


@asynccontextmanager
async def past(stores: Stores, live: Tables, vector: Vector, workspace: str) -> AsyncIterator[Past]:
    """The past of a workspace as of a vector that is projected, on a desk of its own, in one snapshot."""
    subject = Subject(live.metadata, live.metrics, workspace, vector.token())
    async with stores.desks.taken(subject) as desk:
        yield Past(stores, desk, live, vector, workspace)


class Past:
    """A World (see reading.py) of a vector. `connection` and `tables` are to be asked."""

    def __init__(self, stores: Stores, desk: Desk, live: Tables, vector: Vector, workspace: str) -> None:
        self.connection = desk.connection
        self.tables = on_desk(live)
        self._contents: Contents = desk.contents
        self._runs = PastRuns(desk.connection, live, vector.below("runs"), workspace)
        self._metrics = PastMetrics(desk.connection, live, vector, workspace, stores)

    async def runs(self, ids: Collection[UUID]) -> None:
        """All that describes these runs, and the experiments."""
        missing = [run for run in ids if run not in self._contents.described]
        await self._experiments()
        if missing:
            await self._runs.describe(missing)
            await self._metrics.describe(missing)
            self._contents.described.update(missing)

    async def fields(self, needs: Needs) -> None:
        """What a question compares and sorts by, of all runs; and the experiments."""
        contents = self._contents
        await self._experiments()
        rows = needs.runs > contents.runs
        wanted = Wanted(
            rows=needs.runs if rows else Depth.NOTHING,
            params=_missing(needs.params, contents.params),
            tags=_missing(needs.tags, contents.tags),
        )
        keys = _missing(needs.metrics, contents.metrics)
        lasts = set() if EVERY in contents.metrics else needs.lasts - contents.metrics - contents.lasts
        contents.lasts |= lasts
        async with self._metrics.all_summaries(keys, lasts):
            if any(wanted):
                await self._runs.all_runs(wanted)
        if rows:
            contents.runs = needs.runs
        if rows or keys or lasts:
            contents.described.clear()
        if metrics := _missing(needs.results, contents.results):
            await self._metrics.all_results(metrics)
            contents.described.clear()

    async def series(self, ids: Collection[UUID], keys: Collection[str]) -> None:
        """What the curves of these metrics need, of these runs."""
        contents = self._contents
        if contents.described.issuperset(ids):
            return
        if contents.metrics or contents.lasts or contents.results:
            await self.runs(ids)  # in whole: a question about all runs compares their other metrics
            return
        contents.described.difference_update(ids)
        if contents.runs < Depth.OWN:
            await self._runs.begin(ids)
        await self._metrics.series(ids, keys)

    async def _experiments(self) -> None:
        if not self._contents.experiments:
            await self._runs.experiments()
            self._contents.experiments = True


def _missing(wanted: set[str], there: set[str]) -> set[str]:
    """What is not there yet, noted as being there from now on."""
    missing = set() if EVERY in there else {EVERY} if EVERY in wanted else wanted - there
    there |= missing
    return missing
