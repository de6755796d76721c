"""The tables of a metadata version as values, to be compared with a pure fold."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from speech_experiment_infra.connections import clickhouse, postgres_pool
from speech_experiment_infra.migrate import create_projection
from speech_experiment_infra.settings import SETTINGS_FILE_VARIABLE, Settings
from speech_experiment_projections.contacts import unpack
from speech_experiment_projections.intervals import to_multirange
from speech_experiment_projections.run_rows import derived_columns, experiment_row, run_row
from speech_experiment_projections.texts import clean_text, to_json
from speech_experiment_projections.trees import params
from tests.integration.metadata_log import Folded

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TIMES = {"created_at", "started_at", "finished_at", "heartbeat_at", "updated_at"}
DOCUMENTS = {"tags", "config", "environment", "problems", "concurrent"}


async def make_version(settings: Settings, name: str, version: int) -> None:
    """Fresh tables of a projection version of our own."""
    async with postgres_pool(settings) as pool, clickhouse(settings) as client:
        await pool.execute(f"drop schema if exists {name}_v{version} cascade")
        await pool.execute("delete from coord.migrations where name like $1", f"%{name}_v{version}")
        await create_projection(pool, client, name, version)


class WorkerProcess:
    """A real worker, killed and started again at will."""

    def __init__(self, settings_file: Path, *names: str, environment: dict[str, str] | None = None) -> None:
        self._command = [sys.executable, "-m", "speech_experiment_consumers", *names]
        self._environment = {**os.environ, SETTINGS_FILE_VARIABLE: str(settings_file), **(environment or {})}
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *self._command, env=self._environment, stderr=asyncio.subprocess.DEVNULL
        )

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(how)

    async def reported(self, settings: Settings, seconds: float = 60.0) -> None:
        """Waits until the worker reads partitions and has said so."""
        assert self._process is not None
        connection = await asyncpg.connect(settings.postgres_dsn)
        query = (
            "select 1 from coord.workers where (status->>'pid')::int = $1 and status->'partitions' <> '{}'"
        )
        try:
            async with asyncio.timeout(seconds):
                while not await connection.fetchval(query, self._process.pid):
                    assert self._process.returncode is None, f"the worker ended: {self._process.returncode}"
                    await asyncio.sleep(0.1)
        finally:
            await connection.close()

    async def ended(self, seconds: float = 30.0) -> int:
        assert self._process is not None
        return await asyncio.wait_for(self._process.wait(), seconds)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[WorkerProcess]:
        await self.start()
        try:
            yield self
        finally:
            self.kill()
            await self.ended()


async def applied(settings: Settings, schema: str, ends: dict[int, int], seconds: float = 60.0) -> None:
    """Waits until the positions have reached the ends."""
    connection = await asyncpg.connect(settings.postgres_dsn)
    try:
        async with asyncio.timeout(seconds):
            while True:
                rows = await connection.fetch(f"select partition, next_offset from {schema}.positions")
                reached = {row["partition"]: row["next_offset"] for row in rows}
                if all(reached.get(partition, 0) >= end for partition, end in ends.items()):
                    return
                await asyncio.sleep(0.05)
    finally:
        await connection.close()


def expected_tables(folded: Folded) -> dict[str, Any]:
    """What the tables of the fold look like."""
    tables: dict[str, Any] = {
        "runs": {run.id: _run(run) for run in folded.runs.values()},
        "experiments": {each.id: _experiment(each) for each in folded.experiments.values()},
        "params": {
            (run.id, key, str(param.num), param.txt)
            for run in folded.runs.values()
            for key, param in params(run.config).items()
        },
        "tags": {
            (run.id, clean_text(key), clean_text(value))
            for run in folded.runs.values()
            for key, value in run.tags.items()
        },
        "links": {(run.id, *link) for run in folded.runs.values() for link in run.links},
        "output": folded.output,
        "versions": {
            (run, start, end, *version)
            for run, versions in folded.versions.items()
            for (start, version), end in zip(versions, [*(v[0] for v in versions[1:]), None], strict=True)
        },
        "beats": folded.beats,
        "experiment_versions": folded.experiment_versions,
        "parked": folded.parked,
        "ledger": {
            account: (
                to_multirange(entry.received),
                to_multirange(entry.voided),
                entry.digest,
                entry.last_seq,
                entry.opened.role if entry.opened else None,
                entry.closed.reason if entry.closed else None,
                entry.first_offset,
                entry.last_offset,
            )
            for account, entry in folded.accounts.entries.items()
        },
    }
    return tables


def _run(run: Any) -> dict[str, Any]:
    row = run_row(run)._asdict() | msgspec.structs.asdict(derived_columns(run))
    return {name: _value(name, value) for name, value in row.items()}


def _experiment(experiment: Any) -> dict[str, Any]:
    return {name: _value(name, value) for name, value in experiment_row(experiment)._asdict().items()}


def _value(name: str, value: Any) -> Any:
    if name in TIMES and isinstance(value, int):
        return EPOCH + timedelta(microseconds=value)
    if name in DOCUMENTS and isinstance(value, str):
        return msgspec.json.decode(value)
    return value


async def actual_tables(settings: Settings, schema: str) -> dict[str, Any]:
    """What the tables hold."""
    c = await asyncpg.connect(settings.postgres_dsn)
    try:
        runs = await c.fetch(f"select * from {schema}.runs")
        experiments = await c.fetch(f"select * from {schema}.experiments")
        skipped = {"state", "last_run_at"}
        return {
            "runs": {
                row["id"]: {k: _value(k, v) for k, v in row.items() if k not in skipped} for row in runs
            },
            "experiments": {
                row["id"]: {k: _value(k, v) for k, v in row.items() if k not in skipped}
                for row in experiments
            },
            "params": {
                (r["run_id"], r["key"], str(r["num"]), r["txt"])
                for r in await c.fetch(f"select * from {schema}.run_params")
            },
            "tags": {tuple(r) for r in await c.fetch(f"select run_id, key, value from {schema}.run_tags")},
            "links": {
                tuple(r) for r in await c.fetch(f"select run_id, kind, target from {schema}.run_links")
            },
            "output": {
                (r["run_id"], r["partition"], r["offset"], tuple(r["lines"]))
                for r in await c.fetch(f"select * from {schema}.run_output")
            },
            "versions": {
                tuple(r)
                for r in await c.fetch(
                    f"select run_id, from_offset, to_offset, state, config, environment from {schema}.run_versions"
                )
            },
            "beats": {
                (r["run_id"], beat, to_json(dict(sorted(msgspec.json.decode(r["problems"]).items()))))
                for r in await c.fetch(f"select * from {schema}.run_contacts")
                for beat in unpack(r["beats"])
            },
            "experiment_versions": {
                tuple(r)
                for r in await c.fetch(
                    f"select experiment_id, from_offset, state from {schema}.experiment_versions"
                )
            },
            "parked": {
                (r["partition"], r["offset"]): r["reason"]
                for r in await c.fetch(f"select * from {schema}.dead_letters")
            },
            "ledger": {
                tuple(r)[:3]: tuple(r)[3:]
                for r in await c.fetch(
                    "select producer, run_id, workspace, received::text, voided::text, digest, last_seq, role, close_reason, "
                    f"first_offset, last_offset from {schema}.ledger"
                )
            },
        }
    finally:
        await c.close()


def differences(expected: dict[str, Any], actual: dict[str, Any]) -> list[str]:
    """What differs, table by table, a few examples each; empty when everything is equal."""
    found = []
    for table, wanted in expected.items():
        got = actual[table]
        if wanted != got:
            if isinstance(wanted, dict):
                keys = [key for key in {**wanted, **got} if wanted.get(key) != got.get(key)]
                shown = [(key, _unequal(wanted.get(key), got.get(key))) for key in keys[:3]]
            else:
                shown = [("missing", list(wanted - got)[:3]), ("surplus", list(got - wanted)[:3])]
            found.append(f"{table}: {shown}")
    return found


def _unequal(wanted: Any, got: Any) -> Any:
    if isinstance(wanted, dict) and isinstance(got, dict):
        return {key: (wanted[key], got.get(key)) for key in wanted if wanted[key] != got.get(key)}
    return wanted, got


def comparable(tables: dict[str, Any]) -> dict[str, Any]:
    """Without first and last offset where a producer's records lie in several partitions."""
    ledger = tables["ledger"]
    cut = {account: row[:-2] if account[1] is None else row for account, row in ledger.items()}
    return {**tables, "ledger": cut}
