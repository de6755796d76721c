"""What every transport promises the drain, and how it says no."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from speech_experiment_schemas.wire import IngestReply


class DeliveryError(Exception):
    """Nothing of the batch may be taken as delivered; the same bytes are to be sent again.

    kind   unreachable, overloaded, unauthorized, too_large or rejected
    after  seconds that the server asked to wait, if it did
    """

    def __init__(self, kind: str, message: str, after: float | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.after = after


class Transport(Protocol):
    """Delivers sealed records. Used by one thread."""

    def send(self, records: list[bytes]) -> IngestReply:
        """Returns when every record is in the log or refused; raises DeliveryError otherwise."""
        ...

    def store(self, file: Path, sha256: str, size: int) -> None:
        """Stores a content under its hash, unless it is there; raises DeliveryError."""
        ...

    def close(self) -> None: ...
