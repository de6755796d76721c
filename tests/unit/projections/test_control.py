from __future__ import annotations

from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from speech_experiment_projections import control
from speech_experiment_projections.artifacts import artifact_row, path_of
from speech_experiment_projections.audit import act
from speech_experiment_projections.recorded import Recorded
from speech_experiment_schemas import Sealer
from speech_experiment_schemas.artifacts import ArtifactLogged
from speech_experiment_schemas.control import (
    KeyCreated,
    KeyRevoked,
    MemberAdded,
    MemberRemoved,
    ReportSaved,
    SubjectDeleted,
    SubjectRestored,
    WorkspaceCreated,
)
from speech_experiment_schemas.ids import uuid7
from speech_experiment_schemas.producers import ProducerOpened
from speech_experiment_schemas.validate import read

SUBJECT = UUID(int=11)
KEY = KeyCreated(workspace="w", role="editor", sha256="ab" * 32, hint="wxyz")


def event(payload: msgspec.Struct, kind: str, offset: int = 0, stream: str = "control") -> Recorded:
    raw = Sealer(uuid7(), stream).seal(payload, (kind, SUBJECT))
    envelope, decoded = read(raw, control=True)
    assert isinstance(decoded, msgspec.Struct)
    return Recorded(envelope, decoded, 0, offset, 1_000 + offset, "key:a", "w", ((0, 1),))


def test_a_key_is_created_once_and_revoked_for_good() -> None:
    key = control.key(None, event(KEY, "key"))
    assert key is not None
    assert control.key(key, event(msgspec.structs.replace(KEY, role="admin"), "key", 1)) == key
    revoked = control.key(key, event(KeyRevoked(), "key", 2))
    assert revoked is not None
    assert (revoked.revoked_at, revoked.revoked_by) == (1_002, "key:a")
    assert control.key(revoked, event(KeyRevoked(), "key", 3)) == revoked
    assert control.key(revoked, event(KEY, "key", 4)) == revoked
    assert control.key(None, event(KeyRevoked(), "key")) is None


def test_a_member_changes_role_leaves_and_comes_back() -> None:
    added = MemberAdded(workspace="w", name="Ana", role="viewer")
    member = control.member(None, event(added, "person"))
    member = control.member(member, event(msgspec.structs.replace(added, role="admin"), "person", 1))
    assert member is not None
    assert (member.role, member.added_at) == ("admin", 1_000)
    gone = control.member(member, event(MemberRemoved(workspace="w"), "person", 2))
    assert gone is not None
    assert gone.removed_at == 1_002
    back = control.member(gone, event(added, "person", 3))
    assert back is not None
    assert back.removed_at is None


def test_a_workspace_keeps_its_name() -> None:
    made = control.workspace(None, event(WorkspaceCreated(name="w", title="Team\0"), "workspace"))
    again = control.workspace(made, event(WorkspaceCreated(name="other", title="T"), "workspace", 1))
    assert made is not None
    assert made.title == "Team␀"
    assert again == made._replace(title="T")


def test_of_two_who_change_one_revision_of_a_report_the_first_in_the_log_has_saved_it() -> None:
    mine = ReportSaved(workspace="w", revision=2, title="Beams\0", body="wide")
    first = control.report(None, event(mine, "report", 4))
    assert first is not None
    assert (first.title, first.body, first.partition, first.offset) == ("Beams␀", "wide", 0, 4)
    theirs = msgspec.structs.replace(mine, body="narrow")
    assert control.report(first, event(theirs, "report", 5)) == first
    made = act(event(mine, "report", 4))
    assert made is not None
    assert "wide" not in made.details, "the audit trail would hold every text twice"


def test_a_restored_subject_is_not_deleted() -> None:
    deleted = control.deletion(None, event(SubjectDeleted(reason="typo"), "run"))
    assert deleted is not None
    assert deleted[:3] == ("run", SUBJECT, "w")
    assert control.deletion(deleted, event(SubjectRestored(), "run", 1)) is None


def _periods(events: list[Recorded]) -> list[control.DeletionPeriod]:
    found: dict[int, control.DeletionPeriod] = {}
    current = None
    for recorded in events:
        for period in control.periods(current, recorded):
            found[period.from_offset] = period
            current = period if period.to_offset is None else None
    return list(found.values())


@given(st.lists(st.booleans(), max_size=12))
def test_the_periods_tell_at_every_offset_what_the_fold_told_there(deletes: list[bool]) -> None:
    said = [SubjectDeleted(reason=f"{i}") if each else SubjectRestored() for i, each in enumerate(deletes)]
    events = [event(payload, "run", offset) for offset, payload in enumerate(said)]
    periods = _periods(events)
    state = None
    for recorded in events:
        state = control.deletion(state, recorded)
        at = recorded.offset
        holding = [p for p in periods if p.from_offset <= at and (p.to_offset is None or p.to_offset > at)]
        assert [(p.deleted_at, p.reason) for p in holding] == (
            [] if state is None else [(state.deleted_at, state.reason)]
        )


def test_a_period_says_who_ended_it_and_a_second_deletion_begins_another() -> None:
    events = [
        event(SubjectDeleted(reason="a"), "run", 1),
        event(SubjectDeleted(reason="b"), "run", 5),
        event(SubjectRestored(), "run", 7),
        event(SubjectRestored(), "run", 8),
    ]
    first, second = _periods(events)
    assert (first.to_offset, first.restored_at) == (5, None)
    assert (second.to_offset, second.restored_at, second.restored_by) == (7, 1_007, "key:a")


def test_an_act_keeps_the_reason_and_no_secret() -> None:
    made = act(event(KEY, "key", 3))
    assert made is not None
    assert (made.offset, made.type, made.kind, made.actor) == (3, "key.created", "key", "key:a")
    assert KEY.sha256 not in made.details
    assert '"hint":"wxyz"' in made.details
    deleted = act(event(SubjectDeleted(reason="typo\0"), "run"))
    assert deleted is not None
    assert (deleted.reason, deleted.details) == ("typo␀", "{}")
    assert act(event(ProducerOpened(role="service"), "workspace")) is None


def test_an_artifact_row_says_where_the_bytes_are() -> None:
    logged = ArtifactLogged(
        artifact=UUID(int=3),
        path="a\0.pt",
        type="checkpoint",
        size=7,
        sha256="cd" * 32,
        epoch=1.5,
        step=-(2**63),
    )
    recorded = event(logged, "run", stream="artifacts")
    assert path_of(recorded, logged) == ("w", SUBJECT, "a␀.pt")
    row = artifact_row(recorded, logged, 4)
    assert (row.version, row.storage, row.step, row.epoch) == (4, '{"kind":"blob"}', None, 1.5)
