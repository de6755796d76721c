"""The embedded stack as its users and its enemies see it: started, refused, killed, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import signal
import time
import urllib.request
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from speech_experiment_infra.connections import (
    clickhouse_client,
    kafka_consumer,
    kafka_producer,
    object_store_client,
)
from speech_experiment_infra.embedded.kafka import USER, Broker
from speech_experiment_infra.embedded.processes import Identity
from speech_experiment_infra.embedded.registration import end_registration
from speech_experiment_infra.settings import TOPICS, load_settings
from speech_experiment_infra.state import stack_status
from speech_experiment_infra.topics import ensure_topics
from tests.conftest import command_line

pytestmark = pytest.mark.stack

WARM_START_S = 8.0
REFUSED = "DUPLICATE_BROKER_REGISTRATION"
BUSY_LOAD = 2.0 * (os.cpu_count() or 1)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a space in its path, and a stack in it that was started once before."""
    folder = tmp_path_factory.mktemp("own stack") / "data dir"
    up(folder)
    yield folder
    down(folder)


def up(data_dir: Path) -> float:
    """Seconds until the stack was ready."""
    began = time.monotonic()
    port = () if (data_dir / "secrets.json").exists() else ("--port", "0")
    done = command_line("up", "--data-dir", str(data_dir), *port, "--detach", home=data_dir.parent)
    assert done.returncode == 0, done.stderr
    return time.monotonic() - began


def down(data_dir: Path) -> None:
    done = command_line("down", "--data-dir", str(data_dir), home=data_dir.parent)
    assert done.returncode == 0, done.stderr


def wait_for(what: str, reached: Callable[[], bool], timeout_s: float = 120.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not reached():
        assert time.monotonic() < deadline, f"{what} did not happen within {timeout_s:.0f} s"
        time.sleep(0.05)


def children(data_dir: Path) -> dict[str, Any]:
    found: dict[str, Any] = stack_status(data_dir)["children"]
    return found


async def write_everywhere(data_dir: Path, mark: str) -> None:
    """One value in each store."""
    settings = load_settings(data_dir / "settings.json")
    await ensure_topics(settings, timeout_s=60)  # waits for a broker that was killed a moment ago
    connection = await asyncpg.connect(settings.postgres_dsn)
    await connection.execute("create table if not exists public.marks (mark text)")
    await connection.execute("insert into public.marks values ($1)", mark)
    await connection.close()
    client = clickhouse_client(settings)
    client.command(
        "create table if not exists marks (mark String) engine = MergeTree order by mark "
        "settings fsync_after_insert = 1, fsync_part_directory = 1"
    )
    client.insert("marks", [[mark]], column_names=["mark"])
    async with kafka_producer(settings) as producer:
        await producer.send_and_wait("evaluations", mark.encode())
    body = mark.encode()
    object_store_client(settings).put_object(settings.s3_bucket, f"marks/{mark}", io.BytesIO(body), len(body))


async def marks_everywhere(data_dir: Path) -> dict[str, set[str]]:
    """The values found in each store."""
    settings = load_settings(data_dir / "settings.json")
    connection = await asyncpg.connect(settings.postgres_dsn)
    in_postgres = {row["mark"] for row in await connection.fetch("select mark from public.marks")}
    await connection.close()
    in_clickhouse = {
        row[0] for row in clickhouse_client(settings).query("select mark from marks").result_rows
    }
    async with kafka_consumer(settings, "evaluations") as consumer:
        partitions = consumer.assignment()
        ends = await consumer.end_offsets(list(partitions))
        await consumer.seek_to_beginning()
        in_kafka: set[str] = set()
        while len(in_kafka) < sum(ends.values()):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                in_kafka |= {record.value.decode() for record in records}
    store = object_store_client(settings)
    listed = store.list_objects(settings.s3_bucket, prefix="marks/")
    in_objects = {(one.object_name or "").removeprefix("marks/") for one in listed}
    return {"postgres": in_postgres, "clickhouse": in_clickhouse, "kafka": in_kafka, "objects": in_objects}


def test_a_second_start_is_refused_and_names_the_first(data_dir: Path) -> None:
    status = stack_status(data_dir)
    for detach in ((), ("--detach",)):
        done = command_line("up", "--data-dir", str(data_dir), *detach, home=data_dir.parent)
        assert done.returncode == 3
        assert str(status["pid"]) in done.stderr
        assert status["url"] in done.stderr


def test_every_part_is_restarted_after_kill_9_and_reported(data_dir: Path) -> None:
    wait_for("readiness", lambda: ready(data_dir))
    asyncio.run(write_everywhere(data_dir, "before"))
    for name in children(data_dir):
        kill_9(data_dir, name)
    wait_for("readiness", lambda: ready(data_dir))
    asyncio.run(write_everywhere(data_dir, "after"))
    found = asyncio.run(marks_everywhere(data_dir))
    assert found == {store: {"before", "after"} for store in found}


def kill_9(data_dir: Path, name: str) -> None:
    """Kill a part and wait until another runs in its place; consumers may end by themselves meanwhile."""
    wait_for(f"{name} to run", lambda: children(data_dir)[name]["pid"] is not None)
    child = children(data_dir)[name]
    with contextlib.suppress(ProcessLookupError):
        os.kill(child["pid"], signal.SIGKILL)
    wait_for(f"restart of {name}", partial(restarted, data_dir, name, child["restarts"]))
    if not name.startswith("consumers"):
        assert children(data_dir)[name]["last_exit"] == "signal 9 (SIGKILL)"


def restarted(data_dir: Path, name: str, times_before: int) -> bool:
    return bool(children(data_dir)[name]["restarts"] > times_before)


def ready(data_dir: Path) -> bool:
    try:
        with urllib.request.urlopen(f"{stack_status(data_dir)['url']}/readyz", timeout=5):  # noqa: S310
            return all(child["pid"] for child in children(data_dir).values())
    except OSError:
        return False


def test_everything_killed_at_once_comes_back_with_all_data(data_dir: Path) -> None:
    asyncio.run(write_everywhere(data_dir, "kept"))
    status = stack_status(data_dir)
    for pid in [status["pid"], *(child["pid"] for child in status["children"].values())]:
        os.kill(pid, signal.SIGKILL)
    wait_for("the end of the supervisor", lambda: stack_status(data_dir)["pid"] is None)
    assert stack_status(data_dir)["status"] == "killed"
    up(data_dir)
    found = asyncio.run(marks_everywhere(data_dir))
    assert all("kept" in marks for marks in found.values()), found


async def within_a_minute(ending: Coroutine[Any, Any, bool]) -> bool:
    async with asyncio.timeout(60):
        return await ending


def test_a_killed_broker_does_not_keep_its_successor_waiting(data_dir: Path) -> None:
    kept, log = json.loads((data_dir / "secrets.json").read_bytes()), data_dir / "logs" / "kafka.log"
    ports = kept["ports"]
    broker = Broker(
        data_dir / "kafka", ports["kafka"], ports["controller"], kept["kafka"], kept["cluster_id"]
    )
    wait_for("readiness", lambda: ready(data_dir))
    killed = broker.left_registered(log)
    assert killed is not None
    refused = log.read_text().count(REFUSED)
    kill_9(data_dir, "kafka")
    wait_for("its successor's registration", lambda: broker.left_registered(log) not in {killed, None})
    # One each half second, for a session of three seconds.
    assert log.read_text().count(REFUSED) - refused < 5
    ending = end_registration(broker.controller_port, USER, broker.password, 1, killed)
    assert not asyncio.run(within_a_minute(ending)), (
        "the successor's registration was ended for its predecessor's"
    )
    asyncio.run(write_everywhere(data_dir, "successor"))


def test_children_do_not_outlive_a_killed_supervisor(data_dir: Path) -> None:
    status = stack_status(data_dir)
    family = [Identity.of(child["pid"]) for child in status["children"].values()]
    os.kill(status["pid"], signal.SIGKILL)
    wait_for("the end of all children", lambda: not any(one and one.alive for one in family))
    up(data_dir)


def test_a_clean_stop_leaves_nothing_and_a_warm_start_is_fast(data_dir: Path) -> None:
    family = [Identity.of(child["pid"]) for child in children(data_dir).values()]
    down(data_dir)
    assert not any(one and one.alive for one in family)
    assert stack_status(data_dir)["status"] == "stopped"
    first_s = up(data_dir)
    down(data_dir)
    second_s = up(data_dir)
    if os.getloadavg()[0] < BUSY_LOAD:  # a start is not measured while others use the machine
        assert min(first_s, second_s) < WARM_START_S


def test_the_doctor_finds_it_well(data_dir: Path) -> None:
    wait_for("readiness", lambda: ready(data_dir))
    done = command_line("doctor", "--data-dir", str(data_dir), "--json", home=data_dir.parent)
    findings = json.loads(done.stdout)
    assert [one for one in findings if one["verdict"] == "fault"] == []
    assert {"Postgres", "Kafka", "ClickHouse", "object store"} <= {one["check"] for one in findings}
    assert f"{len(TOPICS)} topics" in next(one["text"] for one in findings if one["check"] == "Kafka")


def test_secrets_are_private_and_logins_needed(data_dir: Path) -> None:
    for name in ("secrets.json", "settings.json", "admin.key"):
        assert (data_dir / name).stat().st_mode & 0o077 == 0
    settings = load_settings(data_dir / "settings.json")
    wrong = settings.postgres_dsn.replace(settings.postgres_dsn.split(":")[2].split("@")[0], "wrong")
    with pytest.raises(asyncpg.InvalidPasswordError):
        asyncio.run(asyncpg.connect(wrong))
    with pytest.raises(Exception, match="516"):
        clickhouse_client(settings, password="wrong")
