"""``python -m speech_experiment_infra.provision``: set up the stores of a stack that was just started.

Waits for each store, then makes what is missing: database and role, bucket, topics, tables. A
process of its own, so that the supervisor stays small; and repeatable, so every start runs it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys

from .embedded.objects import ObjectStoreError, ensure_bucket
from .embedded.postgres import Postgres, PostgresError
from .layout import DATABASE
from .migrate import MigrationError, migrate
from .settings import Settings
from .topics import TopicError, ensure_topics

_TIMEOUT_S = 120.0


async def provision(settings: Settings) -> None:
    """Set up every store of ``settings``.

    Raises:
        PostgresError, ObjectStoreError, TopicError, MigrationError: what could not be set up, and why.
    """
    async with asyncio.TaskGroup() as group:
        group.create_task(ensure_bucket(settings, timeout_s=_TIMEOUT_S))
        group.create_task(ensure_topics(settings, timeout_s=_TIMEOUT_S))
        group.create_task(_tables(settings))


async def _tables(settings: Settings) -> None:
    if server := _own_postgres(settings):
        await server.ensure_database(timeout_s=_TIMEOUT_S)
    await _answering_store(settings)
    await migrate(settings)


def _own_postgres(settings: Settings) -> Postgres | None:
    """The embedded server, when it is the one that the settings name."""
    if settings.data_dir is None:
        return None
    kept = json.loads((settings.data_dir / "secrets.json").read_bytes())
    port = kept["ports"]["postgres"]
    superuser, password = kept["postgres_superuser"], kept["postgres"]
    server = Postgres(settings.data_dir / "postgres", port, superuser, "tracker", password, DATABASE)
    return server if server.dsn == settings.postgres_dsn else None


async def _answering_store(settings: Settings) -> None:
    """Wait for the first answer of ClickHouse; the client itself does not retry a refused connection."""
    from urllib.parse import urlsplit

    url = urlsplit(settings.clickhouse_url)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _TIMEOUT_S
    while True:
        try:
            _, writer = await asyncio.open_connection(url.hostname, url.port or 8123)
            writer.close()
            return
        except OSError:
            if loop.time() > deadline:
                raise
            await asyncio.sleep(0.05)


def main() -> int:
    """Provision the stores of this process's settings; returns the exit status."""
    logging.basicConfig(level=logging.WARNING)
    # Its complaints about brokers that do not answer yet are expected here.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    status = 0
    try:
        asyncio.run(provision(Settings.load_or_exit()))
    except* (PostgresError, ObjectStoreError, TopicError, MigrationError, OSError) as group:
        sys.stderr.write("".join(f"{error}\n" for error in group.exceptions))
        status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
