"""The same code as separate processes, as the compose file runs it: stores, gateways, and workers that come and go."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from speech_experiment_consumers.failpoints import VARIABLE
from speech_experiment_infra.embedded.processes import python, spawn, tail
from speech_experiment_infra.layout import Child, Layout, open_layout
from speech_experiment_infra.paths import cache_dir
from speech_experiment_infra.settings import SETTINGS_FILE_VARIABLE, Settings, load_settings

from .balancer import Balancer
from .stack import Stack, free_port, speech_tracker

PROJECTIONS = ("metadata", "metrics", "scores", "artifacts", "control")


@dataclass
class Member:
    """One worker process; `instance` is its name in the group, where it has one."""

    projection: str
    number: int
    process: subprocess.Popen[bytes]
    log: Path
    instance: str | None = None
    failpoints: str = ""

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    @property
    def reads(self) -> bool:
        """Whether it has been given partitions, and knows where to read on."""
        return "reads on from" in self.log.read_text()

    def signal(self, how: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(how)

    def ended(self, seconds: float = 60.0) -> int:
        """Its exit status; raises TimeoutError with its last words when it goes on."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{self.projection} goes on:\n{tail(self.log)}") from None


@dataclass
class Cluster(Stack):
    """Stores, `gateways` API processes behind one address, and no worker until one is started.

    Scenarios for a Stack work on it, where they kill nothing by the supervisor's names.
    """

    folder: Path
    partitions: int = 24
    gateways: int = 1
    members: list[Member] = field(default_factory=list)
    exits: list[tuple[str, int]] = field(default_factory=list)
    """(projection, exit status) of the members that ended without being asked to."""

    def __post_init__(self) -> None:
        super().__init__(self.folder, self.partitions)
        self._stores: list[tuple[Child, subprocess.Popen[bytes]]] = []
        self._gateways: dict[int, subprocess.Popen[bytes]] = {}
        """By port."""
        self._balancer: Balancer | None = None
        self._numbers = 0
        self._layout: Layout

    @property
    def settings(self) -> Settings:
        """As on a cluster: without a data folder."""
        return load_settings(self.data / "cluster.json")

    @property
    def server_environment(self) -> dict[str, str]:
        return {**self._layout.environment, SETTINGS_FILE_VARIABLE: str(self.data / "cluster.json")}

    def up(self) -> None:
        with _in_environment(SPEECH_TRACKER_SERVER_PARTITIONS=str(self.partitions)):
            self._layout = open_layout(self.data, port=self.port)
        assert self._layout.broker is not None
        assert self._layout.postgres is not None
        self._layout.broker.prepare(cache_dir(), lambda _: None)
        self._layout.postgres.prepare(lambda _: None)
        self._stores = [(child, self._spawn_store(child)) for child in self._layout.stores()]
        self._provision()
        self._write_settings()
        ports = [free_port() for _ in range(self.gateways)]
        self._gateways = {port: self._spawn_gateway(port) for port in ports}
        self._balancer = Balancer(self.port, ports)
        self.start("control", instance="first")
        self._make_key()

    def _spawn_store(self, child: Child) -> subprocess.Popen[bytes]:
        log = self._layout.log(child.name)
        return spawn(
            child.command,
            log,
            environment=child.environment,
            on_parent_death=child.on_parent_death,
            become=child.become,
        )

    def _provision(self) -> None:
        command = python("speech_experiment_infra.provision")
        subprocess.run(command, env=os.environ | self._layout.environment, check=True, timeout=180)

    def _write_settings(self) -> None:
        changes = {"data_dir": None, "host": "127.0.0.1", "public_url": f"http://127.0.0.1:{self.port}"}
        settings = msgspec.structs.replace(self._layout.settings, **changes)
        (self.data / "cluster.json").write_text(settings.to_json())

    def _spawn_gateway(self, port: int) -> subprocess.Popen[bytes]:
        environment = self.server_environment | {"SPEECH_TRACKER_SERVER_PORT": str(port)}
        return spawn(
            python("speech_experiment_api"), self._layout.log(f"api-{port}"), environment=environment
        )

    def _make_key(self) -> None:
        """The first key is made by hand, as the compose file says."""
        key = self.data / "admin.key"
        key.touch()
        self.wait_ready()
        made = speech_tracker("admin-key", **self.environment, **self.server_environment)
        key.write_text(made.stdout.strip())

    def start(
        self, projection: str, *, instance: str | None = None, failpoints: str = "", **environment: str
    ) -> Member:
        """Starts one worker of a projection (or of NAME:VERSION)."""
        self._numbers += 1
        log = self.data / "logs" / f"worker-{projection}-{self._numbers}.log"
        names = [projection, *(["--instance", f"{projection}-{instance}"] if instance else [])]
        process = spawn(
            python("speech_experiment_consumers", *names),
            log,
            environment={**self.server_environment, VARIABLE: failpoints, **environment},
        )
        self.members.append(Member(projection, self._numbers, process, log, instance, failpoints))
        return self.members[-1]

    def start_all(self, count: int = 1) -> None:
        """So many workers of each projection that live; those of one projection share its partitions."""
        for projection in PROJECTIONS:
            for _ in range(count - len(self.of(projection))):
                self.start(projection)

    def logs(self, projection: str) -> list[Path]:
        """Of all workers of a projection that there were."""
        return sorted((self.data / "logs").glob(f"worker-{projection}-*.log"))

    def status(self) -> list[dict[str, Any]]:
        """What the API says of the projections."""
        found: list[dict[str, Any]] = self.get("/api/v1/status")["projections"]
        return found

    def parked(self) -> int:
        return sum(each["dead_letters"] for each in self.status())

    def of(self, projection: str) -> list[Member]:
        return [each for each in self.members if each.projection == projection]

    def end(self, member: Member, how: signal.Signals = signal.SIGTERM, seconds: float = 30.0) -> int:
        """Ends a member and returns its exit status."""
        self.members.remove(member)
        member.signal(how)
        return member.ended(seconds)

    def wait_reading(self, timeout: float = 60.0) -> None:
        deadline = time.monotonic() + timeout
        while not all(member.reads for member in self.members):
            if time.monotonic() > deadline:
                raise TimeoutError(f"not all workers read within {timeout} s:\n{self._last_words()}")
            time.sleep(0.05)

    def kill_gateway(self, dice: random.Random) -> None:
        dice.choice(list(self._gateways.values())).kill()

    def dismiss(self) -> None:
        """Ends every member, those that are frozen too."""
        for member in list(self.members):
            member.signal(signal.SIGCONT)
            self.end(member, signal.SIGKILL)
        self.exits.clear()

    def tend(self, *, keep_failpoints: bool = False) -> None:
        """Starts again, under the same name, whoever ended by itself; gateways too."""
        for member in [each for each in self.members if not each.alive]:
            self.members.remove(member)
            self.exits.append((member.projection, member.process.returncode))
            armed = member.failpoints if keep_failpoints else ""
            self.start(member.projection, instance=member.instance, failpoints=armed)
        for port, process in self._gateways.items():
            if process.poll() is not None:
                self._gateways[port] = self._spawn_gateway(port)

    def wait_quiet(self, timeout: float = 180) -> None:
        deadline = time.monotonic() + timeout
        while True:
            self.tend()
            with contextlib.suppress(TimeoutError, OSError, RuntimeError):
                return super().wait_quiet(2.0)
            if time.monotonic() > deadline:
                raise TimeoutError(f"not quiet within {timeout} s: lag {self.lag()}\n{self._last_words()}")

    def _last_words(self) -> str:
        return "\n".join(f"{each.projection}-{each.number}: {tail(each.log, 3)}" for each in self.members)

    def children(self) -> dict[str, int]:
        found = {child.name: process.pid for child, process in self._stores}
        found |= {f"gateway-{port}": process.pid for port, process in self._gateways.items()}
        return found | {f"{each.projection}-{each.number}": each.process.pid for each in self.members}

    def down(self) -> None:
        for member in self.members:
            member.signal(signal.SIGCONT)
            member.signal(signal.SIGKILL)
        if self._balancer:
            self._balancer.close()
        stores = [(process, child.stop_signal) for child, process in self._stores]
        for process, how in [*((each, signal.SIGTERM) for each in self._gateways.values()), *stores]:
            process.send_signal(how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
            process.wait()


@contextlib.contextmanager
def _in_environment(**values: str) -> Iterator[None]:
    before: Mapping[str, str] = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def running_cluster(folder: Path, partitions: int = 24, gateways: int = 1) -> Iterator[Cluster]:
    cluster = Cluster(folder, partitions, gateways)
    try:
        cluster.up()
        yield cluster
    finally:
        cluster.down()
