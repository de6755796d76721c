"""A Faust application that reads for a sink: it starts where the sink says, and carries bundles.

Three things of stock Faust are replaced, and nothing else:

- where to start: partitions are sought to the sink's position, and nothing is committed to Kafka,
  since a committed offset is never the truth here;
- what a message is: all records of a partition that one fetch brought, since Faust's path
  for a single message costs more than projecting a hundred points;
- waiting at start-up for tables, which these applications do not have.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from typing import Any, ClassVar, cast

import faust
from faust.app.base import BootStrategy
from faust.tables.manager import TableManager
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from speech_experiment_infra.settings import Settings

from .failpoints import failpoint
from .feed import Bundle, Feed
from .sink import Incoming

Offsets = dict[int, int]
Locate = Callable[[Collection[int]], Awaitable[Offsets]]
"""partitions assigned to us → next offset of each."""

_SESSION_SECONDS = 6.0


class SinkConsumer(driver.Consumer):
    """Kafka consumer whose positions belong to a sink."""

    feed: ClassVar[Feed]
    locate: ClassVar[Locate]
    gather_seconds: ClassVar[float]
    _rest_until = 0.0

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seeks every assigned partition to the sink's next offset."""
        assigned = self.assignment()
        offsets = await type(self).locate({tp.partition for tp in assigned})
        positions = {tp: offsets[tp.partition] for tp in assigned}
        await self.seek_wait(positions)
        return positions

    async def commit(self, *args: object, **kwargs: object) -> bool:
        """Commits nothing: the sink's own position is the only one."""
        return False

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:  # noqa: ASYNC109
        """One message for each partition that has new records, once the feed has room."""
        await asyncio.sleep(max(0.0, self._rest_until - time.monotonic()))
        if not await self.feed.room(timeout):
            return
        records, active = await self._wait_next_records(timeout)
        if records:
            self._rest_until = time.monotonic() + self.gather_seconds
        generation = self.app.consumer_generation_id
        for tp, fetched in (records or {}).items():
            if not self.flow_active or generation != self.app.consumer_generation_id:
                return
            if fetched and (active is None or tp in active):
                yield tp, _message(tp, fetched, generation)


def _message(tp: TP, fetched: list[Any], generation: int) -> ConsumerMessage:
    last = fetched[-1]
    records = [
        Incoming(tp.topic, tp.partition, r.offset, r.timestamp, r.key, r.value or b"", r.headers)
        for r in fetched
    ]
    bundle = Bundle(records, sum(len(record.value) for record in records))
    return ConsumerMessage(
        tp.topic,
        tp.partition,
        last.offset,
        last.timestamp / 1000,
        last.timestamp_type,
        None,
        None,
        cast("Any", bundle),  # Faust only passes it on
        None,
        0,
        bundle.size,
        tp,
        generation_id=generation,
    )


class _BundleSchema(faust.Schema[Any, Any]):
    """Hands the bundle through: decoding, and its errors, are the projection's."""

    def loads_key(self, app: Any, message: Any, **kwargs: Any) -> Any:
        return message.key

    def loads_value(self, app: Any, message: Any, **kwargs: Any) -> Any:
        return message.value


class _NoTables(TableManager):
    async def on_start(self) -> None:
        await self._update_channels()
        await self.recovery.start()


class _ConsumersOnly(BootStrategy):
    enable_kafka_producer = False
    enable_web = False


class ReaderApp(faust.App):
    """Without web server, producer and folders on disk."""

    BootStrategy = _ConsumersOnly

    def _create_directories(self) -> None:
        pass

    async def _producer_flush(self, logger: Any) -> None:
        pass


def build_app(
    settings: Settings,
    *,
    group: str,
    topic: str,
    feed: Feed,
    fetch_bytes: int,
    gather_seconds: float,
    locate: Locate,
    instance: str | None,
) -> ReaderApp:
    """An application that feeds the records of a topic, from the sink's position on.

    fetch_bytes: how much of one partition one fetch may bring.
    gather_seconds: least time between two fetches that brought something, as each costs milliseconds.
    instance: name for static membership: a restarted worker takes its partitions back at once.
    """
    app = ReaderApp(
        group,
        broker=[f"kafka://{address.strip()}" for address in settings.kafka_bootstrap.split(",")],
        broker_credentials=_credentials(settings),
        broker_session_timeout=_SESSION_SECONDS,
        broker_heartbeat_interval=_SESSION_SECONDS / 4,
        broker_request_timeout=30.0,
        broker_max_poll_interval=600.0,
        broker_rebalance_timeout=10.0,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=fetch_bytes,
        consumer_group_instance_id=instance,
        stream_buffer_maxsize=1 << 20,  # the feed bounds what waits, in bytes
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        table_standby_replicas=0,
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
        TableManager=_NoTables,
        autodiscover=False,
    )
    parts = {"feed": feed, "locate": staticmethod(locate), "gather_seconds": gather_seconds}
    consumer = type("Consumer", (SinkConsumer,), parts | {"__module__": __name__})
    setattr(app.transport, "Consumer", consumer)  # noqa: B010
    source = app.topic(topic, acks=False, schema=_BundleSchema())

    @app.agent(source, name=group, concurrency=1)
    async def read(stream: Any) -> None:
        async for bundle in stream.noack():
            failpoint("worker.agent")
            feed.put(bundle)

    return app


def _credentials(settings: Settings) -> Any:
    protocol = settings.security_protocol
    if not protocol.startswith("SASL"):
        return _tls(settings) if protocol == "SSL" else None
    return faust.SASLCredentials(
        username=settings.kafka_username,
        password=settings.kafka_password,
        ssl_context=_tls_context(settings) if protocol.endswith("SSL") else None,
        mechanism=settings.kafka_sasl_mechanism,
    )


def _tls(settings: Settings) -> Any:
    return faust.SSLCredentials(context=_tls_context(settings))


def _tls_context(settings: Settings) -> Any:
    from speech_experiment_infra.connections import kafka_options

    return kafka_options(settings)["ssl_context"]
