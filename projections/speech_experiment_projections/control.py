"""The folds of the topic `control`: workspaces, members, keys, shares, reports, deletions and their history.

Each state is the row that it fills. Times are microseconds since 1970, by the broker.
"""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from speech_experiment_schemas.control import (
    KeyCreated,
    KeyRevoked,
    MemberAdded,
    MemberRemoved,
    ReportSaved,
    ShareCreated,
    ShareRevoked,
    SubjectDeleted,
    SubjectRestored,
    WorkspaceCreated,
)

from .recorded import Recorded
from .texts import clean_text


class Workspace(NamedTuple):
    id: UUID
    name: str
    title: str
    created_at: int
    created_by: str | None


class Member(NamedTuple):
    """A person in a workspace; removed_at is None while they belong to it."""

    person_id: UUID
    workspace: str
    name: str
    email: str | None
    role: str
    added_at: int
    removed_at: int | None


class Key(NamedTuple):
    """An API key; it opens nothing once revoked_at is set."""

    id: UUID
    workspace: str
    role: str
    sha256: str
    label: str
    hint: str
    created_at: int
    created_by: str | None
    revoked_at: int | None
    revoked_by: str | None


class Share(NamedTuple):
    """A link to a view; it opens nothing from expires_at on, nor once revoked_at is set.

    as_of  the position that it shows; None: the newest
    """

    id: UUID
    workspace: str
    name: str
    path: str
    as_of: str | None
    sha256: str
    hint: str
    expires_at: int
    created_at: int
    created_by: str | None
    revoked_at: int | None
    revoked_by: str | None


class Report(NamedTuple):
    """One revision of a report, and where the log has it.

    as_of  the position that its panels show; None: the newest
    """

    id: UUID
    revision: int
    workspace: str
    title: str
    body: str
    as_of: str | None
    partition: int
    offset: int
    saved_at: int
    saved_by: str | None


class Deletion(NamedTuple):
    """What plain queries hide; a restored subject has none."""

    kind: str
    id: UUID
    workspace: str
    deleted_at: int
    deleted_by: str | None
    reason: str


class DeletionPeriod(NamedTuple):
    """One deletion and what ended it: a restoration, or a later deletion, which has a period of its own.

    The subject is deleted from the event at from_offset on, until before the one at to_offset; None: still.
    restored_at and restored_by are None unless a restoration ended it.
    """

    kind: str
    id: UUID
    workspace: str
    partition: int
    from_offset: int
    to_offset: int | None
    deleted_at: int
    deleted_by: str | None
    reason: str
    restored_at: int | None
    restored_by: str | None


def workspace(known: Workspace | None, recorded: Recorded) -> Workspace | None:
    """Created once; a second creation changes the title alone."""
    match recorded.payload:
        case WorkspaceCreated() as created if known is None:
            return Workspace(
                recorded.subject,
                clean_text(created.name),
                clean_text(created.title),
                recorded.time,
                recorded.actor,
            )
        case WorkspaceCreated(title=title) if known is not None:
            return known._replace(title=clean_text(title))
    return known


def member(known: Member | None, recorded: Recorded) -> Member | None:
    """Added again, a member changes role and name, and is back when they had been removed."""
    match recorded.payload:
        case MemberAdded() as added:
            email = None if added.email is None else clean_text(added.email)
            since = recorded.time if known is None else known.added_at
            return Member(
                recorded.subject,
                clean_text(added.workspace),
                clean_text(added.name),
                email,
                added.role,
                since,
                None,
            )
        case MemberRemoved() if known is not None:
            return known._replace(removed_at=recorded.time)
    return known


def key(known: Key | None, recorded: Recorded) -> Key | None:
    """Created once, revoked for good."""
    match recorded.payload:
        case KeyCreated() as created if known is None:
            return Key(
                recorded.subject,
                clean_text(created.workspace),
                created.role,
                created.sha256,
                clean_text(created.label),
                clean_text(created.hint),
                recorded.time,
                recorded.actor,
                None,
                None,
            )
        case KeyRevoked() if known is not None and known.revoked_at is None:
            return known._replace(revoked_at=recorded.time, revoked_by=recorded.actor)
    return known


def share(known: Share | None, recorded: Recorded) -> Share | None:
    """Created once, revoked for good."""
    match recorded.payload:
        case ShareCreated() as created if known is None:
            return Share(
                recorded.subject,
                clean_text(created.workspace),
                clean_text(created.name),
                clean_text(created.path),
                None if created.as_of is None else clean_text(created.as_of),
                created.sha256,
                clean_text(created.hint),
                created.expires,
                recorded.time,
                recorded.actor,
                None,
                None,
            )
        case ShareRevoked() if known is not None and known.revoked_at is None:
            return known._replace(revoked_at=recorded.time, revoked_by=recorded.actor)
    return known


def report(known: Report | None, recorded: Recorded) -> Report | None:
    """A revision: of two who changed the same one, whoever is first in the log has saved it."""
    match recorded.payload:
        case ReportSaved() as saved if known is None:
            return Report(
                recorded.subject,
                saved.revision,
                clean_text(saved.workspace),
                clean_text(saved.title),
                clean_text(saved.body),
                None if saved.as_of is None else clean_text(saved.as_of),
                recorded.partition,
                recorded.offset,
                recorded.time,
                recorded.actor,
            )
    return known


def deletion(known: Deletion | None, recorded: Recorded) -> Deletion | None:
    """The latest deletion, None after a restoration."""
    match recorded.payload:
        case SubjectDeleted(reason=reason):
            kind, subject = recorded.envelope.subject
            return Deletion(
                kind,
                subject,
                clean_text(recorded.workspace),
                recorded.time,
                recorded.actor,
                clean_text(reason),
            )
        case SubjectRestored():
            return None
    return known


def periods(current: DeletionPeriod | None, recorded: Recorded) -> tuple[DeletionPeriod, ...]:
    """The periods that an event changes: the current one, which it ends, and the one that it begins."""
    match recorded.payload:
        case SubjectDeleted() as deleted:
            ended = () if current is None else (current._replace(to_offset=recorded.offset),)
            return (*ended, _period(recorded, deleted))
        case SubjectRestored() if current is not None:
            restored = current._replace(
                to_offset=recorded.offset, restored_at=recorded.time, restored_by=recorded.actor
            )
            return (restored,)
    return ()


def _period(recorded: Recorded, deleted: SubjectDeleted) -> DeletionPeriod:
    kind, subject = recorded.envelope.subject
    return DeletionPeriod(
        kind=kind,
        id=subject,
        workspace=clean_text(recorded.workspace),
        partition=recorded.partition,
        from_offset=recorded.offset,
        to_offset=None,
        deleted_at=recorded.time,
        deleted_by=recorded.actor,
        reason=clean_text(deleted.reason),
        restored_at=None,
        restored_by=None,
    )
