"""What belongs to one data folder: its secrets, ports, settings, and the table of its processes."""

from __future__ import annotations

import base64
import json
import os
import secrets
import signal
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from .embedded.kafka import USER, Broker
from .embedded.objects import ObjectServer
from .embedded.postgres import Postgres
from .embedded.processes import free_ports, python
from .paths import cache_dir
from .settings import SETTINGS_FILE_VARIABLE, Settings, told
from .state import write_private
from .store.__main__ import PASSWORD_VARIABLE

DEFAULT_PORT = 8765
DATABASE = "speech_experiments"

#: Projections of one process each, or of one process together; fewer processes take less memory.
CONSUMER_GROUPS: tuple[tuple[str, ...], ...] = (
    ("metrics",),
    ("metadata",),
    ("scores",),
    ("artifacts", "control"),
)
CONSUMERS_VARIABLE = "SPEECH_TRACKER_CONSUMERS"

#: Large buffers go back to the system, and threads share few heaps.
_LEAN = {"MALLOC_ARENA_MAX": "2", "MALLOC_TRIM_THRESHOLD_": "1048576", "PYTHONUNBUFFERED": "1"}


@dataclass(frozen=True, slots=True)
class Child:
    """One row of the process table."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout_s: float = 10.0
    on_parent_death: signal.Signals = signal.SIGKILL
    become: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """One stack. ``stores`` start first, ``servers`` when the stores have been set up."""

    data_dir: Path
    settings: Settings
    secrets: Mapping[str, Any]
    postgres: Postgres | None
    broker: Broker | None
    store_port: int | None
    objects: ObjectServer | None

    @property
    def settings_file(self) -> Path:
        """The file that tells every child where the stores are."""
        return self.data_dir / "settings.json"

    @property
    def environment(self) -> dict[str, str]:
        """What every process of ours gets."""
        return {SETTINGS_FILE_VARIABLE: str(self.settings_file), **_LEAN}

    def log(self, name: str) -> Path:
        """The log of a child."""
        return self.data_dir / "logs" / f"{name}.log"

    def folders(self) -> list[Path]:
        """Of all stores; none when one of them is somewhere else."""
        if not (self.postgres and self.broker and self.store_port is not None and self.objects):
            return []
        return [self.postgres.folder, self.broker.folder / "log", self._store_folder, self.objects.folder]

    @property
    def _store_folder(self) -> Path:
        return self.data_dir / "store"

    def stores(self) -> list[Child]:
        """Stores that are not somewhere else by the settings."""
        children = []
        if self.postgres:
            quickly = signal.SIGINT  # Postgres: roll back what runs, then stop
            children.append(
                Child(
                    "postgres",
                    self.postgres.command(),
                    port=self.postgres.port,
                    stop_signal=quickly,
                    on_parent_death=quickly,
                    become=self.postgres.become(),
                )
            )
        if self.broker:
            command = self.broker.command(cache_dir())
            children.append(Child("kafka", command, port=self.broker.port, on_parent_death=signal.SIGTERM))
        if self.store_port is not None:
            children.append(self._store(self.store_port))
        if self.objects:
            environment = {**self.objects.environment(), **_LEAN}
            children.append(Child("s3", self.objects.command(), environment, self.objects.port))
        return children

    def servers(self) -> list[Child]:
        """Gateway and queries, and the consumers."""
        api = Child("api", python("speech_experiment_api"), self.environment, self.settings.port)
        return [api, *(self._consumer(group) for group in consumer_groups())]

    def _store(self, port: int) -> Child:
        place = ["--path", str(self._store_folder), "--port", str(port), "--database", DATABASE]
        environment = {**_LEAN, PASSWORD_VARIABLE: self.secrets["store"]}
        return Child("store", python("speech_experiment_infra.store", *place), environment, port)

    def _consumer(self, group: Sequence[str]) -> Child:
        name = f"consumers-{'-'.join(group)}"
        return Child(name, python("speech_experiment_consumers", *group), self.environment)


def consumer_groups() -> tuple[tuple[str, ...], ...]:
    """How projections share processes; ``SPEECH_TRACKER_CONSUMERS="metrics;metadata,control"`` changes it."""
    chosen = os.environ.get(CONSUMERS_VARIABLE)
    if not chosen:
        return CONSUMER_GROUPS
    return tuple(tuple(group.split(",")) for group in chosen.split(";"))


def open_layout(data_dir: Path, *, host: str | None = None, port: int | None = None) -> Layout:
    """The layout of a data folder, made on first use; settings are written for the children.

    A store whose address is set in the environment is used where it is and not started here.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    # Others may pass through, as Postgres under its own user has to; they may not look around.
    data_dir.chmod(0o711)
    kept = _secrets(data_dir)
    given, elsewhere = Settings.load(data_dir=data_dir), told()
    ports = _ports(kept, port)
    kept["ports"] = ports
    postgres = None if "postgres_dsn" in elsewhere else _postgres(data_dir, kept, ports["postgres"])
    broker = None if "kafka_bootstrap" in elsewhere else _broker(data_dir, kept, ports)
    store_port = None if "clickhouse_url" in elsewhere else ports["store"]
    objects = None if "s3_endpoint" in elsewhere else _objects(data_dir, kept, ports["s3"])
    values: dict[str, Any] = {"port": ports["api"], **({"host": host} if host else {})}
    if postgres:
        values["postgres_dsn"] = postgres.dsn
    if broker:
        values |= {
            "kafka_bootstrap": broker.bootstrap,
            "kafka_username": USER,
            "kafka_password": broker.password,
        }
        # One broker gains nothing from more than one partition; tests ask for more.
        partitions = given.partitions if "partitions" in elsewhere else 1
        values |= {"partitions": partitions, "replication_factor": 1}
    if store_port is not None:
        values["clickhouse_url"] = f"http://default:{kept['store']}@127.0.0.1:{store_port}/{DATABASE}"
    if objects:
        values |= {
            "s3_endpoint": f"127.0.0.1:{objects.port}",
            "s3_secure": False,
            "s3_region": objects.region,
        }
        values |= {"s3_access_key": objects.access_key, "s3_secret_key": objects.secret_key}
    layout = Layout(
        data_dir, msgspec.structs.replace(given, **values), kept, postgres, broker, store_port, objects
    )
    write_private(data_dir / "secrets.json", json.dumps(kept, indent=1))
    write_private(layout.settings_file, layout.settings.to_json())
    return layout


def _cluster_id() -> str:
    """A cluster id as Kafka makes them: never with a leading dash, which would read as an option."""
    while (made := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return made


def _secrets(data_dir: Path) -> dict[str, Any]:
    """The secrets of a data folder, made on first use."""
    try:
        kept: dict[str, Any] = json.loads((data_dir / "secrets.json").read_bytes())
    except FileNotFoundError:
        kept = {}
    for name in ("postgres_superuser", "postgres", "kafka", "store", "s3_secret_key"):
        kept.setdefault(name, secrets.token_hex(20))
    kept.setdefault("s3_access_key", secrets.token_hex(10))
    kept.setdefault("cluster_id", _cluster_id())
    return kept


def _ports(kept: Mapping[str, Any], api_port: int | None) -> dict[str, int]:
    """The ports of the last start where they are still free, others where not."""
    names = ["kafka", "controller", "postgres", "store", "s3"]
    last: Mapping[str, int] = kept.get("ports", {})
    ports = dict(zip(names, free_ports(len(names), [last.get(name, 0) for name in names]), strict=True))
    if api_port == 0:
        return {**ports, "api": free_ports(1)[0]}
    return {**ports, "api": api_port or last.get("api", DEFAULT_PORT)}


def _postgres(data_dir: Path, kept: Mapping[str, Any], port: int) -> Postgres:
    superuser, password = kept["postgres_superuser"], kept["postgres"]
    return Postgres(data_dir / "postgres", port, superuser, "tracker", password, DATABASE)


def _broker(data_dir: Path, kept: Mapping[str, Any], ports: Mapping[str, int]) -> Broker:
    return Broker(data_dir / "kafka", ports["kafka"], ports["controller"], kept["kafka"], kept["cluster_id"])


def _objects(data_dir: Path, kept: Mapping[str, Any], port: int) -> ObjectServer:
    return ObjectServer(data_dir / "objects", port, kept["s3_access_key"], kept["s3_secret_key"])
