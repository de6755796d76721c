"""Several partitions and workers that come and go: each record is projected once, whoever has its partition."""

from __future__ import annotations

import asyncio
import random
import secrets
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from speech_experiment_infra.embedded.kafka import USER, Broker
from speech_experiment_infra.embedded.processes import free_ports
from speech_experiment_infra.paths import cache_dir
from speech_experiment_infra.settings import Settings
from speech_experiment_infra.topics import ensure_topics
from speech_experiment_schemas import Sealer
from speech_experiment_schemas.experiments import ExperimentCreated
from speech_experiment_schemas.ids import experiment_id, uuid7
from tests.conftest import RunningStack
from tests.integration.metadata_log import Folded, Message, append, bad_delivery, read_log, run_messages
from tests.integration.metadata_tables import (
    WorkerProcess,
    actual_tables,
    applied,
    comparable,
    differences,
    expected_tables,
    make_version,
)

pytestmark = pytest.mark.stack

VERSION = 904
PARTITIONS = 4


@pytest.fixture(scope="module")
def wide_log(stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A second Kafka with four partitions a topic, beside the stack's Postgres."""
    folder = tmp_path_factory.mktemp("wide")
    ports = free_ports(2)
    broker = Broker(folder / "kafka", ports[0], ports[1], secrets.token_hex(8), "d2lkZS1sb2ctZm9yLXRlc3Q")
    broker.prepare(cache_dir(), lambda *_: None)
    process = subprocess.Popen(
        broker.command(cache_dir()), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield msgspec.structs.replace(
            stack.settings,
            data_dir=None,
            kafka_bootstrap=broker.bootstrap,
            kafka_username=USER,
            kafka_password=broker.password,
            partitions=PARTITIONS,
            replication_factor=1,
        )
    finally:
        process.terminate()
        process.wait(20)


def build_log(rng: random.Random) -> list[Message]:
    """Runs in all partitions, and experiments of one producer, whose records lie in several."""
    service = Sealer(uuid7(), "runs")
    messages: list[Message] = []
    for index in range(6):
        name = f"Experiment {index} {uuid7()}"
        experiment = experiment_id("default", name)
        for _ in range(15):
            messages += run_messages(rng, experiment, name)
        created = service.seal(ExperimentCreated(name=name, task="asr"), ("experiment", experiment))
        messages.append((experiment.bytes, created, "default"))
    return bad_delivery(rng, messages)


async def test_workers_join_leave_and_die_under_load(wide_log: Settings, tmp_path: Path) -> None:
    await ensure_topics(wide_log, timeout_s=30)
    await make_version(wide_log, "metadata", VERSION)
    settings_file = tmp_path / "settings.json"
    settings_file.write_text(wide_log.to_json())
    rng = random.Random(20_261_123)
    messages = build_log(rng)
    workers = [WorkerProcess(settings_file, f"metadata:{VERSION}") for _ in range(2)]
    signals = (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM, signal.SIGKILL)
    part = len(messages) // len(signals) + 1
    async with workers[0].running(), workers[1].running():
        for step, how in enumerate(signals):
            for worker in workers:
                await worker.reported(wide_log)
            writing = asyncio.create_task(
                append(wide_log, messages[step * part : (step + 1) * part], pause=0.1)
            )
            await asyncio.sleep(rng.random() / 2)
            leaving = workers[step // 2]
            leaving.kill(how)
            assert await leaving.ended() == (0 if how == signal.SIGTERM else -how)
            await leaving.start()
            await writing
        log = await read_log(wide_log)
        ends = {record.partition: record.offset + 1 for record in log}
        assert set(ends) == set(range(PARTITIONS))
        await applied(wide_log, f"metadata_v{VERSION}", ends)
    folded = Folded(log, PARTITIONS)
    actual = await actual_tables(wide_log, f"metadata_v{VERSION}")
    found = differences(comparable(expected_tables(folded)), comparable(actual))
    assert not found, "\n".join(found)
