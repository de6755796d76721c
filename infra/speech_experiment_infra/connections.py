"""Connections to every store, each an async context manager that opens and closes it.

Drivers are imported on first use, so that a process pays only for the stores it talks to.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from .settings import MAX_RECORD_BYTES, Settings

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
    from aiokafka.admin import AIOKafkaAdminClient
    from asyncpg import Connection, Pool
    from clickhouse_connect.driver.client import Client
    from minio import Minio

_SESSION: dict[str, Any] = {
    "command_timeout": 60,
    # Plans here are short; compiling them costs more than running them.
    "server_settings": {"jit": "off", "application_name": "speech-experiment-tracker"},
}
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_CLICKHOUSE_CONNECTIONS = 32
_S3_CONNECTIONS = 32


@asynccontextmanager
async def postgres_pool(settings: Settings, **overrides: Any) -> AsyncIterator[Pool]:
    """An asyncpg pool of up to ``settings.postgres_pool_size`` connections, opened as needed."""
    import asyncpg

    options: dict[str, Any] = {"min_size": 1, "max_size": settings.postgres_pool_size, **_SESSION}
    async with asyncpg.create_pool(settings.postgres_dsn, **options | overrides) as pool:
        yield pool


async def postgres_session(settings: Settings) -> Connection:
    """A session of its own, in UTC, for work that keeps temporary tables; whoever opens it closes it."""
    import asyncpg

    options = _SESSION | {"server_settings": _SESSION["server_settings"] | {"timezone": "UTC"}}
    return await asyncpg.connect(settings.postgres_dsn, **options)


def clickhouse_client(settings: Settings, **overrides: Any) -> Client:
    """A blocking ClickHouse client; call it from worker threads, from several at once if needed.

    It carries no session, so concurrent queries and inserts do not wait for each other. Values
    are compressed only when they leave the machine.

    Raises:
        clickhouse_connect.driver.exceptions.Error: no server, or it refused the login.
    """
    import clickhouse_connect
    from clickhouse_connect.driver.httputil import get_pool_manager

    url = urlsplit(settings.clickhouse_url)
    local = url.hostname in _LOOPBACK
    options: dict[str, Any] = {
        "host": url.hostname,
        "port": url.port,
        "username": unquote(url.username or "default"),
        "password": unquote(url.password or ""),
        "database": unquote(url.path.strip("/")) or "default",
        "interface": url.scheme,
        "compress": False if local else "lz4",
        "autogenerate_session_id": False,
        "pool_mgr": get_pool_manager(maxsize=_CLICKHOUSE_CONNECTIONS),
    }
    return clickhouse_connect.get_client(**options | overrides)


@asynccontextmanager
async def clickhouse(settings: Settings, **overrides: Any) -> AsyncIterator[Client]:
    """`clickhouse_client`, opened off the event loop and closed at the end.

    Its methods block: await them through ``asyncio.to_thread``.
    """
    client = await asyncio.to_thread(clickhouse_client, settings, **overrides)
    try:
        yield client
    finally:
        client.close()


def kafka_options(settings: Settings) -> dict[str, Any]:
    """Address and login as aiokafka's clients take them."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap,
        "security_protocol": settings.security_protocol,
    }
    if settings.security_protocol.endswith("SSL"):
        ca_file = str(settings.kafka_ca_file) if settings.kafka_ca_file else None
        options["ssl_context"] = ssl.create_default_context(cafile=ca_file)
    if settings.security_protocol.startswith("SASL"):
        if settings.kafka_bootstrap.rpartition(":")[0] in _LOOPBACK:
            logging.getLogger("aiokafka.conn").addFilter(_not_about_clear_text)
        options |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_username,
            "sasl_plain_password": settings.kafka_password,
        }
    return options


def _not_about_clear_text(record: logging.LogRecord) -> bool:
    """Passwords do not leave the machine on loopback; aiokafka warns at every connection all the same."""
    return "in the clear" not in record.getMessage()


@asynccontextmanager
async def kafka_producer(settings: Settings, **overrides: Any) -> AsyncIterator[AIOKafkaProducer]:
    """A started producer that acknowledges only what every in-sync replica has.

    Batches of up to 1 MiB without lingering: the default of 16 KiB halves the throughput.
    """
    from aiokafka import AIOKafkaProducer

    options = kafka_options(settings) | {
        "acks": "all",
        "max_batch_size": 1 << 20,
        "max_request_size": MAX_RECORD_BYTES,
        "linger_ms": 0,
    }
    producer = AIOKafkaProducer(**options | overrides)
    try:
        await producer.start()
        yield producer
    finally:
        await producer.stop()


@asynccontextmanager
async def kafka_consumer(
    settings: Settings, *topics: str, **overrides: Any
) -> AsyncIterator[AIOKafkaConsumer]:
    """A started consumer without a group that never commits; positions belong to the sinks.

    Without ``topics``, assign partitions yourself.
    """
    from aiokafka import AIOKafkaConsumer

    options = kafka_options(settings) | {
        "enable_auto_commit": False,
        "auto_offset_reset": "earliest",
        "max_partition_fetch_bytes": 8 << 20,
        "fetch_max_wait_ms": 100,
    }
    consumer = AIOKafkaConsumer(*topics, **options | overrides)
    try:
        await consumer.start()
        yield consumer
    finally:
        await consumer.stop()


@asynccontextmanager
async def kafka_admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """A started admin client: topics, configurations, offsets of groups."""
    from aiokafka.admin import AIOKafkaAdminClient

    admin = AIOKafkaAdminClient(**kafka_options(settings))
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


def object_store_client(settings: Settings, *, retries: int = 4) -> Minio:
    """A blocking S3 client for ``settings.s3_bucket``; threads may share it."""
    import urllib3
    from minio import Minio

    pool = urllib3.PoolManager(
        maxsize=_S3_CONNECTIONS,
        timeout=urllib3.Timeout(connect=5, read=120),
        retries=urllib3.Retry(total=retries, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504]),
    )
    return Minio(
        settings.s3_endpoint,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key,
        secure=settings.s3_secure,
        region=settings.s3_region,
        http_client=pool,
    )


@asynccontextmanager
async def object_store(settings: Settings) -> AsyncIterator[Minio]:
    """`object_store_client`; its methods block, await them through ``asyncio.to_thread``."""
    yield object_store_client(settings)
