"""One embedded stack for one benchmark, started and stopped by the command that users have."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speech_experiment_infra.connections import clickhouse_client
from speech_experiment_infra.settings import Settings, load_settings
from tests.benchmarks.processes import command_of, cpu_seconds, descendants, free_port
from tests.benchmarks.web import Connection

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

COMMAND = str(Path(sys.executable).parent / "speech-tracker")
START_TIMEOUT = 300


@dataclass
class Stack:
    """A running stack: where it is and how to log in."""

    folder: Path
    port: int = field(default_factory=free_port)
    first_start: float = 0.0

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def key(self) -> str:
        """The admin key of the first start."""
        return (self.data_dir / "admin.key").read_text().strip()

    @cached_property
    def settings(self) -> Settings:
        return load_settings(self.data_dir / "settings.json")

    @cached_property
    def clickhouse(self) -> Client:
        return clickhouse_client(self.settings)

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs to find this stack, and nothing of the user's."""
        return {
            "SPEECH_TRACKER_URL": self.url,
            "SPEECH_TRACKER_API_KEY": self.key,
            "SPEECH_TRACKER_SPOOL_DIR": str(self.folder / "spool"),
            **self._config,
        }

    @property
    def _config(self) -> dict[str, str]:
        return {"XDG_CONFIG_HOME": str(self.folder / "config")}

    def connection(self, **headers: str) -> Connection:
        """A connection to the API, logged in."""
        return Connection(self.url, {"Authorization": f"Bearer {self.key}", **headers})

    def up(self) -> float:
        """Starts the stack and returns the seconds until it was ready; raises RuntimeError with the reason."""
        start = time.monotonic()
        self._run("up", "--data-dir", str(self.data_dir), "--port", str(self.port), "--detach")
        return time.monotonic() - start

    def down(self) -> None:
        self._run("down", "--data-dir", str(self.data_dir))

    def _run(self, *arguments: str) -> None:
        log = self.folder / "command.log"
        with log.open("ab") as output:
            done = subprocess.run(
                [COMMAND, *arguments],
                stdout=output,
                stderr=output,
                env={**os.environ, **self._config},
                timeout=START_TIMEOUT,
                check=False,
            )
        if done.returncode:
            words = log.read_text(errors="replace")[-2000:]
            raise RuntimeError(f"speech-tracker {arguments[0]} ended with {done.returncode}: {words}")

    def pids(self) -> set[int]:
        """The supervisor and everything that it started."""
        mark = str(self.data_dir)
        tops = {int(p.name) for p in Path("/proc").glob("[0-9]*") if mark in command_of(int(p.name))}
        return set().union(*(descendants(pid) for pid in tops)) if tops else set()

    def cpu(self) -> dict[str, float]:
        """CPU seconds that each part of the stack has used so far."""
        used: dict[str, float] = {}
        for pid in self.pids():
            part = _part(command_of(pid))
            used[part] = used.get(part, 0.0) + cpu_seconds({pid})
        return used

    def rows(self, query: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """The rows of a ClickHouse query."""
        return [tuple(row) for row in self.clickhouse.query(query, parameters=parameters).result_rows]

    @cached_property
    def points_table(self) -> str:
        """The live table of metric points."""
        found = self.rows("select name from system.tables where name like 'metric_points_v%'")
        return str(sorted(name for (name,) in found)[-1])

    def points(self) -> int:
        """Rows of metric points that a query sees now."""
        return int(self.rows(f"select count() from {self.points_table}")[0][0])


def _part(command: str) -> str:
    """The part of the stack that a command line belongs to."""
    parts = {
        "/bin/java": "kafka",
        "postgres": "postgres",
        "infra.store": "store",
        "experiment_api": "api",
        "consumers metrics": "metrics",
        "consumers metadata": "metadata",
        "consumers": "consumers",
    }
    return next((part for mark, part in parts.items() if mark in command), "others")


@contextmanager
def running_stack() -> Iterator[Stack]:
    """A fresh stack in a folder of its own, stopped and removed at the end."""
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        stack = Stack(Path(folder))
        try:
            stack.first_start = stack.up()
            yield stack
        finally:
            stack.down()
