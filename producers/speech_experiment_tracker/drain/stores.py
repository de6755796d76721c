"""Storing artifacts' contents before the log hears of them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec

from speech_experiment_schemas.artifacts import ArtifactLogged

from .._crc import crc32c
from ..spool.places import Place
from ..spool.records import Artifact
from ..transports.base import DeliveryError, Transport
from .lanes import Lane

_CHUNK = 1 << 20


class Contents:
    """Hashes and uploads; remembers the hash of a content whose upload has to be tried again."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self._tries: dict[tuple[Place, int], int] = {}
        self._hashes: dict[tuple[str, int, int], tuple[str, int]] = {}

    def __call__(self, lane: Lane, artifact: Artifact) -> msgspec.Struct | None:
        """The event of a stored content; None when it is gone, or was refused for good.

        Raises DeliveryError when it should be tried again.
        """
        file = lane.place.contents / artifact.file  # or elsewhere: an absolute path stays what it is
        try:
            sha256, size, crc = self._digest(file)
        except OSError:
            return None
        if artifact.crc not in (-1, crc):
            return None  # a power cut tore the spool's copy
        if artifact.size >= 0 and size != artifact.size:
            lane.problems["artifact_changed"] = lane.problems.get("artifact_changed", 0) + 1
        is_reference = artifact.event.get("storage", {}).get("kind") == "reference"
        if not is_reference and not self._stored(lane, file, sha256, size):
            return None
        if artifact.owned:
            lane.leftovers.append(file)
        return msgspec.convert({**artifact.event, "sha256": sha256, "size": size}, ArtifactLogged)

    def _digest(self, file: Path) -> tuple[str, int, int]:
        """(SHA-256, size, CRC-32C)"""
        with file.open("rb") as content:
            state = os.fstat(content.fileno())
            key = (str(file), state.st_size, state.st_mtime_ns)
            if key not in self._hashes:
                digest, crc = hashlib.sha256(), 0
                while chunk := content.read(_CHUNK):
                    digest.update(chunk)
                    crc = crc32c(chunk, crc)
                self._hashes = {key: (digest.hexdigest(), crc)}
        sha256, crc = self._hashes[key]
        return sha256, state.st_size, crc

    def _stored(self, lane: Lane, file: Path, sha256: str, size: int) -> bool:
        place = (lane.place, lane.sealer.seq)
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
