"""``python -m speech_experiment_infra.migrate``: bring the tables of both stores up to date.

Numbered files (``0001_….sql``) are applied once, in order, and may not be edited afterwards.
Files named after a projection are templates: each version of a projection gets tables of its own,
in a schema of its own in Postgres and under a suffix of its own in ClickHouse.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .connections import clickhouse, postgres_pool
from .settings import Settings

if TYPE_CHECKING:
    from asyncpg import Connection, Pool
    from clickhouse_connect.driver.client import Client

FOLDER = Path(__file__).with_name("migrations")
PROJECTIONS: tuple[str, ...] = ("metadata", "metrics", "scores", "artifacts", "control")

_LOCK_ID = 0x5370656563685472  # "SpeechTr"
_NUMBERED = re.compile(r"\d{4}_\w+\.sql\Z")
_INDEX = re.compile(r"create index\b", re.IGNORECASE)
_HOURS = 6 * 3600.0
_LARGE = ("projections/metadata.sql", "projections/metrics.sql")
_CREATED = re.compile(r"create table if not exists (\w+)", re.IGNORECASE)
_RECORD = """
create schema if not exists coord;
create table if not exists coord.migrations (
    name       text primary key,
    sha256     text not null,
    applied_at timestamptz not null default now()
)
"""


class MigrationError(Exception):
    """What is applied and what this release carries do not agree."""


@dataclass(frozen=True, slots=True)
class Script:
    """SQL with the name under which its application is recorded."""

    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """Hash that tells an edited file."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def statements(self) -> list[str]:
        """Its single statements, for a store that takes one at a time."""
        bare = re.sub(r"(?m)--.*$", "", self.sql)
        return [one.strip() for one in bare.split(";") if one.strip()]

    @property
    def indices(self) -> list[str]:
        """Those of its statements that make an index."""
        return [one for one in self.statements if _INDEX.match(one)]

    @property
    def without_indices(self) -> str:
        return ";\n".join(one for one in self.statements if not _INDEX.match(one))


async def migrate(settings: Settings, *, folder: Path = FOLDER) -> list[str]:
    """Apply what is missing, and give every projection its first version; returns what was applied.

    Safe to run at every start and from several machines at once.

    Raises:
        MigrationError: an applied file was edited.
    """
    async with postgres_pool(settings) as pool, clickhouse(settings) as client:
        applied = await _apply_numbered(pool, client, folder)
        for name in PROJECTIONS:
            if not await pool.fetchval("select 1 from projection.live where name = $1", name):
                applied += await create_projection(pool, client, name, 1, folder=folder)
                await _make_live(pool, name, 1)
        return applied


async def create_projection(
    pool: Pool, client: Client, name: str, version: int, *, indices: bool = True, folder: Path = FOLDER
) -> list[str]:
    """Tables of one version of a projection, in both stores; does nothing where they are there.

    Args:
        indices: False leaves those that only readers need to `index_projection`: a bulk load goes faster without.

    Raises:
        MigrationError: they were made from another template than this release's.
    """
    async with _locked(pool) as connection, connection.transaction():
        applied = []
        for script in _templates(folder, name, version):
            if await _is_new(connection, script):
                await connection.execute(
                    script.sql if indices or not _waits(script) else script.without_indices
                )
                await _remember(connection, script)
                applied.append(script.name)
        applied += await _create_clickhouse_tables(connection, client, name, version, folder)
        await connection.execute(
            "insert into projection.versions (name, version, line, indexed) values ($1, $2, $2, $3) "
            "on conflict do nothing",
            name,
            version,
            indices,
        )
        return applied


async def index_projection(pool: Pool, name: str, version: int, *, folder: Path = FOLDER) -> None:
    """The indices that `create_projection` left out, and statistics; all or none, and once."""
    async with pool.acquire() as connection, connection.transaction():
        indexed = await connection.fetchval(
            "select indexed from projection.versions where name = $1 and version = $2 for update",
            name,
            version,
        )
        if indexed:
            return
        await connection.execute("set local maintenance_work_mem = '128MB'")
        for script in filter(_waits, _templates(folder, name, version)):
            for statement in script.indices:
                await connection.execute(statement, timeout=_HOURS)
        await connection.execute(
            "update projection.versions set indexed = true where name = $1 and version = $2", name, version
        )
        for table in await connection.fetch(
            "select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname = $1",
            f"{name}_v{version}",
        ):
            await connection.execute(f"analyze {table['name']}", timeout=_HOURS)


async def drop_projection(
    pool: Pool, client: Client, name: str, version: int, *, folder: Path = FOLDER
) -> None:
    """Drops the tables of a version in both stores; nothing may read or write them any more."""
    schema = f"{name}_v{version}"
    async with _locked(pool) as connection, connection.transaction():
        path = folder / "clickhouse" / f"{name}.sql"
        if path.exists():
            for table in _CREATED.findall(_instance(path, schema, version).sql):
                await asyncio.to_thread(client.command, f"drop table if exists {table} sync")
        await connection.execute(f"drop schema if exists {schema} cascade")
        await connection.execute("delete from coord.migrations where name like '%as ' || $1", schema)
        await connection.execute(
            "update projection.versions set dropped_at = now() where name = $1 and version = $2",
            name,
            version,
        )


def _waits(script: Script) -> bool:
    """Whether its indices can wait for the end of a bulk load: the sinks themselves read without them."""
    return script.name.startswith(_LARGE)


def _templates(folder: Path, name: str, version: int) -> list[Script]:
    schema = f"{name}_v{version}"
    paths = (folder / "projections" / f"{template}.sql" for template in ("common", name))
    return [_instance(path, schema, version) for path in paths]


async def _create_clickhouse_tables(
    connection: Connection, client: Client, name: str, version: int, folder: Path
) -> list[str]:
    path = folder / "clickhouse" / f"{name}.sql"
    if not path.exists():
        return []
    script = _instance(path, f"{name}_v{version}", version)
    if not await _is_new(connection, script):
        return []
    await _run_clickhouse(client, script)
    await _remember(connection, script)
    return [script.name]


async def _apply_numbered(pool: Pool, client: Client, folder: Path) -> list[str]:
    applied = []
    async with _locked(pool) as connection:
        await connection.execute(_RECORD)
        for script in _numbered(folder, "postgres"):
            async with connection.transaction():
                if await _is_new(connection, script):
                    await connection.execute(script.sql)
                    await _remember(connection, script)
                    applied.append(script.name)
        for script in _numbered(folder, "clickhouse"):
            if await _is_new(connection, script):
                await _run_clickhouse(client, script)
                await _remember(connection, script)
                applied.append(script.name)
    return applied


async def _run_clickhouse(client: Client, script: Script) -> None:
    """Statement by statement: they say ``if not exists``, so a run that was cut off is repeated."""
    for statement in script.statements:
        await asyncio.to_thread(client.command, statement)


async def _make_live(pool: Pool, name: str, version: int) -> None:
    async with _locked(pool) as connection, connection.transaction():
        made = await connection.fetchval(
            "insert into projection.live (name, version) values ($1, $2) on conflict do nothing returning version",
            name,
            version,
        )
        if made is not None:
            await connection.execute(
                "update projection.versions set state = 'live' where name = $1 and version = $2",
                name,
                version,
            )


@asynccontextmanager
async def _locked(pool: Pool) -> AsyncIterator[Any]:
    """A connection that holds the lock on all migrations of this database."""
    async with pool.acquire() as connection:
        await connection.execute("select pg_advisory_lock($1)", _LOCK_ID)
        try:
            yield connection
        finally:
            await connection.execute("select pg_advisory_unlock($1)", _LOCK_ID)


def _numbered(folder: Path, store: str) -> list[Script]:
    files = sorted(path for path in (folder / store).glob("*.sql") if _NUMBERED.match(path.name))
    return [Script(f"{store}/{path.name}", path.read_text()) for path in files]


def _instance(path: Path, schema: str, version: int) -> Script:
    sql = path.read_text().replace("{schema}", schema).replace("{suffix}", f"_v{version}")
    return Script(f"{path.parent.name}/{path.name} as {schema}", sql)


async def _is_new(connection: Connection, script: Script) -> bool:
    known = await connection.fetchval("select sha256 from coord.migrations where name = $1", script.name)
    if known is not None and known != script.sha256:
        raise MigrationError(
            f"{script.name} was edited after it was applied; restore it and put the change into a new numbered "
            "file, or raise the version of the projection and rebuild it"
        )
    return known is None


async def _remember(connection: Connection, script: Script) -> None:
    await connection.execute(
        "insert into coord.migrations (name, sha256) values ($1, $2)", script.name, script.sha256
    )


def main() -> int:
    """Migrate the stores of this process's settings; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m speech_experiment_infra.migrate", description=__doc__)
    parser.parse_args()
    try:
        applied = asyncio.run(migrate(Settings.load_or_exit()))
    except MigrationError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write("".join(f"applied {name}\n" for name in applied) or "nothing to apply\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
