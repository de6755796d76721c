"""The direct Kafka transport, against the real broker with its SASL and the gateway's validator."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from speech_experiment_schemas.ids import uuid7
from speech_experiment_schemas.producers import ProducerOpened
from speech_experiment_schemas.runs import RunNoted
from speech_experiment_schemas.sealing import Sealer
from speech_experiment_tracker import Client, TrackerError
from speech_experiment_tracker.transports.base import DeliveryError
from speech_experiment_tracker.transports.kafka import KafkaTransport
from tests.conftest import RunningStack

pytestmark = pytest.mark.stack


def settings_of(stack: RunningStack) -> dict[str, Any]:
    settings = stack.settings
    return {
        "bootstrap": settings.kafka_bootstrap,
        "username": settings.kafka_username or "",
        "password": settings.kafka_password or "",
        "security_protocol": settings.kafka_security_protocol or "SASL_PLAINTEXT",
        "sasl_mechanism": settings.kafka_sasl_mechanism or "PLAIN",
    }


def test_a_run_travels_over_kafka_and_its_artifacts_over_the_gateway(
    stack: RunningStack, tmp_path: Path
) -> None:
    client = Client(stack.url, stack.key, spool_dir=tmp_path / "spool", kafka=settings_of(stack))
    with client.start_run("direct") as run:
        run.log_metrics({"loss": 0.5}, step=1)
        run.log_text("notes.txt", "text")
    assert run.flush("queryable", timeout=60)
    shown = client.get_run(run.id)
    assert (shown["status"], shown["metrics"]) == ("finished", {"loss": 0.5})
    assert [row["path"] for row in shown.artifacts()] == ["notes.txt"]


def test_the_validator_stands_before_kafka_too(stack: RunningStack) -> None:
    transport = KafkaTransport(**settings_of(stack))
    run = uuid7()
    sealer = Sealer(uuid7(), "runs")
    good = sealer.seal(ProducerOpened(), ("run", run))
    bad = Sealer(sealer.producer, "artifacts", seq=1).seal(RunNoted(notes="x"), ("run", run))
    reply = transport.send([good, bad, b"nonsense"])
    transport.close()
    assert reply.accepted == 1
    assert [(refusal.index, refusal.code) for refusal in reply.refused] == [
        (1, "malformed"),
        (2, "malformed"),
    ]
    assert [topic for topic, _, _ in reply.positions] == ["runs"]


def test_a_broker_that_is_away_is_an_error_that_can_be_tried_again(stack: RunningStack) -> None:
    transport = KafkaTransport(**{**settings_of(stack), "bootstrap": "127.0.0.1:1"})
    sealer = Sealer(uuid7(), "runs")
    record = sealer.seal(ProducerOpened(), ("run", uuid7()))
    start = time.monotonic()
    with pytest.raises(DeliveryError) as caught:
        transport.send([record])
    assert caught.value.kind == "unreachable"
    assert time.monotonic() - start < 70
    transport.close()


def test_kafka_without_credentials_is_refused_when_the_client_is_made(tmp_path: Path) -> None:
    with pytest.raises(TrackerError, match="SASL"):
        Client(spool_dir=tmp_path, kafka={"bootstrap": "127.0.0.1:9092"})
