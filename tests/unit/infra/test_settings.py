"""Settings: sources, derived values, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from speech_experiment_infra.settings import (
    SETTINGS_FILE_VARIABLE,
    Settings,
    SettingsError,
    load_settings,
    told,
)


def test_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "settings.json"
    file.write_text('{"port": 1234, "workspace": "speech"}')
    monkeypatch.setenv(SETTINGS_FILE_VARIABLE, str(file))
    monkeypatch.setenv("SPEECH_TRACKER_SERVER_PORT", "4321")
    monkeypatch.setenv("SPEECH_TRACKER_SERVER_S3_SECURE", "true")
    settings = Settings.load()
    assert (settings.port, settings.workspace, settings.s3_secure) == (4321, "speech", True)
    assert told() == {"port": "4321", "workspace": "speech", "s3_secure": "true"}
    assert Settings.load(port=1).port == 1


def test_a_settings_file_that_is_gone_is_an_error_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTINGS_FILE_VARIABLE, "/nowhere/settings.json")
    with pytest.raises(SettingsError, match="speech-tracker up"):
        Settings.load()


def test_written_settings_are_read_back(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, kafka_username="tracker", kafka_password="secret", partitions=1)
    file = tmp_path / "settings.json"
    file.write_text(settings.to_json())
    assert load_settings(file) == settings


@pytest.mark.parametrize(
    ("values", "url"),
    [
        ({}, "http://127.0.0.1:8765"),
        ({"host": "0.0.0.0", "port": 80}, "http://127.0.0.1:80"),  # noqa: S104
        ({"host": "::1"}, "http://[::1]:8765"),
        ({"public_url": "https://speech.example/"}, "https://speech.example"),
    ],
)
def test_url_is_what_users_write(values: dict[str, Any], url: str) -> None:
    assert Settings(**values).url == url


def test_security_protocol_follows_the_credentials() -> None:
    assert Settings().security_protocol == "PLAINTEXT"
    assert Settings(kafka_username="tracker").security_protocol == "SASL_PLAINTEXT"
    assert Settings(kafka_username="t", kafka_security_protocol="SASL_SSL").security_protocol == "SASL_SSL"


def test_secrets_are_not_shown() -> None:
    shown = repr(
        Settings(kafka_password="hidden1", s3_secret_key="hidden2", clickhouse_url="http://a:hidden3@b")
    )
    assert "hidden" not in shown


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("s3_endpoint", "http://127.0.0.1:9000"),
        ("clickhouse_url", "clickhouse://x"),
        ("partitions", "0"),
        ("partitions", "many"),
        ("port", "65536"),
        ("s3_secure", "perhaps"),
        ("kafka_security_protocol", "TLS"),
    ],
)
def test_wrong_values_name_their_field(field: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"SPEECH_TRACKER_SERVER_{field.upper()}", value)
    with pytest.raises(SettingsError, match=field):
        Settings.load()


def test_what_is_no_settings_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_text("port = 1")
    with pytest.raises(SettingsError, match=r"settings\.json"):
        load_settings(file)


@pytest.mark.parametrize(
    ("text", "field"), [('{"data_dir": 5}', "data_dir"), ('{"kafka_password": 98765}', "kafka_password")]
)
def test_a_wrong_type_in_the_file_is_told_and_a_secret_is_not(tmp_path: Path, text: str, field: str) -> None:
    file = tmp_path / "settings.json"
    file.write_text(text)
    with pytest.raises(SettingsError, match=field) as raised:
        load_settings(file)
    assert "98765" not in str(raised.value)
