"""Artifacts: files and objects of a run, their bytes in the object store, addressed by content."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec

from .catalogue import event
from .envelope import Envelope
from .errors import InvalidEvent
from .limits import Count, Line, Name, Tree, Word

ContentDigest = Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{64})?$")]


def check_content(artifact: ArtifactLogged, envelope: Envelope) -> None:
    """Raises InvalidEvent for a stored content without a hash."""
    if not artifact.sha256 and artifact.storage.get("kind") != "reference":
        raise InvalidEvent("malformed", "data.sha256", "is empty; only a reference may have no hash")


@event("artifact.logged", stream="artifacts", subject="run", check=check_content)
class ArtifactLogged(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a run, written after its bytes are stored.

    path      name within the run, with forward slashes; a later artifact of the same path is its next version
    type      checkpoint, figure, audio, json, text, config, dataset, model, other, …
    sha256    of the whole content, hex; empty only for a reference whose content was not read
    storage   where the bytes are: {"kind": "blob"} is one object under its hash; chunked manifests come later;
              {"kind": "reference", "uri": …} is content that is never copied (audio)
    """

    artifact: UUID
    path: Name
    type: Word
    size: Count
    sha256: ContentDigest
    content_type: Line = "application/octet-stream"
    storage: Tree = msgspec.field(default_factory=lambda: {"kind": "blob"})
    step: int | None = None
    epoch: float | None = None
    metadata: Tree = {}


ArtifactEvent = ArtifactLogged


def blob_name(sha256: str) -> str:
    """The object's name in the bucket: content-addressed, spread over 256 prefixes."""
    return f"blobs/sha256/{sha256[:2]}/{sha256}"
