"""Works off the tasks of the projection `scores`: reads texts, counts errors in a thread, writes scores.

A score is a pure function of what was logged, so doing a task twice changes nothing. A task is taken for a while,
and removed with the rows that it asked for, unless something new has been added to it meanwhile. Answers do not go
beyond the events whose tasks are left (the view `reached`), so the same position always gives the same scores.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from itertools import chain
from typing import Any

from speech_experiment_infra.connections import postgres_pool
from speech_experiment_infra.settings import Settings
from speech_experiment_projections.applied import defined
from speech_experiment_projections.scores import Prepared
from speech_experiment_projections.scoring.profiles import DEFAULT, Profile

from .failpoints import failpoint
from .postgres_sink import TRANSIENT, patiently
from .score_tables import Source, Task, save_failure, save_results, save_scored
from .scoring_work import Scored, score
from .sql import statement

log = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0
_LEASE_SECONDS = 120
_AT_ONCE = 200
_PORTION_ROWS = 20_000
"""Hypotheses that are read and scored in one transaction; a larger evaluation goes alone."""
_MOST_FAILURES = 3
_FREE = f"""
(t.taken_at is null or t.taken_at < now() - interval '{_LEASE_SECONDS} seconds'
 or not exists (select from pg_stat_activity a where a.pid = t.taken_by and a.backend_start <= t.taken_at))
"""
"""A task that nobody has, or whose taker's session with Postgres is over."""
_TAKE = f"""
with head as (
    select t.test_set, t.base, t.profile, t.workspace from {{schema}}.tasks t
    where {_FREE} order by t.failures, t."offset" limit 1
), chosen as (
    select t.evaluation, t.base, t.profile from {{schema}}.tasks t join head using (test_set, base, profile, workspace)
    where {_FREE} order by t."offset", t.evaluation limit {_AT_ONCE} for update of t skip locked
)
update {{schema}}.tasks t set taken_at = clock_timestamp(), taken_by = pg_backend_pid() from chosen c
where t.evaluation = c.evaluation and t.base = c.base and t.profile = c.profile
returning t.evaluation, t.base, t.profile, t.test_set, t.workspace, t.partition, t.changes, t.failures,
coalesce((select e.rows from {{schema}}.evaluations e where e.id = t.evaluation), 0)
"""  # noqa: S608 - made of the constants above
_DEFINITIONS = """
select definition::text from {schema}.profiles where workspace = $1 and name = $2 order by applied_at, partition, "offset"
"""


class Scorer:
    """Runs until it is cancelled; raises what its database fails with for long."""

    def __init__(self, settings: Settings, schema: str) -> None:
        self._settings = settings
        self._schema = schema
        self._work = asyncio.Event()
        self._prepared: dict[bytes, Prepared] = {}

    def wake(self) -> None:
        """There may be tasks."""
        self._work.set()

    async def run(self) -> None:
        async with AsyncExitStack() as stack:
            async for attempt in patiently():
                with attempt:
                    pool = await stack.enter_async_context(
                        postgres_pool(self._settings, min_size=1, max_size=1)
                    )
            while True:
                if not await self._once(pool):
                    await self._rest()

    async def _rest(self) -> None:
        self._work.clear()
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                await self._work.wait()
        except TimeoutError:
            self._prepared = dict(list(self._prepared.items())[-1:])

    async def _once(self, pool: Any) -> bool:
        """Whether there was something to do."""
        async for attempt in patiently():
            with attempt:
                rows = await pool.fetch(statement(_TAKE, self._schema))
        tasks: dict[Any, list[Task]] = {}
        for row in rows:
            tasks.setdefault(row["evaluation"], []).append(Task(*row))
        if tasks:
            first = next(iter(tasks.values()))[0]
            source = Source(self._schema, first.test_set)
            profiles = await self._profiles(pool, first)
            for portion in portions(list(tasks.values())):
                await self._do(pool, source, portion, profiles)
        return bool(tasks)

    async def _profiles(self, pool: Any, task: Task) -> dict[str, Profile]:
        """Every definition that the name has had; the default one has none of its own."""
        rows = await pool.fetch(statement(_DEFINITIONS, self._schema), task.workspace, task.profile)
        known = dict.fromkeys(row["definition"] for row in rows)
        if task.profile == DEFAULT:
            known.setdefault("{}")
        return {definition: defined(task.profile, definition.encode()) for definition in known}

    async def _do(
        self, pool: Any, source: Source, portion: Sequence[Sequence[Task]], profiles: Mapping[str, Profile]
    ) -> None:
        """portion: the tasks of each evaluation."""
        try:
            made = [
                scored
                for each in profiles.items()
                for scored in await self._score(pool, source, [tasks[0] for tasks in portion], *each)
            ]
        except TRANSIENT:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told of its evaluation
            await self._do_apart(pool, source, portion, profiles, error)
            return
        async for attempt in patiently():
            with attempt:
                async with pool.acquire() as connection, connection.transaction():
                    await save_scored(connection, self._schema, made)
                    runs = sorted({each.material.run for each in made})
                    await save_results(connection, self._schema, source.test_set, runs)
                    failpoint("scorer.before_commit")
                    await Task.remove(connection, self._schema, list(chain.from_iterable(portion)))
                failpoint("scorer.after_commit")

    async def _do_apart(
        self,
        pool: Any,
        source: Source,
        portion: Sequence[Sequence[Task]],
        profiles: Mapping[str, Profile],
        error: Exception,
    ) -> None:
        """One evaluation that cannot be scored holds up no other."""
        if len(portion) > 1:
            for tasks in portion:
                await self._do(pool, source, [tasks], profiles)
            return
        (tasks,) = portion
        log.error(
            "cannot score the evaluation %s by %s", tasks[0].evaluation, tasks[0].profile, exc_info=error
        )
        await self._give_up(pool, source, tasks, profiles, error)

    async def _score(
        self, pool: Any, source: Source, tasks: Sequence[Task], definition: str, profile: Profile
    ) -> list[Scored]:
        async for attempt in patiently():
            with attempt:
                async with pool.acquire() as connection, connection.transaction():
                    materials = await source.materials(connection, tasks, profile, definition)
        prepared = self._prepared.setdefault(profile.identity, Prepared(profile))
        return await asyncio.to_thread(lambda: [score(prepared, material) for material in materials])

    async def _give_up(
        self,
        pool: Any,
        source: Source,
        tasks: Sequence[Task],
        profiles: Mapping[str, Profile],
        error: Exception,
    ) -> None:
        """Tries again later; after some failures the scores say why they are not there."""
        async with pool.acquire() as connection, connection.transaction():
            if max(task.failures for task in tasks) + 1 < _MOST_FAILURES:
                await Task.fail(connection, self._schema, tasks)
            else:
                for profile in profiles.values():
                    await save_failure(connection, self._schema, source, tasks[0], profile, repr(error))
                await Task.remove(connection, self._schema, tasks)


def portions(tasks: Sequence[Sequence[Task]]) -> Iterator[list[Sequence[Task]]]:
    """The tasks of each evaluation, in portions of so many hypotheses that they can be held."""
    portion: list[Sequence[Task]] = []
    rows = 0
    for each in tasks:
        if portion and rows + each[0].rows > _PORTION_ROWS:
            yield portion
            portion, rows = [], 0
        portion.append(each)
        rows += each[0].rows
    if portion:
        yield portion
