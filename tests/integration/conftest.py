"""Clients of the session's stack."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest

from speech_experiment_infra.embedded.kafka import USER, Broker
from speech_experiment_infra.embedded.processes import free_ports, spawn
from speech_experiment_infra.paths import cache_dir
from speech_experiment_infra.settings import Settings
from speech_experiment_infra.topics import ensure_topics
from speech_experiment_tracker import Client
from tests.conftest import RunningStack

PARTITIONS = 3


@pytest.fixture
async def admin(stack: RunningStack) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client with the admin key of the workspace `default`."""
    headers = {"Authorization": f"Bearer {stack.key}"}
    async with httpx.AsyncClient(base_url=stack.url, timeout=60, headers=headers) as client:
        yield client


@pytest.fixture
def client(stack: RunningStack, tmp_path: Path) -> Client:
    """The SDK with the admin key; it raises what it would swallow in a training."""
    return Client(stack.url, stack.key, spool_dir=tmp_path / "spool", on_error="raise")


@pytest.fixture
def settings(stack: RunningStack) -> Settings:
    """Where the stack's stores are."""
    return stack.settings


@pytest.fixture(scope="session")
async def wide(
    stack: RunningStack, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Settings, dict[str, str]]]:
    """A broker whose topics have three partitions, beside the stack's databases; settings and environment."""
    folder: Path = tmp_path_factory.mktemp("kafka")
    port, controller = free_ports(2)
    broker = Broker(folder, port, controller, "secret", "4L6g3nShT-eMCtK--X86sw")
    broker.prepare(cache_dir(), print)
    process = spawn(broker.command(cache_dir()), folder / "kafka.log")
    changes = {
        "kafka_bootstrap": broker.bootstrap,
        "kafka_username": USER,
        "kafka_password": "secret",
        "partitions": PARTITIONS,
    }
    settings = msgspec.structs.replace(stack.settings, **changes)
    names = {f"SPEECH_TRACKER_SERVER_{name.upper()}": str(value) for name, value in changes.items()}
    try:
        await ensure_topics(settings)
        path = stack.data_dir / "settings.json"
        yield settings, names | {"SPEECH_TRACKER_SERVER_SETTINGS": str(path)}
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()
