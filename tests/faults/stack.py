"""A stack of our own to hurt: started by the command line like a user's, killed by signal."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil

from speech_experiment_infra.settings import Settings, load_settings


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def speech_tracker(
    *arguments: str, timeout: float = 120, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Runs the command line and returns what it printed; raises when it failed."""
    command = [sys.executable, "-m", "speech_experiment_tracker.cli", *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=timeout, env=os.environ | environment, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)} exited {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


_NO_DRAIN_FOR, _AT_MOST = 0.2, 5.0
"""Seconds; living trainers start one drain after the other."""


class Stack:
    """An embedded stack in a folder of its own, with the homes of its clients beside it."""

    def __init__(self, folder: Path, partitions: int = 1) -> None:
        self.folder = folder
        self.partitions = partitions
        self.data = folder / "data"
        self.spool = folder / "spool"
        self.port = free_port()
        (folder / "home").mkdir(parents=True, exist_ok=True)

    @property
    def environment(self) -> dict[str, str]:
        """What a client of this stack needs in its environment."""
        return {
            "HOME": str(self.folder / "home"),
            "SPEECH_TRACKER_SERVER_PARTITIONS": str(self.partitions),
            "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")),
            "SPEECH_TRACKER_SPOOL_DIR": str(self.spool),
            "SPEECH_TRACKER_URL": f"http://127.0.0.1:{self.port}",
            "SPEECH_TRACKER_API_KEY": self.key if (self.data / "admin.key").exists() else "",
        }

    @property
    def key(self) -> str:
        return (self.data / "admin.key").read_text().strip()

    @property
    def settings(self) -> Settings:
        return load_settings(self.data / "settings.json")

    def up(self) -> None:
        speech_tracker(
            "up", "--data-dir", str(self.data), "--port", str(self.port), "--detach", **self.environment
        )

    def down(self) -> None:
        speech_tracker("down", "--data-dir", str(self.data), **self.environment)

    def children(self) -> dict[str, int]:
        """Name → pid of the supervised processes that are running now."""
        from speech_experiment_infra.state import stack_status

        return {
            name: child["pid"] for name, child in stack_status(self.data)["children"].items() if child["pid"]
        }

    def kill(self, name: str, how: signal.Signals = signal.SIGKILL) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.children()[name], how)

    @contextlib.contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """A child, with its own children, that stands still and answers nobody."""
        child = psutil.Process(self.children()[name])
        family = [child, *child.children(recursive=True)]
        for process in family:
            process.suspend()
        try:
            yield
        finally:
            for process in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.resume()

    @contextlib.contextmanager
    def spooling_to(self, folder: Path) -> Iterator[None]:
        """Another spool for the clients that are started meanwhile."""
        usual, self.spool = self.spool, folder
        try:
            yield
        finally:
            self.spool = usual

    def start_drain(self) -> None:
        """As a client does; one that is alive already goes on alone."""
        command = [sys.executable, "-P", "-m", "speech_experiment_tracker.drain", str(self.spool)]
        with (self.folder / "drain.log").open("ab") as log:
            subprocess.run(command, env=os.environ | self.environment, stdout=log, stderr=log, check=True)

    def kill_drains(self) -> None:
        """kill -9 of every drain that serves the clients' spool, and of one that is just starting.

        A dead trainer's child may be about to become one: none may be seen for a while.
        """
        start = seen = time.monotonic()
        while time.monotonic() - seen < _NO_DRAIN_FOR and time.monotonic() - start < _AT_MOST:
            for process in psutil.process_iter(["cmdline"]):
                if self._is_drain(process):
                    seen = time.monotonic()
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process.kill()
            time.sleep(0.02)

    def _is_drain(self, process: psutil.Process) -> bool:
        command = process.info["cmdline"] or []
        return str(self.spool) in command and any("drain" in part for part in command)

    def kill_everything(self) -> None:
        """Supervisor and children at once, as when the machine goes down without a word."""
        from speech_experiment_infra.state import stack_status

        for pid in [stack_status(self.data)["pid"], *self.children().values()]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def exchange(
        self, path: str, *, method: str = "GET", body: bytes | None = None, **headers: str
    ) -> tuple[int, bytes, Mapping[str, str]]:
        """(status, body, headers) of one HTTP request with the admin key."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, method=method)
        request.add_header("Authorization", f"Bearer {self.key}")
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            return error.code, error.read(), error.headers

    def request(
        self, path: str, *, method: str = "GET", body: bytes | None = None, **headers: str
    ) -> tuple[int, bytes]:
        """(status, body) of one HTTP request with the admin key."""
        return self.exchange(path, method=method, body=body, **headers)[:2]

    def get(self, path: str) -> Any:
        status, body = self.request(path)
        if status != 200:
            raise RuntimeError(f"GET {path}: {status} {body[:500]!r}")
        return json.loads(body)

    def wait_ready(self, timeout: float = 60) -> None:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, RuntimeError):
                if self.request("/readyz")[0] == 200:
                    return
            time.sleep(0.1)
        raise TimeoutError(f"the stack was not ready within {timeout} s")

    def trainer(
        self, witness: Path, name: str, steps: int, *options: str, environment: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Starts tests.faults.trainer as a process of its own."""
        command = [sys.executable, "-m", "tests.faults.trainer", str(witness), name, str(steps), *options]
        log = (self.folder / f"{name}.log").open("wb")
        return subprocess.Popen(
            command, env=os.environ | self.environment | (environment or {}), stdout=log, stderr=log
        )

    def wait_quiet(self, timeout: float = 90) -> None:
        """Until every spool is delivered and every projection stands at the end of its topic."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, RuntimeError, KeyError):
                if not self.undelivered() and self.lag() == 0:
                    return
            time.sleep(0.2)
        raise TimeoutError(f"not quiet within {timeout} s: {self.undelivered()} spools, lag {self.lag()}")

    def undelivered(self) -> int:
        """Producers that are still in the spool."""
        return len(list(self.spool.glob("**/*.page"))) if self.spool.exists() else 0

    def lag(self) -> int:
        return sum(projection["lag"] for projection in self.get("/api/v1/status")["projections"])


@contextlib.contextmanager
def running_stack(folder: Path, partitions: int = 1) -> Iterator[Stack]:
    stack = Stack(folder, partitions)
    stack.up()
    try:
        yield stack
    finally:
        stack.down()
