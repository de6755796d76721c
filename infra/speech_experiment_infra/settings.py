"""Where every store of the server is, and how to log in to it.

Values come, first found wins, from keyword arguments, from the environment
(``SPEECH_TRACKER_SERVER_POSTGRES_DSN`` and so on), and from the JSON file that
``SPEECH_TRACKER_SERVER_SETTINGS`` names: the supervisor of the embedded stack
writes that file, a deployment on a cluster sets the variables.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import (
    BaseSettings,
    JsonConfigSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

SETTINGS_FILE_VARIABLE = "SPEECH_TRACKER_SERVER_SETTINGS"

#: The topics of the log; a projection reads exactly one of them.
TOPICS: tuple[str, ...] = ("runs", "metrics", "evaluations", "artifacts", "control")

#: Largest record that a topic takes, bytes: an event is at most 900 kB, the rest is framing.
MAX_RECORD_BYTES = 1_100_000

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
Port = Annotated[int, Field(ge=0, le=65535)]


class Settings(BaseSettings):
    """Settings of every server process; the same fields embedded and on a cluster."""

    model_config = SettingsConfigDict(env_prefix="SPEECH_TRACKER_SERVER_", extra="ignore", frozen=True)

    data_dir: Path | None = None
    """Data folder of the embedded stack; None on a cluster."""
    host: str = "127.0.0.1"
    port: Port = 8765
    public_url: str = ""
    """URL that users reach the API under; derived from host and port when empty."""
    workspace: str = "default"

    postgres_dsn: str = Field(default="postgresql://postgres@127.0.0.1:5432/speech_experiments", repr=False)
    postgres_pool_size: int = Field(default=8, ge=1)

    kafka_bootstrap: str = "127.0.0.1:9092"
    kafka_username: str | None = None
    kafka_password: str | None = Field(default=None, repr=False)
    kafka_security_protocol: SecurityProtocol | None = None
    """Derived from the presence of a user name when None."""
    kafka_sasl_mechanism: SaslMechanism = "PLAIN"
    kafka_ca_file: Path | None = None
    partitions: int = Field(default=24, ge=1)
    """Partitions of each topic, fixed for the life of the log: 1 embedded, 24 on a cluster."""
    replication_factor: int = Field(default=3, ge=1)
    rebuild_processes: int = Field(default=0, ge=0, le=64)
    """Processes that read for a rebuild side by side, sharing the runs (metadata) or the partitions (the others);
    0: as many as there are cores, at most 4, when there is much to read."""

    clickhouse_url: str = Field(default="http://default@127.0.0.1:8123/default", repr=False)

    s3_endpoint: str = "127.0.0.1:9000"
    """``host:port`` without a scheme."""
    s3_access_key: str = ""
    s3_secret_key: str = Field(default="", repr=False)
    s3_bucket: str = "speech-experiments"
    s3_region: str = "us-east-1"
    s3_secure: bool = False

    @field_validator("clickhouse_url")
    @classmethod
    def _http_url(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError(
                f"clickhouse_url must start with http:// or https://, got {value.split(':')[0]!r}"
            )
        return value

    @field_validator("s3_endpoint")
    @classmethod
    def _no_scheme(cls, value: str) -> str:
        if "://" in value:
            raise ValueError("s3_endpoint is host:port without a scheme; set s3_secure for https")
        return value

    @property
    def url(self) -> str:
        """URL of the API as users and their SDKs should write it, without a trailing slash."""
        if self.public_url:
            return self.public_url.rstrip("/")
        host = "127.0.0.1" if self.host in ("", "0.0.0.0", "::") else self.host  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def security_protocol(self) -> SecurityProtocol:
        """Kafka security protocol, derived from the credentials unless set."""
        if self.kafka_security_protocol:
            return self.kafka_security_protocol
        return "SASL_PLAINTEXT" if self.kafka_username else "PLAINTEXT"

    @property
    def embedded(self) -> bool:
        """True when the stores belong to the supervisor of a data folder."""
        return self.data_dir is not None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Keyword arguments, then the environment, then the file the supervisor wrote."""
        path = os.environ.get(SETTINGS_FILE_VARIABLE)
        if not path:
            return init_settings, env_settings
        if not Path(path).is_file():
            raise FileNotFoundError(
                f"{SETTINGS_FILE_VARIABLE}={path}: no such file; start the stack with `speech-tracker up` "
                "or unset the variable"
            )
        return init_settings, env_settings, JsonConfigSettingsSource(settings_cls, json_file=path)


def load_settings(path: Path | None = None) -> Settings:
    """Settings of this process, or of the stack whose settings file is ``path``."""
    return Settings.model_validate_json(path.read_bytes()) if path else Settings()
