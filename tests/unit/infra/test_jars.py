"""The broker's jars: only what the lock says is installed, whatever happened to the cache."""

from __future__ import annotations

import functools
import hashlib
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from speech_experiment_infra.embedded.jars import REPOSITORY_VARIABLE, Jar, JarError, install, locked_jars

CONTENT = {"alpha": b"alpha's bytes", "beta": b"beta's bytes"}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def jars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Jar]]:
    """A repository of two jars on loopback, and the lock of it."""
    root = tmp_path / "repository"
    for name, content in CONTENT.items():
        folder = root / "org" / "example" / name / "1.0"
        folder.mkdir(parents=True)
        (folder / f"{name}-1.0.jar").write_bytes(content)
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(root)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv(REPOSITORY_VARIABLE, f"http://127.0.0.1:{server.server_port}")
    yield [
        Jar("org.example", name, "1.0", hashlib.sha256(content).hexdigest())
        for name, content in CONTENT.items()
    ]
    server.shutdown()
    server.server_close()


def contents(paths: list[Path]) -> list[bytes]:
    return [path.read_bytes() for path in paths]


def test_a_cold_cache_is_filled_and_reported(jars: list[Jar], tmp_path: Path) -> None:
    said: list[str] = []
    paths = install(tmp_path / "cache", said.append, jars)
    assert contents(paths) == list(CONTENT.values())
    assert said[-1] == "fetched 2 of 2 jars of the broker"
    assert {path.name for path in (tmp_path / "cache").iterdir()} == {"alpha-1.0.jar", "beta-1.0.jar"}


def test_a_whole_cache_needs_no_network(
    jars: list[Jar], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path / "cache", print, jars)
    monkeypatch.setenv(REPOSITORY_VARIABLE, "http://127.0.0.1:9")
    assert contents(install(tmp_path / "cache", pytest.fail, jars)) == list(CONTENT.values())


def test_missing_and_damaged_jars_are_fetched_again(jars: list[Jar], tmp_path: Path) -> None:
    first, second = install(tmp_path / "cache", print, jars)
    first.write_bytes(CONTENT["alpha"][:3])
    second.unlink()
    assert contents(install(tmp_path / "cache", print, jars)) == list(CONTENT.values())


def test_a_jar_that_is_not_the_locked_one_is_never_installed(jars: list[Jar], tmp_path: Path) -> None:
    forged = [Jar("org.example", "alpha", "1.0", "0" * 64)]
    with pytest.raises(JarError, match="SHA-256"):
        install(tmp_path / "cache", print, forged)
    assert not (tmp_path / "cache" / "alpha-1.0.jar").exists()


def test_the_committed_lock_pins_every_jar() -> None:
    jars = locked_jars()
    assert any(jar.name.startswith("kafka_2.13") for jar in jars)
    assert all(len(jar.sha256) == 64 for jar in jars)
    assert len({jar.filename for jar in jars}) == len(jars)
