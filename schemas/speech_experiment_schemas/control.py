"""Control: workspaces, people, keys, roles, shares, reports, deletions. Only the gateway writes these."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from .catalogue import event
from .limits import Count, Digest, Line, Name, Text, Word

Role = Literal["viewer", "editor", "admin"]
DELETABLE = ("run", "experiment", "artifact", "report")
SharedPath = Annotated[str, msgspec.Meta(min_length=1, max_length=8_000, pattern="^/")]
"""Path and query of a view, as the page's address has them."""
Vector = Annotated[str, msgspec.Meta(min_length=1, max_length=8_000)]
"""A position of the log, as answers name it."""
Title = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


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


@event("share.created", stream="control", subject="share")
class ShareCreated(msgspec.Struct, frozen=True, kw_only=True):
    """A link that lets whoever has it read one view, by the SHA-256 of its 256 random bits.

    name     what it shows, for people
    as_of    the position that it shows; None: the newest
    expires  when it ends, microseconds since 1970 by the gateway's clock
    hint     the last four characters of its token, to recognise it in a list
    """

    workspace: Name
    name: Line = ""
    path: SharedPath
    as_of: Vector | None = None
    expires: Count
    sha256: Digest
    hint: Word


@event("share.revoked", stream="control", subject="share")
class ShareRevoked(msgspec.Struct, frozen=True, kw_only=True):
    reason: Line = ""


@event("report.saved", stream="control", subject="report")
class ReportSaved(msgspec.Struct, frozen=True, kw_only=True):
    """A report as somebody left it: a title and Markdown, in which fenced blocks of some kinds are panels.

    revision  1 for a new report, else one more than that which was changed; of two with one number the first counts
    as_of     the position that its panels show, but for those that name one of their own; None: the newest
    """

    workspace: Name
    revision: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
    title: Title
    body: Text
    as_of: Vector | None = None


@event("subject.deleted", stream="control", subject=DELETABLE)
class SubjectDeleted(msgspec.Struct, frozen=True, kw_only=True):
    """Hides a run, experiment, artifact or report from plain queries; the log keeps it."""

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
    | ShareCreated
    | ShareRevoked
    | ReportSaved
    | SubjectDeleted
    | SubjectRestored
)
