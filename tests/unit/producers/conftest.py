"""A gateway for each test, and a client environment of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .gateway import Gateway


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    server = Gateway()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def _own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("URL", "API_KEY", "MODE", "RUN_ID", "WORKSPACE", "SPOOL_QUOTA"):
        monkeypatch.delenv(f"SPEECH_TRACKER_{name}", raising=False)
    monkeypatch.setenv("SPEECH_TRACKER_SPOOL_DIR", str(tmp_path / "spool"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("SPEECH_TRACKER_DRAIN_LINGER", "0.5")
