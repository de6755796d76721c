"""Where every store of the server is, and how to log in to it.

Values come, first found wins, from keyword arguments, from the environment
(``SPEECH_TRACKER_SERVER_POSTGRES_DSN`` and so on), and from the JSON file that
``SPEECH_TRACKER_SERVER_SETTINGS`` names: the supervisor of the embedded stack
writes that file, a deployment on a cluster sets the variables.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import msgspec
from msgspec import Meta

_PREFIX = "SPEECH_TRACKER_SERVER_"
SETTINGS_FILE_VARIABLE = f"{_PREFIX}SETTINGS"

#: The topics of the log; a projection reads exactly one of them.
TOPICS: tuple[str, ...] = ("runs", "metrics", "evaluations", "artifacts", "control")

#: Largest record that a topic takes, bytes: an event is at most 900 kB, the rest is framing.
MAX_RECORD_BYTES = 1_100_000

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
Port = Annotated[int, Meta(ge=0, le=65535)]
Count = Annotated[int, Meta(ge=1)]

_SECRET = {"postgres_dsn", "kafka_password", "clickhouse_url", "s3_secret_key"}


class SettingsError(ValueError):
    """A setting that cannot be used; the message names it and says what is wanted."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Settings of every server process; the same fields embedded and on a cluster.

    `load` reads and checks those of this process; the constructor takes what it is given.
    """

    data_dir: Path | None = None
    """Data folder of the embedded stack; None on a cluster."""
    host: str = "127.0.0.1"
    port: Port = 8765
    public_url: str = ""
    """URL that users reach the API under; derived from host and port when empty."""
    workspace: str = "default"

    postgres_dsn: str = "postgresql://postgres@127.0.0.1:5432/speech_experiments"
    postgres_pool_size: Count = 8

    kafka_bootstrap: str = "127.0.0.1:9092"
    kafka_username: str | None = None
    kafka_password: str | None = None
    kafka_security_protocol: SecurityProtocol | None = None
    """Derived from the presence of a user name when None."""
    kafka_sasl_mechanism: SaslMechanism = "PLAIN"
    kafka_ca_file: Path | None = None
    partitions: Count = 24
    """Partitions of each topic, fixed for the life of the log: 1 embedded, 24 on a cluster."""
    replication_factor: Count = 3
    rebuild_processes: Annotated[int, Meta(ge=0, le=64)] = 0
    """Processes that read for a rebuild side by side, sharing the runs (metadata) or the partitions (the others);
    0: as many as there are cores, at most 4, when there is much to read."""

    clickhouse_url: str = "http://default@127.0.0.1:8123/default"

    s3_endpoint: str = "127.0.0.1:9000"
    """``host:port`` without a scheme."""
    s3_access_key: str = ""
    s3_secret_key: str = ""
    s3_bucket: str = "speech-experiments"
    s3_region: str = "us-east-1"
    s3_secure: bool = False

    def __post_init__(self) -> None:
        if not self.clickhouse_url.startswith(("http://", "https://")):
            scheme = self.clickhouse_url.split(":")[0]
            raise SettingsError(f"clickhouse_url must start with http:// or https://, got {scheme!r}")
        if "://" in self.s3_endpoint:
            raise SettingsError("s3_endpoint is host:port without a scheme; set s3_secure for https")

    def __repr__(self) -> str:
        shown = {name: getattr(self, name) for name in self.__struct_fields__ if name not in _SECRET}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    @classmethod
    def load(cls, **given: Any) -> Self:
        """Those of this process, and `given`.

        Raises:
            SettingsError: a value cannot be used, or the settings file is gone.
        """
        return _checked(cls, {**told(cls), **given})

    @classmethod
    def load_or_exit(cls) -> Self:
        """As `load`, for a process that is just starting: what cannot be used is said, and ends it."""
        try:
            return cls.load()
        except SettingsError as error:
            sys.exit(f"cannot start: {error}")

    def to_json(self) -> str:
        """What differs from the defaults, secrets included: for a settings file."""
        return msgspec.json.format(msgspec.json.encode(self, enc_hook=str), indent=1).decode()

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


def load_settings(path: Path) -> Settings:
    """Settings of the stack whose settings file is ``path``."""
    return _checked(Settings, _in_file(path))


def told(kind: type[Settings] = Settings) -> dict[str, Any]:
    """Settings that this process's environment and its settings file name, as they stand there."""
    path = os.environ.get(SETTINGS_FILE_VARIABLE)
    if path and not Path(path).is_file():
        raise SettingsError(
            f"{SETTINGS_FILE_VARIABLE}={path}: no such file; start the stack with `speech-tracker up` "
            "or unset the variable"
        )
    in_environment = {
        name: os.environ[variable]
        for name in kind.__struct_fields__
        if (variable := _PREFIX + name.upper()) in os.environ
    }
    return {**(_in_file(Path(path)) if path else {}), **in_environment}


def _in_file(path: Path) -> dict[str, Any]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise SettingsError(f"{path}: {error}") from None


_Kind = TypeVar("_Kind", bound=Settings)


def _checked(kind: type[_Kind], values: dict[str, Any]) -> _Kind:
    try:
        return msgspec.convert(values, kind, strict=False, dec_hook=_path)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$.")
        name = where.rstrip("`")
        if name in values:
            shown = "…" if name in _SECRET else repr(values[name])
            what = f"{name} = {shown} (from {_PREFIX}{name.upper()} or the settings file): {what}"
        raise SettingsError(what) from None


def _path(_kind: type[Any], value: object) -> Path:
    """A value of the one type that msgspec does not know."""
    if not isinstance(value, str | Path):
        raise TypeError(f"Expected `path`, got `{type(value).__name__}`")
    return Path(value)
