"""Servers that spools are delivered to, kept beside the spool for its owner's eyes only."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec

from ..spool.files import write_atomically
from ..transports.base import Transport

FOLDER = "targets"


class Target(msgspec.Struct, frozen=True):
    """Where and as whom to deliver: a gateway, or Kafka for records and a gateway for contents."""

    url: str | None = None
    api_key: str | None = None
    kafka: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        """Names the server, not the key: a client with a newer key renews it for older spools."""
        return hashlib.blake2b(msgspec.json.encode([self.url, self.kafka]), digest_size=8).hexdigest()


def save_target(spool: Path, target: Target) -> str:
    """Notes a target for the drain; returns its name."""
    folder = spool / FOLDER
    path = folder / f"{target.name}.json"
    content = msgspec.json.encode(target)
    if not path.exists() or path.read_bytes() != content:
        spool.mkdir(parents=True, mode=0o700, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        write_atomically(path, content, durably=True)
    return target.name


def is_saved(spool: Path, name: str) -> bool:
    return (spool / FOLDER / f"{name}.json").exists()


def load_target(spool: Path, name: str) -> Target | None:
    try:
        return msgspec.json.decode((spool / FOLDER / f"{name}.json").read_bytes(), type=Target)
    except (OSError, msgspec.MsgspecError):
        return None


def connect(target: Target) -> Transport:
    """The transport of a target."""
    if target.kafka is not None:
        from ..transports.kafka import KafkaTransport

        return KafkaTransport(**target.kafka, contents=_gateway(target) if target.url else None)
    return _gateway(target)


def _gateway(target: Target) -> Transport:
    from ..transports.http import HttpTransport

    return HttpTransport(target.url or "", target.api_key)
