"""Control: workspaces, people, keys, roles, deletions. Only the gateway writes these."""

from __future__ import annotations

from typing import Literal

import msgspec

from .catalogue import event
from .limits import Digest, Line, Name, Word

Role = Literal["viewer", "editor", "admin"]
DELETABLE = ("run", "experiment", "artifact")


@event("workspace.created", stream="control", subject="workspace")
class WorkspaceCreated(msgspec.Struct, frozen=True, kw_only=True):
    name: Name
    title: Line = ""


@event("member.added", stream="control", subject="person")
class MemberAdded(msgspec.Struct, frozen=True, kw_only=True):
    """A person in a workspace; added again with another role, the role changes."""

    workspace: Name
    name: Name
    email: Line | None = None
    role: Role


@event("member.removed", stream="control", subject="person")
class MemberRemoved(msgspec.Struct, frozen=True, kw_only=True):
    workspace: Name


@event("key.created", stream="control", subject="key")
class KeyCreated(msgspec.Struct, frozen=True, kw_only=True):
    """An API key, by the SHA-256 of its 256 random bits; the key itself is shown once and never stored.

    hint  its last four characters, to recognise it in a list
    """

    workspace: Name
    role: Role
    sha256: Digest
    label: Line = ""
    hint: Word


@event("key.revoked", stream="control", subject="key")
class KeyRevoked(msgspec.Struct, frozen=True, kw_only=True):
    reason: Line = ""


@event("subject.deleted", stream="control", subject=DELETABLE)
class SubjectDeleted(msgspec.Struct, frozen=True, kw_only=True):
    """Hides a run, experiment or artifact from plain queries; the log keeps it."""

    reason: Line = ""


@event("subject.restored", stream="control", subject=DELETABLE)
class SubjectRestored(msgspec.Struct, frozen=True, kw_only=True):
    reason: Line = ""


ControlEvent = (
    WorkspaceCreated
    | MemberAdded
    | MemberRemoved
    | KeyCreated
    | KeyRevoked
    | SubjectDeleted
    | SubjectRestored
)
