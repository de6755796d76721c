"""A data folder: secrets made once and kept private, one owner, state that outlives its writer."""

from __future__ import annotations

import json
import os
import socket
import stat
from pathlib import Path

import pytest

from speech_experiment_infra.client_config import write_client_config
from speech_experiment_infra.layout import CONSUMERS_VARIABLE, consumer_groups, open_layout
from speech_experiment_infra.ownership import RefusedError, check_free, check_port, owned
from speech_experiment_infra.settings import load_settings
from speech_experiment_infra.state import ChildState, StackState, stack_status


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_secrets_are_made_once_and_private(tmp_path: Path) -> None:
    data_dir = tmp_path / "with a space"
    first, second = open_layout(data_dir, port=0), open_layout(data_dir)
    kept = {name: value for name, value in first.secrets.items() if name != "ports"}
    assert kept == {name: value for name, value in second.secrets.items() if name != "ports"}
    assert mode(data_dir / "secrets.json") == mode(data_dir / "settings.json") == 0o600
    assert mode(data_dir) == 0o711


def test_children_read_the_same_settings(tmp_path: Path) -> None:
    layout = open_layout(tmp_path, host="127.0.0.1", port=4567)
    assert load_settings(layout.settings_file) == layout.settings
    assert layout.settings.port == 4567
    assert layout.settings.partitions == 1
    assert open_layout(tmp_path).settings.port == 4567


def test_no_secret_is_on_a_command_line(tmp_path: Path) -> None:
    layout = open_layout(tmp_path, port=0)
    secrets = [value for value in layout.secrets.values() if isinstance(value, str) and len(value) == 40]
    words = " ".join(word for child in [*layout.stores(), *layout.servers()] for word in child.command)
    assert secrets
    assert not any(secret in words for secret in secrets)


def test_a_store_that_is_elsewhere_is_not_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEECH_TRACKER_SERVER_POSTGRES_DSN", "postgresql://elsewhere/db")
    monkeypatch.setenv("SPEECH_TRACKER_SERVER_S3_ENDPOINT", "s3.example:443")
    layout = open_layout(tmp_path, port=0)
    assert {child.name for child in layout.stores()} == {"kafka", "store"}
    assert layout.settings.postgres_dsn == "postgresql://elsewhere/db"


def test_consumers_share_processes_as_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CONSUMERS_VARIABLE, raising=False)
    names = {name for group in consumer_groups() for name in group}
    assert names == {"metadata", "metrics", "scores", "artifacts", "control"}
    monkeypatch.setenv(CONSUMERS_VARIABLE, "metrics;metadata,artifacts,control")
    assert consumer_groups() == (("metrics",), ("metadata", "artifacts", "control"))


def test_a_folder_has_one_owner_and_names_it(tmp_path: Path) -> None:
    with owned(tmp_path):
        StackState(pid=os.getpid(), status="ready", url="http://127.0.0.1:1").save(tmp_path)
        with pytest.raises(RefusedError, match=r"http://127\.0\.0\.1:1"), owned(tmp_path):
            pytest.fail("two owners")
        with pytest.raises(RefusedError):
            check_free(tmp_path)
    check_free(tmp_path)


def test_a_taken_port_is_refused_with_the_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(RefusedError, match="--port"):
        check_port("127.0.0.1", server.getsockname()[1])


def test_state_of_a_dead_supervisor_reads_as_killed(tmp_path: Path) -> None:
    children = {"api": ChildState(pid=2**22 + 1, started_ticks=1, restarts=3, last_exit="signal 9 (SIGKILL)")}
    StackState(pid=2**22 + 1, started_ticks=1, status="ready", url="u", children=children).save(tmp_path)
    status = stack_status(tmp_path)
    assert (status["status"], status["pid"]) == ("killed", None)
    assert status["children"]["api"]["pid"] is None
    assert status["children"]["api"]["restarts"] == 3
    assert stack_status(tmp_path / "never")["status"] == "stopped"


def test_client_configuration_is_never_taken_from_another_server(tmp_path: Path) -> None:
    layout = open_layout(tmp_path / "data", port=0)
    config = tmp_path / "config" / "config.json"
    assert not write_client_config(layout, config)
    (layout.data_dir / "admin.key").write_text("key-1\n")
    assert write_client_config(layout, config)
    assert mode(config) == 0o600
    assert json.loads(config.read_text())["api_key"] == "key-1"
    config.write_text(json.dumps({"url": "https://team.example", "api_key": "theirs"}))
    assert not write_client_config(layout, config)
    assert json.loads(config.read_text())["api_key"] == "theirs"
    config.write_text(json.dumps({"url": layout.settings.url, "api_key": "old"}))
    assert write_client_config(layout, config)
