"""Artifacts: files and objects of a run, their bytes in the object store, addressed by content."""

from __future__ import annotations

from uuid import UUID

import msgspec

from .catalogue import event
from .limits import Count, Digest, Line, Name, Tree, Word


@event("artifact.logged", stream="artifacts", subject="run")
class ArtifactLogged(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a run, written after its bytes are stored.

    path      name within the run, with forward slashes; a later artifact of the same path is its next version
    type      checkpoint, figure, audio, json, text, config, dataset, model, other, …
    sha256    of the whole content, hex
    storage   where the bytes are: {"kind": "blob"} is one object under its hash; chunked manifests come later;
              {"kind": "reference", "uri": …} is content that is never copied (audio)
    """

    artifact: UUID
    path: Name
    type: Word
    size: Count
    sha256: Digest
    content_type: Line = "application/octet-stream"
    storage: Tree = msgspec.field(default_factory=lambda: {"kind": "blob"})
    step: int | None = None
    epoch: float | None = None
    metadata: Tree = {}


ArtifactEvent = ArtifactLogged


def blob_name(sha256: str) -> str:
    """The object's name in the bucket: content-addressed, spread over 256 prefixes."""
    return f"blobs/sha256/{sha256[:2]}/{sha256}"
