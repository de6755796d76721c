"""The versions of a projection: their life, and the flip of the pointer to the live one.

A version is built beside the live one, then kept, which means followed by the workers; a flip makes
a kept version live and the live one kept. Whoever waits for a record to be queryable waits for it
in the live version, and around a flip in both, so that every reader finds it whichever pointer it
has read (`Pointer.concerned`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from asyncpg import Connection, Pool

State = Literal["building", "kept", "live", "retired"]

POINTER_SECONDS = 1.0
"""How long a reader may go on with a pointer that it has read."""
OVERLAP_SECONDS = 2.5 * POINTER_SECONDS
"""How long before and after a flip both versions are waited for."""
UNREAD_SECONDS = 30.0
"""After so long nobody reads a version any more that is no longer live."""
MOST_VERSIONS = 4
"""Of one projection, beside each other."""

_CATCH_UP_SECONDS, _LOCK_SECONDS, _ATTEMPTS = 5.0, 3.0, 4
_POLL_SECONDS = 0.01

_FOLLOWS: dict[State, frozenset[State]] = {
    "building": frozenset({"kept", "retired"}),
    "kept": frozenset({"live", "retired"}),
    "live": frozenset({"kept"}),
    "retired": frozenset(),
}

_VERSIONS = """
select v.*, exists (select from projection.flips f where f.name = v.name and v.version in (f.version, f.previous))
         or v.state = 'live' as was_live
from projection.versions v where ($1::text is null or v.name = $1) order by v.name, v.version
"""


class Refused(Exception):  # noqa: N818
    """What was asked does not fit the state that the versions are in; the message says what to do."""


class Behind(Exception):  # noqa: N818
    """The version to flip to does not come level with the live one."""


class Version(NamedTuple):
    """One row of projection.versions.

    line      equal for versions that were compared and hold the same
    was_live  whether it is or ever was live
    """

    name: str
    version: int
    state: State
    line: int
    indexed: bool
    created_at: datetime
    changed_at: datetime
    dropped_at: datetime | None
    was_live: bool

    def __str__(self) -> str:
        return f"{self.name}:{self.version}"


@dataclass(frozen=True, slots=True)
class Pointer:
    """Which version of a projection is live, and which other one some readers may still, or already, read."""

    version: int
    line: int
    beside: int | None = None

    @property
    def concerned(self) -> tuple[int, ...]:
        """The versions that must hold a record before it is called queryable."""
        return (self.version,) if self.beside is None else (self.version, self.beside)


_POINTERS = """
select l.name, l.version, v.line,
       coalesce(l.next, case when l.flipped_at > now() - $1 * interval '1 second' then l.previous end) as beside
from projection.live l join projection.versions v using (name, version)
"""


async def read_pointers(pool: Pool) -> dict[str, Pointer]:
    """Projection → pointer; may be used for POINTER_SECONDS from before the call."""
    rows = await pool.fetch(_POINTERS, OVERLAP_SECONDS)
    return {row["name"]: Pointer(row["version"], row["line"], row["beside"]) for row in rows}


async def read_versions(connection: Any, name: str | None = None) -> list[Version]:
    """All versions that there ever were, of one projection or of all."""
    return [_version(row) for row in await connection.fetch(_VERSIONS, name)]


def _version(row: Any) -> Version:
    return Version(**{field: row[field] for field in Version._fields})


def find(versions: Iterable[Version], name: str, version: int) -> Version:
    """Raises Refused when there is none of that number."""
    for each in versions:
        if (each.name, each.version) == (name, version):
            return each
    raise Refused(f"there is no version {name}:{version}")


def may_become(state: State, wanted: State) -> bool:
    return wanted in _FOLLOWS[state]


def refusal(target: Version, live: Version, *, force: bool, reason: str) -> str | None:
    """Why `target` may not become live in the place of `live`; None when it may."""
    if target.version == live.version:
        return f"{target} is live already"
    if not may_become(target.state, "live"):
        return f"{target} is {target.state}; only a version that is kept, and so followed, can become live"
    if target.line == live.line or target.was_live:
        return None
    if not force:
        return (
            f"{target} was not found equal to {live}; look at the differences with `speech-tracker rebuild status`, "
            "and flip with force and a reason if they are what you wanted"
        )
    return None if reason.strip() else "to force a flip, give the reason: it is kept with the flip"


async def set_state(connection: Any, name: str, version: int, wanted: State) -> Version:
    """Moves a version on in its life; raises Refused when it cannot go there. Within a transaction."""
    await _lock(connection, name)
    found = find(await read_versions(connection, name), name, version)
    if found.state != wanted and not may_become(found.state, wanted):
        raise Refused(f"{found} is {found.state}, and cannot become {wanted}")
    if found.state != wanted:
        await connection.execute(
            "update projection.versions set state = $3, changed_at = now() where name = $1 and version = $2",
            name,
            version,
            wanted,
        )
    return found


async def set_line(connection: Any, name: str, version: int, equal_to: int | None) -> None:
    """Notes that a version was found equal to another, or (None) to no other."""
    await connection.execute(
        "update projection.versions v set line = coalesce("
        "(select o.line from projection.versions o where o.name = $1 and o.version = $3), v.version) "
        "where v.name = $1 and v.version = $2",
        name,
        version,
        equal_to,
    )


async def new_version(connection: Any, name: str) -> int:
    """A number for the next version, in the state building. Within a transaction."""
    await _lock(connection, name)
    versions = await read_versions(connection, name)
    if sum(each.state != "retired" for each in versions) >= MOST_VERSIONS:
        raise Refused(
            f"{name} has {MOST_VERSIONS} versions; retire one first: `speech-tracker rebuild retire {name}:N`"
        )
    number = max((each.version for each in versions), default=0) + 1
    await connection.execute(
        "insert into projection.versions (name, version, line, indexed) values ($1, $2, $2, false)",
        name,
        number,
    )
    return number


async def retire(pool: Pool, name: str, version: int) -> None:
    """Follows a version no more; a worker drops its tables when nobody can be reading them.

    Raises:
        Refused: it is live, or there is none.
    """
    async with pool.acquire() as connection, connection.transaction():
        await set_state(connection, name, version, "retired")
        await _unannounce(connection, name, version)


async def flip(pool: Pool, name: str, version: int, *, by: str, force: bool = False, reason: str = "") -> int:
    """Makes a kept version live in one transaction, in which it is level with the version that was; returns that.

    Readers and waiters go on throughout; what is written stands still for the moment in which the
    new version comes level.

    Raises:
        Refused: the state of the versions does not allow it.
        Behind: the version did not come level in time; nothing was changed.
    """
    async with pool.acquire() as connection, connection.transaction():
        await _lock(connection, name)
        await _check(connection, name, version, force=force, reason=reason)
        await connection.execute("update projection.live set next = $2 where name = $1", name, version)
    try:
        await asyncio.sleep(OVERLAP_SECONDS)  # until every reader knows
        return await _flip_announced(pool, name, version, by=by, force=force, reason=reason)
    finally:
        await asyncio.shield(_unannounce(pool, name, version))


async def _flip_announced(pool: Pool, name: str, version: int, **terms: Any) -> int:
    import asyncpg

    for attempt in range(_ATTEMPTS):
        with suppress(asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            async with pool.acquire() as connection, connection.transaction():
                return await _flip(pool, connection, name, version, **terms)
        await asyncio.sleep(0.5 * 2**attempt)
    raise Behind(
        f"{name}:{version} does not become live: a long query on the views, or a writer, holds its locks"
    )


async def _flip(pool: Pool, connection: Connection, name: str, version: int, **terms: Any) -> int:
    await connection.execute(f"set local lock_timeout = '{_LOCK_SECONDS:g}s'")
    await _lock(connection, name)
    live = await _check(connection, name, version, force=terms["force"], reason=terms["reason"])
    announced = await connection.fetchval("select next from projection.live where name = $1", name)
    if announced != version:
        raise Refused(f"another flip of {name} is under way")
    standing = await _positions(connection, f"{name}_v{live.version}", lock=True)
    await _level(pool, f"{name}_v{version}", standing)
    if not _covers(await _positions(connection, f"{name}_v{version}", lock=True), standing):
        raise Behind(f"{name}:{version} went back")
    for number, state in ((live.version, "kept"), (version, "live")):
        await connection.execute(
            "update projection.versions set state = $3, changed_at = now() where name = $1 and version = $2",
            name,
            number,
            state,
        )
    await connection.execute(
        "update projection.live set version = $2, previous = $3, next = null, flipped_at = clock_timestamp() "
        "where name = $1",
        name,
        version,
        live.version,
    )
    await connection.execute(
        "insert into projection.flips (name, version, previous, flipped_by, forced, reason) "
        "values ($1, $2, $3, $4, $5, $6)",
        name,
        version,
        live.version,
        terms["by"],
        terms["force"],
        terms["reason"],
    )
    return live.version


async def _check(connection: Any, name: str, version: int, *, force: bool, reason: str) -> Version:
    """The live version; raises Refused when the other may not take its place."""
    versions = await read_versions(connection, name)
    live = next((each for each in versions if each.state == "live"), None)
    if live is None:
        raise Refused(f"there is no projection {name}")
    why = refusal(find(versions, name, version), live, force=force, reason=reason)
    if why is not None:
        raise Refused(why)
    return live


async def _level(pool: Pool, schema: str, standing: dict[tuple[str, int], int]) -> None:
    """Waits, while the live version stands still, until the other has come level."""
    deadline = time.monotonic() + _CATCH_UP_SECONDS
    while not _covers(await _positions(pool, schema), standing):
        if time.monotonic() > deadline:
            raise Behind(f"{schema} did not come level with the live version within {_CATCH_UP_SECONDS:g} s")
        await asyncio.sleep(_POLL_SECONDS)


async def _positions(connection: Any, schema: str, *, lock: bool = False) -> dict[tuple[str, int], int]:
    rows = await connection.fetch(
        f"select topic, partition, next_offset from {schema}.positions order by topic, partition"  # noqa: S608
        + (" for update" if lock else "")
    )
    return {(row["topic"], row["partition"]): row["next_offset"] for row in rows}


def _covers(positions: dict[tuple[str, int], int], standing: dict[tuple[str, int], int]) -> bool:
    """Whether positions are level or ahead in every partition."""
    return all(positions.get(place, 0) >= offset for place, offset in standing.items())


async def _unannounce(connection: Any, name: str, version: int) -> None:
    await connection.execute(
        "update projection.live set next = null where name = $1 and next = $2", name, version
    )


async def _lock(connection: Any, name: str) -> None:
    """One change of a projection's versions at a time."""
    await connection.execute("select from projection.live where name = $1 for update", name)
