"""Straight to Kafka, without a gateway: off by default, with SASL, and the same validator."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from speech_experiment_schemas.envelope import Envelope, record_key
from speech_experiment_schemas.errors import InvalidEvent
from speech_experiment_schemas.ids import DEFAULT_WORKSPACE, partition_of
from speech_experiment_schemas.stamps import stamp
from speech_experiment_schemas.validate import validate
from speech_experiment_schemas.wire import IngestReply, Refusal

from .base import DeliveryError, Transport

T = TypeVar("T")
SEND_TIMEOUT = 60.0
STOP_TIMEOUT = 5.0


class KafkaTransport:
    """Produces with acks=all; the SASL user stands as actor in the records' headers.

    bootstrap            host:port, comma separated
    username, password   SASL credentials, required
    contents             gateway that stores artifacts' contents; without one they wait
    """

    def __init__(
        self,
        bootstrap: str,
        username: str = "",
        password: str = "",
        *,
        security_protocol: str = "SASL_SSL",
        sasl_mechanism: str = "PLAIN",
        workspace: str = DEFAULT_WORKSPACE,
        contents: Transport | None = None,
    ) -> None:
        if not (username and password and security_protocol.startswith("SASL")):
            raise ValueError("the Kafka transport needs SASL: set username, password and a SASL_ protocol")
        self._settings: dict[str, Any] = {
            "bootstrap_servers": bootstrap.split(","),
            "security_protocol": security_protocol,
            "sasl_mechanism": sasl_mechanism,
            "sasl_plain_username": username,
            "sasl_plain_password": password,
            "ssl_context": ssl.create_default_context() if security_protocol == "SASL_SSL" else None,
        }
        self._actor, self._workspace = f"kafka:{username}", workspace
        self._contents = contents
        self._producer: Any = None
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="kafka", daemon=True).start()

    def send(self, records: list[bytes]) -> IngestReply:
        valid: list[tuple[bytes, Envelope]] = []
        refused = []
        for index, record in enumerate(records):
            try:
                valid.append((record, validate(record)))
            except InvalidEvent as error:
                refused.append(Refusal(index, error.code, error.field, error.message))
        try:
            positions = self._run(self._produce(valid))
        except Exception as error:
            self._forget_producer()
            raise DeliveryError("unreachable", f"Kafka: {type(error).__name__}: {error}") from error
        return IngestReply(len(valid), refused, positions)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(SEND_TIMEOUT)

    async def _produce(self, records: list[tuple[bytes, Envelope]]) -> list[tuple[str, int, int]]:
        producer = await self._connected()
        headers = stamp(self._actor, self._workspace)
        waiting = []
        for record, envelope in records:
            key = record_key(envelope)
            partitions = await producer.partitions_for(envelope.stream)
            partition = partition_of(key, len(partitions))
            waiting.append(
                await producer.send(envelope.stream, record, key=key, partition=partition, headers=headers)
            )
        last: dict[tuple[str, int], int] = {}
        for done in await asyncio.gather(*waiting):
            place = (done.topic, done.partition)
            last[place] = max(last.get(place, -1), done.offset)
        return [(topic, partition, offset) for (topic, partition), offset in last.items()]

    async def _connected(self) -> Any:
        if self._producer is None:
            from aiokafka import AIOKafkaProducer

            producer = AIOKafkaProducer(
                **self._settings, acks="all", max_request_size=1_200_000, max_batch_size=1 << 20, linger_ms=0
            )
            try:
                await producer.start()
            except BaseException:
                await producer.stop()
                raise
            self._producer = producer
        return self._producer

    def _forget_producer(self) -> None:
        """After an error a producer may be stuck for good: the next batch gets a new one."""
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(Exception):
                asyncio.run_coroutine_threadsafe(producer.stop(), self._loop).result(STOP_TIMEOUT)

    def store(self, file: Path, sha256: str, size: int) -> None:
        if self._contents is None:
            raise DeliveryError("unreachable", "artifacts need a gateway beside Kafka: set api_url")
        self._contents.store(file, sha256, size)

    def close(self) -> None:
        self._forget_producer()
        if self._contents is not None:
            self._contents.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
