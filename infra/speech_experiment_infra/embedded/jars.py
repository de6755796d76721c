"""The broker's jars: exactly those of ``kafka.lock.toml``, checked by SHA-256, kept in a cache.

The lock is jgo's, resolved from Kafka's Maven coordinates less what a broker does not load
(`lock`, run by a maintainer for a new Kafka). Installing resolves nothing: every jar of the lock
that is missing or damaged in the cache is fetched again, and moved there only when its hash agrees.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
import tomllib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LOCK_FILE = Path(__file__).with_name("kafka.lock.toml")
REPOSITORY_VARIABLE = "SPEECH_TRACKER_MAVEN_URL"

KAFKA = "org.apache.kafka:kafka_2.13:4.4.0"
LOGGING = "org.slf4j:slf4j-simple:1.7.36"
#: Reached from Kafka's coordinates but never loaded by a broker.
NOT_NEEDED = frozenset(
    [
        "commons-beanutils",
        "commons-collections",
        "commons-digester",
        "commons-logging",
        "jackson-dataformat-yaml",
        "jspecify",
        "scala-reflect",
        "snakeyaml",
    ]
)

_PARALLEL_DOWNLOADS = 6
_TIMEOUT_S = 30
_LEFTOVER_AFTER_S = 3600

Report = Callable[[str], None]


class JarError(Exception):
    """A jar could not be had, or is not the one of the lock."""


@dataclass(frozen=True, slots=True)
class Jar:
    """One locked artifact of a Maven repository."""

    group: str
    name: str
    version: str
    sha256: str

    @property
    def filename(self) -> str:
        """File name in the repository and in the cache."""
        return f"{self.name}-{self.version}.jar"

    def intact(self, folder: Path) -> bool:
        """True when the cached file is there and is the locked one."""
        path = folder / self.filename
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == self.sha256


def locked_jars(lock_file: Path = LOCK_FILE) -> list[Jar]:
    """The jars of a lock, in class path order."""
    entries = tomllib.loads(lock_file.read_text())["dependencies"]
    return [Jar(one["groupId"], one["artifactId"], one["version"], one["sha256"]) for one in entries]


def install(cache: Path, report: Report, jars: Sequence[Jar] | None = None) -> list[Path]:
    """Paths of all jars, after fetching those that are missing or damaged in ``cache``.

    Raises:
        JarError: a download failed, or its hash is not the locked one.
    """
    jars = locked_jars() if jars is None else jars
    cache.mkdir(parents=True, exist_ok=True)
    _clear_leftovers(cache)
    missing = [jar for jar in jars if not jar.intact(cache)]
    if missing:
        _fetch_all(missing, cache, report)
    return [cache / jar.filename for jar in jars]


def _clear_leftovers(cache: Path) -> None:
    """Remove scratch folders of installations that were killed; those of an hour ago at least."""
    for scratch in (*cache.glob("fetch-*"), *cache.glob("trial-*")):
        with contextlib.suppress(OSError):
            if time.time() - scratch.stat().st_mtime > _LEFTOVER_AFTER_S:
                shutil.rmtree(scratch)


def _fetch_all(jars: Sequence[Jar], cache: Path, report: Report) -> None:
    with tempfile.TemporaryDirectory(prefix="fetch-", dir=cache) as folder:
        repository = _maven(Path(folder))
        with ThreadPoolExecutor(_PARALLEL_DOWNLOADS) as pool:
            downloads = [pool.submit(_fetch, repository, jar, cache) for jar in jars]
            for done, download in enumerate(as_completed(downloads), 1):
                download.result()
                report(f"fetched {done} of {len(jars)} jars of the broker")


def _fetch(repository: Any, jar: Jar, cache: Path) -> None:
    import requests
    import stamina

    artifact = repository.project(jar.group, jar.name).at_version(jar.version).artifact()
    try:
        for attempt in stamina.retry_context(on=requests.RequestException, attempts=4, timeout=120):
            with attempt:
                artifact.cached_path.unlink(missing_ok=True)
                path: Path = repository.resolver.download(artifact)
    except (requests.RequestException, RuntimeError) as error:
        raise JarError(
            f"cannot fetch {jar.group}:{jar.name}:{jar.version}: {error}; the first start needs the network, "
            f"or a mirror named by {REPOSITORY_VARIABLE}"
        ) from error
    if not Jar(jar.group, jar.name, jar.version, jar.sha256).intact(path.parent):
        raise JarError(f"{jar.filename} from {_repository_url()} does not have the SHA-256 of the lock")
    os.replace(path, cache / jar.filename)


def _maven(folder: Path) -> Any:
    from jgo.maven import MavenContext

    return MavenContext(repo_cache=folder, remote_repos={"central": _repository_url()}, timeout=_TIMEOUT_S)


def _repository_url() -> str:
    from jgo.constants import MAVEN_CENTRAL_URL

    return os.environ.get(REPOSITORY_VARIABLE, MAVEN_CENTRAL_URL).rstrip("/")


def lock(target: Path = LOCK_FILE) -> None:
    """Resolve Kafka's coordinates anew and write the lock; for maintainers."""
    from jgo.env import LockFile

    with tempfile.TemporaryDirectory() as folder:
        maven = _maven(Path(folder))
        wanted = [maven.create_dependency(coordinate) for coordinate in (KAFKA, LOGGING)]
        resolved, transitive = maven.resolver.resolve(wanted)
        needed = [one for one in [*resolved, *transitive] if one.artifactId not in NOT_NEEDED]
        LockFile.from_resolved_dependencies(needed, environment_name="embedded-kafka").save(target)


if __name__ == "__main__":
    lock()
