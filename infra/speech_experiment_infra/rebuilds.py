"""The jobs that fill building versions: asked for by the API, claimed by one process at a time.

Rows of coord.rebuilds. A job that dies leaves its row with an old sign of life, and whoever claims it
goes on where it was: what it has done stands in the version itself.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from .versions import Refused, Version, new_version, read_versions, set_state

if TYPE_CHECKING:
    from asyncpg import Pool

Phase = Literal[
    "waiting",
    "reading",
    "indexing",
    "following",
    "comparing",
    "flipping",
    "done",
    "differs",
    "failed",
    "aborted",
]
"""waiting for a process; reading the log in bulk; making indices; being followed until level; comparing with the
live version; flipping. Then: done, or it differs from the live version and was not flipped, failed, aborted."""

OVER: tuple[Phase, ...] = ("done", "differs", "failed", "aborted")

LEASE_SECONDS = 10.0
"""A holder that gave no sign of life for so long is taken for dead."""
MOST_FAILURES = 8
"""In a row, without progress in between."""

_OPEN = "phase not in ('done', 'differs', 'failed', 'aborted')"
_FREE = f"(holder is null or beat_at < now() - interval '{LEASE_SECONDS:g} seconds')"
_FIELDS = (
    "name, version, flip, phase, holder, beat_at, failures, requested_by, requested_at, finished_at, "
    "progress::text as progress, findings::text as findings, error"
)
_REQUEST = f"""
insert into coord.rebuilds as r (name, version, flip, requested_by) values ($1, $2, $3, $4)
on conflict (name, version) do update set flip = excluded.flip, failures = 0, error = null, finished_at = null,
    phase = case when r.{_OPEN} then r.phase else 'waiting' end
"""  # noqa: S608 - made of the constants above
_CLAIM = f"""
update coord.rebuilds set holder = $2, beat_at = now(), failures = failures + 1
where (name, version) = (select name, version from coord.rebuilds where name = $1 and {_OPEN} and {_FREE}
                         order by version limit 1 for update skip locked)
returning {_FIELDS}
"""  # noqa: S608 - made of the constants above
_BEAT = f"""
update coord.rebuilds set beat_at = now(), phase = $4, progress = $5::jsonb,
    failures = case when (progress->>'records')::bigint < ($5::jsonb->>'records')::bigint then 0 else failures end
where name = $1 and version = $2 and holder = $3 and {_OPEN}
returning true
"""  # noqa: S608
_LEAVE = """
update coord.rebuilds set holder = null, phase = coalesce($4, phase), error = $5, findings = coalesce($6::jsonb, findings),
    finished_at = case when $4::text is null then null else now() end
where name = $1 and version = $2 and holder = $3
"""


class Rebuild(NamedTuple):
    """One job.

    flip      whether to go live as soon as it is found equal
    failures  attempts since the last progress
    progress  records, total, points, rates, percent, eta_seconds … as the job last said
    findings  of the comparison, once there was one
    error     of the last attempt
    """

    name: str
    version: int
    flip: bool
    phase: Phase
    holder: str | None
    beat_at: datetime | None
    failures: int
    requested_by: str
    requested_at: datetime
    finished_at: datetime | None
    progress: dict[str, Any]
    findings: dict[str, Any] | None
    error: str | None

    @property
    def over(self) -> bool:
        return self.phase in OVER


async def read_rebuilds(connection: Any, name: str | None = None) -> list[Rebuild]:
    """Newest first."""
    query = (
        f"select {_FIELDS} from coord.rebuilds where $1::text is null or name = $1 order by requested_at desc"  # noqa: S608
    )
    return [_rebuild(row) for row in await connection.fetch(query, name)]


def _rebuild(row: Any) -> Rebuild:
    fields = {field: row[field] for field in Rebuild._fields}
    fields["progress"] = msgspec.json.decode(row["progress"])
    fields["findings"] = None if row["findings"] is None else msgspec.json.decode(row["findings"])
    return Rebuild(**fields)


async def request(pool: Pool, name: str, *, flip: bool, by: str) -> Rebuild:
    """The job that builds the next version of a projection: the one under way, one that failed, or a new one.

    Raises:
        Refused: there are too many versions already.
    """
    async with pool.acquire() as connection, connection.transaction():
        jobs = await read_rebuilds(connection, name)
        building = [each for each in await read_versions(connection, name) if each.state == "building"]
        version = _unfinished(jobs, building) or await new_version(connection, name)
        await connection.execute(_REQUEST, name, version, flip, by)
        return next(each for each in await read_rebuilds(connection, name) if each.version == version)


def _unfinished(jobs: list[Rebuild], building: list[Version]) -> int | None:
    open_jobs = [job.version for job in jobs if not job.over]
    return next(iter([*open_jobs, *(each.version for each in building)]), None)


async def abort(pool: Pool, name: str) -> Rebuild:
    """Ends the job under way and retires what it had built; raises Refused when there is none."""
    async with pool.acquire() as connection, connection.transaction():
        jobs = [each for each in await read_rebuilds(connection, name) if not each.over]
        if not jobs:
            raise Refused(f"no rebuild of {name} is under way")
        await set_state(connection, name, jobs[0].version, "retired")
        await connection.execute(
            "update coord.rebuilds set phase = 'aborted', holder = null, finished_at = now() "
            "where name = $1 and version = $2",
            name,
            jobs[0].version,
        )
        return next(each for each in await read_rebuilds(connection, name) if each.version == jobs[0].version)


async def is_claimable(connection: Any, name: str) -> bool:
    """Whether a job waits for a process."""
    query = f"select exists (select from coord.rebuilds where name = $1 and {_OPEN} and {_FREE})"  # noqa: S608
    return bool(await connection.fetchval(query, name))


async def claim(pool: Pool, name: str, holder: str) -> Rebuild | None:
    """A job of this projection for this process alone; None when there is none, or another has it.

    One that failed again and again without progress is given up.
    """
    row = await pool.fetchrow(_CLAIM, name, holder)
    if row is None:
        return None
    if row["failures"] > MOST_FAILURES:
        await leave(pool, _rebuild(row), holder, "failed", error=row["error"] or "it dies again and again")
        return None
    return _rebuild(row)


async def beat(pool: Pool, rebuild: Rebuild, holder: str, phase: Phase, progress: dict[str, Any]) -> bool:
    """A sign of life; False when the job was aborted, or taken over by another process."""
    text = msgspec.json.encode(progress).decode()
    return bool(await pool.fetchval(_BEAT, rebuild.name, rebuild.version, holder, phase, text))


async def leave(
    pool: Pool,
    rebuild: Rebuild,
    holder: str,
    phase: Phase | None,
    *,
    findings: dict[str, Any] | None = None,
    error: str | None = None,
) -> None:
    """Gives the job up: in a phase in which it is over, or (None) for another attempt."""
    found = None if findings is None else msgspec.json.encode(findings).decode()
    await pool.execute(_LEAVE, rebuild.name, rebuild.version, holder, phase, error, found)
