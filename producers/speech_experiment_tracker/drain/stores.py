"""Storing artifacts' contents before the log hears of them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec

from speech_experiment_schemas.artifacts import ArtifactLogged

from ..spool.files import CONTENTS
from ..spool.records import Artifact
from ..transports.base import DeliveryError, Transport
from .lanes import Lane

_CHUNK = 1 << 20


class Contents:
    """Hashes and uploads; remembers the hash of a content whose upload has to be tried again."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self._tries: dict[tuple[Path, int], int] = {}
        self._hashes: dict[tuple[str, int, int], str] = {}

    def __call__(self, lane: Lane, artifact: Artifact) -> msgspec.Struct | None:
        """The event of a stored content; None when it is gone, or was refused for good.

        Raises DeliveryError when it should be tried again.
        """
        file = Path(artifact.file)
        file = file if file.is_absolute() else lane.folder / CONTENTS / artifact.file
        try:
            sha256, size = self._digest(file)
        except OSError:
            return None
        if artifact.size >= 0 and size != artifact.size:
            lane.problems["artifact_changed"] = lane.problems.get("artifact_changed", 0) + 1
        is_reference = artifact.event.get("storage", {}).get("kind") == "reference"
        if not is_reference and not self._stored(lane, file, sha256, size):
            return None
        if artifact.owned:
            lane.leftovers.append(file)
        return msgspec.convert({**artifact.event, "sha256": sha256, "size": size}, ArtifactLogged)

    def _digest(self, file: Path) -> tuple[str, int]:
        with file.open("rb") as content:
            state = os.fstat(content.fileno())
            key = (str(file), state.st_size, state.st_mtime_ns)
            if key not in self._hashes:
                digest = hashlib.sha256()
                while chunk := content.read(_CHUNK):
                    digest.update(chunk)
                self._hashes = {key: digest.hexdigest()}
        return self._hashes[key], state.st_size

    def _stored(self, lane: Lane, file: Path, sha256: str, size: int) -> bool:
        place = (lane.folder, lane.sealer.seq)
        try:
            self.transport.store(file, sha256, size)
        except DeliveryError as error:
            self._tries[place] = self._tries.get(place, 0) + 1
            if error.kind == "too_large" or (error.kind == "rejected" and self._tries[place] >= 3):
                lane.problems["refused"] = lane.problems.get("refused", 0) + 1
                return False
            self._hashes.clear()
            raise
        self._tries.pop(place, None)
        return True
