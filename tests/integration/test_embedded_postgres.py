"""The embedded Postgres where people put it: spaces in the path, folders closed to others, any user."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from speech_experiment_infra.embedded.postgres import Postgres
from speech_experiment_infra.embedded.processes import free_ports, spawn, tail
from speech_experiment_infra.embedded.users import SERVICE_ID

pytestmark = pytest.mark.stack


@pytest.fixture(params=[0o755, 0o700], ids=["open", "closed"])
def folder(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder with a space in its path, below one that others may or may not enter."""
    with tempfile.TemporaryDirectory(prefix="tracker pg ") as outer:
        os.chmod(outer, request.param)
        inner = Path(outer) / "data dir"
        inner.mkdir(mode=0o711)
        yield inner


def test_it_is_made_once_runs_as_nobody_special_and_survives_kill_9(folder: Path) -> None:
    server = Postgres(folder / "postgres", free_ports(1)[0], "super", "tracker", "secret", "speech")
    said: list[str] = []
    server.prepare(said.append)
    server.prepare(said.append)
    assert said == ["making the database"]
    for how in (signal.SIGKILL, signal.SIGINT):
        process = spawn(
            server.command(), folder / "log", become=server.become(), on_parent_death=signal.SIGINT
        )
        try:
            count = asyncio.run(one_more_row(server))
            owner = Path(f"/proc/{process.pid}").stat().st_uid
        finally:
            process.send_signal(how)
            process.wait(20)
        assert owner == (SERVICE_ID if os.geteuid() == 0 else os.geteuid()), tail(folder / "log")
    assert count == 2
    assert process.returncode == 0


async def one_more_row(server: Postgres) -> int:
    await server.ensure_database()
    connection = await asyncpg.connect(server.dsn)
    try:
        assert await connection.fetchval("show fsync") == "on"
        assert not await connection.fetchval("select usesuper from pg_user where usename = current_user")
        await connection.execute("create table if not exists t (a int)")
        await connection.execute("insert into t values (1)")
        return int(await connection.fetchval("select count(*) from t"))
    finally:
        await connection.close()
