"""Where a client finds its server, its spool and its mode: arguments, environment, config file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from .errors import TrackerError

Mode = Literal["online", "offline", "disabled"]
OnError = Literal["count", "raise"]
OnFull = Literal["drop_metrics", "block", "raise"]
DEFAULT_QUOTA = 10 << 30
KAFKA_SETTINGS = ("bootstrap", "username", "password", "security_protocol", "sasl_mechanism", "workspace")
_PREFIX = "SPEECH_TRACKER_"


@dataclass(frozen=True)
class Config:
    """What a client works with.

    spool  directory of the durable spool
    quota  bytes that the spool may take before metrics are dropped (or on_full says otherwise)
    """

    url: str | None
    api_key: str | None
    mode: Mode
    spool: Path
    workspace: str
    quota: int
    kafka: dict[str, Any] | None


def resolve(
    url: str | None = None,
    api_key: str | None = None,
    *,
    mode: str | None = None,
    spool_dir: str | os.PathLike[str] | None = None,
    workspace: str | None = None,
    quota: int | None = None,
    kafka: dict[str, Any] | None = None,
) -> Config:
    """Arguments first, then the environment, then the config file, then offline.

    Raises TrackerError for a mode or quota that does not exist.
    """
    saved = read_config_file()
    url = url or _env("URL") or saved.get("url")
    kafka = kafka or _kafka_from_env()
    if kafka is not None:
        check_kafka(kafka)
    chosen = mode or _env("MODE") or ("online" if url or kafka else "offline")
    if chosen not in ("online", "offline", "disabled"):
        raise TrackerError(f"mode is {chosen!r}", "choose online, offline or disabled")
    return Config(
        url=url.rstrip("/") if url else None,
        api_key=api_key or _env("API_KEY") or saved.get("api_key"),
        mode=chosen,  # type: ignore[arg-type]  # checked above
        spool=Path(spool_dir or _env("SPOOL_DIR") or default_spool()).expanduser().absolute(),
        workspace=workspace or _env("WORKSPACE") or saved.get("workspace") or "default",
        quota=quota if quota is not None else _quota_from_env(),
        kafka=kafka,
    )


def check_kafka(kafka: dict[str, Any]) -> None:
    """Raises TrackerError for settings that the Kafka transport would not take."""
    unknown = sorted(set(kafka) - set(KAFKA_SETTINGS))
    if unknown:
        raise TrackerError(f"kafka has no setting {unknown[0]!r}", f"there are {', '.join(KAFKA_SETTINGS)}")
    protocol = kafka.get("security_protocol", "SASL_SSL")
    if not all(kafka.get(name) for name in KAFKA_SETTINGS[:3]) or not protocol.startswith("SASL_"):
        raise TrackerError("the Kafka transport needs SASL", "give bootstrap, username and password")


def default_spool() -> Path:
    state = os.environ.get("XDG_STATE_HOME")
    if state:
        return Path(state) / "speech-experiment-tracker-spool"
    return Path.home() / ".local" / "share" / "speech-experiment-tracker-spool"


def config_file() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "speech-experiment-tracker" / "config.json"


def read_config_file() -> dict[str, str]:
    """The saved url, api_key and workspace; empty when there is no readable file."""
    try:
        saved = msgspec.json.decode(config_file().read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.MsgspecError, RuntimeError):
        return {}
    return {key: value for key, value in saved.items() if isinstance(value, str)}


def _env(name: str) -> str | None:
    return os.environ.get(_PREFIX + name) or None


def _quota_from_env() -> int:
    given = _env("SPOOL_QUOTA")
    if given is None:
        return DEFAULT_QUOTA
    try:
        return int(float(given))
    except ValueError:
        raise TrackerError(f"{_PREFIX}SPOOL_QUOTA is {given!r}", "give a number of bytes") from None


def _kafka_from_env() -> dict[str, Any] | None:
    """Settings of the direct Kafka transport, when SPEECH_TRACKER_KAFKA_BOOTSTRAP is set."""
    given = {name: value for name in KAFKA_SETTINGS if (value := _env(f"KAFKA_{name.upper()}"))}
    return given if "bootstrap" in given else None
