"""The connections that handlers share: opened in the background, reopened when they break.

The API answers while its stores start or restart; what needs one of them is then a 503.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from starlette.requests import Request

from speech_experiment_infra import connections
from speech_experiment_infra.settings import TOPICS

from .actors import Actor
from .desks import Desks
from .key_ring import KeyRing
from .problems import unavailable
from .settings import ApiSettings
from .share_rows import share_of
from .versions import LiveVersions

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer
    from asyncpg import Pool
    from asyncpg.pool import PoolConnectionProxy as PoolConnection
    from clickhouse_connect.driver.client import Client
    from minio import Minio

T = TypeVar("T")
_FIRST_RETRY, _LONGEST_RETRY = 0.05, 0.5
_WALKERS = 4
_OTHER_WAYS = ("seqscan", "bitmapscan", "sort", "hashjoin", "mergejoin", "material", "memoize")
_KAFKA_TIMEOUT_MS = 20_000


class Connection(Generic[T]):
    """Keeps one connection open, whatever happens to its store."""

    def __init__(self, name: str, opener: Callable[[], AbstractAsyncContextManager[T]]) -> None:
        self.name = name
        self.error = "not connected yet"
        self._opener = opener
        self._value: T | None = None
        self._broken = asyncio.Event()

    def get(self) -> T:
        """The connection; raises a 503 while there is none."""
        if self._value is None:
            raise unavailable(self.name)
        return self._value

    @property
    def ready(self) -> bool:
        return self._value is not None

    def renew(self) -> None:
        """Throws the connection away and opens another."""
        self._value = None
        self._broken.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._keep(), name=f"connection to {self.name}")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _keep(self) -> None:
        delay = _FIRST_RETRY
        while True:
            try:
                async with self._opener() as value:
                    delay = _FIRST_RETRY
                    self._broken.clear()
                    self._value, self.error = value, ""
                    await self._broken.wait()
            except Exception as error:  # noqa: BLE001 - whatever keeps a store away, we try again
                self.error = f"{type(error).__name__}: {error}"
            finally:
                self._value = None
            await asyncio.sleep(delay)
            delay = min(delay * 2, _LONGEST_RETRY)


def _pool(settings: ApiSettings) -> AbstractAsyncContextManager[Any]:
    """Sessions that are all alike: in UTC, and without the round trip that resets one at every return."""
    return connections.postgres_pool(settings, reset=_leave, init=_use_utc)


def _walking_pool(settings: ApiSettings) -> AbstractAsyncContextManager[Any]:
    """A few sessions that always walk an index, also before Postgres has gathered any statistics."""
    return connections.postgres_pool(settings, reset=_leave, init=use_indices, max_size=_WALKERS)


async def _use_utc(connection: PoolConnection) -> None:
    await connection.execute("set timezone = 'UTC'")


async def use_indices(connection: PoolConnection) -> None:
    """Holds a session to nested loops over indices."""
    await _use_utc(connection)
    await connection.execute("".join(f"set enable_{way} = off;" for way in _OTHER_WAYS))


@asynccontextmanager
async def any_plan(connection: Any) -> AsyncIterator[None]:
    """Within a transaction, sets a session that is held to indices free."""
    await connection.execute("".join(f"set local enable_{way} = on;" for way in _OTHER_WAYS))
    yield
    await connection.execute("".join(f"set local enable_{way} = off;" for way in _OTHER_WAYS))


async def _leave(connection: PoolConnection) -> None:
    """Handlers change no setting, take no session lock and listen to no channel: nothing to reset."""


class Stores:
    """What the composition root hands to the handlers, as `request.app.state.stores`."""

    def __init__(self, settings: ApiSettings) -> None:
        self.settings = settings
        self.postgres = Connection[Any]("Postgres", lambda: _pool(settings))
        self.walkers = Connection[Any]("Postgres", lambda: _walking_pool(settings))
        self.store = Connection[Any]("the metrics store", lambda: connections.clickhouse(settings))
        self.kafka = Connection[Any]("the event log", lambda: _checked_producer(settings))
        self.reader = Connection[Any]("the event log", lambda: _reader(settings))
        self.versions = LiveVersions(lambda: self.pool)
        self.keys = KeyRing(self._actor_of)
        self.desks = Desks(lambda: connections.postgres_session(settings))
        self.standings: OrderedDict[tuple[str, str, bytes | None], Any] = OrderedDict()
        self.certainties: OrderedDict[tuple[Any, ...], Any] = OrderedDict()
        self.lists: OrderedDict[tuple[Any, ...], Any] = OrderedDict()
        self.haystacks: OrderedDict[tuple[Any, ...], Any] = OrderedDict()
        self._objects: Minio | None = None

    @property
    def pool(self) -> Pool:
        return self.postgres.get()

    @property
    def walking(self) -> Pool:
        """For statements that look at a bounded number of rows in the order of an index."""
        return self.walkers.get()

    @property
    def clickhouse(self) -> Client:
        """Its methods block: await them through asyncio.to_thread."""
        client: Client = self.store.get()
        return client

    @property
    def producer(self) -> AIOKafkaProducer:
        return self.kafka.get()

    async def objects(self) -> Minio:
        """The object store's client, made on first use; its methods block."""
        if self._objects is None:
            self._objects = await asyncio.to_thread(connections.object_store_client, self.settings)
        return self._objects

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for connection in (self.postgres, self.walkers, self.store, self.kafka, self.reader):
                await stack.enter_async_context(connection.running())
            stack.push_async_callback(self.desks.close)
            yield

    async def _actor_of(self, digest: str) -> Actor | None:
        """The valid key, or else the valid share, with this digest."""
        schema = await self.versions.schema("control")
        query = f"select id, workspace, role from {schema}.keys where sha256 = $1 and revoked_at is null"  # noqa: S608
        row = await self.pool.fetchrow(query, digest)
        if row:
            return Actor(row["id"], row["workspace"], row["role"])
        return await share_of(self.pool, schema, digest)


def stores_of(request: Request) -> Stores:
    stores: Stores = request.app.state.stores
    return stores


def _reader(settings: ApiSettings) -> AbstractAsyncContextManager[Any]:
    return connections.kafka_consumer(settings, request_timeout_ms=_KAFKA_TIMEOUT_MS)


@asynccontextmanager
async def _checked_producer(settings: ApiSettings) -> AsyncIterator[AIOKafkaProducer]:
    """A producer for a log whose topics have the partitions that the settings say; they never change."""
    async with connections.kafka_producer(settings, request_timeout_ms=_KAFKA_TIMEOUT_MS) as producer:
        for topic in TOPICS:
            found = len(await producer.partitions_for(topic))
            if found != settings.partitions:
                raise RuntimeError(
                    f"topic {topic} has {found} partitions, settings.partitions says {settings.partitions}"
                )
        yield producer
