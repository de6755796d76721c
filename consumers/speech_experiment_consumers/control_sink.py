"""The sink of the projection `control`: workspaces, members, keys, shares, reports, deletions and what was done to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from speech_experiment_infra.settings import Settings
from speech_experiment_projections import control
from speech_experiment_projections.control import Deletion, Key, Member, Report, Share, Workspace
from speech_experiment_projections.recorded import Recorded
from speech_experiment_schemas.control import MemberAdded, MemberRemoved, ReportSaved

from .control_history import AuditTrail, DeletionHistory, deletable
from .postgres_sink import PostgresSink, Rows
from .sink import Sink
from .sql import columns, microseconds, statement
from .tables import Table

State = TypeVar("State", bound="tuple[Any, ...]")
Id = tuple[Any, ...]


class _Kind(NamedTuple, Generic[State]):
    """One kind of subject: its row type, its table, the columns of its key, its fold, its key in an event."""

    row: Callable[..., State]
    name: str
    columns: Mapping[str, str]
    key: tuple[str, ...]
    fold: Callable[[State | None, Recorded], State | None]
    of: Callable[[Recorded], Id | None]


def _workspace_of(recorded: Recorded) -> Id | None:
    return (recorded.subject,) if recorded.envelope.subject[0] == "workspace" else None


def _key_of(recorded: Recorded) -> Id | None:
    return (recorded.subject,) if recorded.envelope.subject[0] == "key" else None


def _share_of(recorded: Recorded) -> Id | None:
    return (recorded.subject,) if recorded.envelope.subject[0] == "share" else None


def _report_of(recorded: Recorded) -> Id | None:
    payload = recorded.payload
    return (recorded.subject, payload.revision) if isinstance(payload, ReportSaved) else None


def _member_of(recorded: Recorded) -> Id | None:
    payload = recorded.payload
    return (recorded.subject, payload.workspace) if isinstance(payload, MemberAdded | MemberRemoved) else None


_KINDS: tuple[_Kind[Any], ...] = (
    _Kind(
        Workspace,
        "workspaces",
        {"id": "uuid", "name": "text", "title": "text", "created_at": "time", "created_by": "text"},
        ("id",),
        control.workspace,
        _workspace_of,
    ),
    _Kind(
        Member,
        "members",
        {
            "person_id": "uuid",
            "workspace": "text",
            "name": "text",
            "email": "text",
            "role": "text",
            "added_at": "time",
            "removed_at": "time",
        },
        ("person_id", "workspace"),
        control.member,
        _member_of,
    ),
    _Kind(
        Key,
        "keys",
        {
            "id": "uuid",
            "workspace": "text",
            "role": "text",
            "sha256": "text",
            "label": "text",
            "hint": "text",
            "created_at": "time",
            "created_by": "text",
            "revoked_at": "time",
            "revoked_by": "text",
        },
        ("id",),
        control.key,
        _key_of,
    ),
    _Kind(
        Share,
        "shares",
        {
            "id": "uuid",
            "workspace": "text",
            "name": "text",
            "path": "text",
            "as_of": "text",
            "sha256": "text",
            "hint": "text",
            "expires_at": "time",
            "created_at": "time",
            "created_by": "text",
            "revoked_at": "time",
            "revoked_by": "text",
        },
        ("id",),
        control.share,
        _share_of,
    ),
    _Kind(
        Report,
        "reports",
        {
            "id": "uuid",
            "revision": "int",
            "workspace": "text",
            "title": "text",
            "body": "text",
            "as_of": "text",
            "partition": "int",
            "offset": "bigint",
            "saved_at": "time",
            "saved_by": "text",
        },
        ("id", "revision"),
        control.report,
        _report_of,
    ),
    _Kind(
        Deletion,
        "deletions",
        {
            "kind": "text",
            "id": "uuid",
            "workspace": "text",
            "deleted_at": "time",
            "deleted_by": "text",
            "reason": "text",
        },
        ("kind", "id"),
        control.deletion,
        deletable,
    ),
)


class _States(Generic[State]):
    """The states of one kind that a batch touches."""

    def __init__(self, kind: _Kind[State], schema: str) -> None:
        self._kind = kind
        self._schema = schema
        self._table = Table(kind.name, kind.columns, kind.key)
        self._states: dict[Id, State | None] = {}
        self._changed: dict[Id, None] = {}

    async def load(self, connection: Any, events: Sequence[Recorded]) -> None:
        ids = {key for key in map(self._kind.of, events) if key is not None}
        if ids:
            rows = await connection.fetch(
                statement(self._select(), self._schema), *columns(ids, len(self._kind.key))
            )
            for row in rows:
                self._states[tuple(row[name] for name in self._kind.key)] = self._read(row)

    def _select(self) -> str:
        arrays = ", ".join(f"${i}::{self._kind.columns[name]}[]" for i, name in enumerate(self._kind.key, 1))
        keys = ", ".join(self._kind.key)
        return (
            f"select * from {{schema}}.{self._kind.name} join unnest({arrays}) as n ({keys}) using ({keys})"  # noqa: S608
        )

    def _read(self, row: Any) -> State:
        values = ((row[name], kind) for name, kind in self._kind.columns.items())
        return self._kind.row(
            *(microseconds(v) if kind == "time" and v is not None else v for v, kind in values)
        )

    def apply(self, recorded: Recorded) -> None:
        key = self._kind.of(recorded)
        if key is not None:
            self._states[key] = self._kind.fold(self._states.get(key), recorded)
            self._changed[key] = None

    async def save(self, connection: Any) -> None:
        states = {key: self._states[key] for key in self._changed}
        await self._table.delete(
            connection, self._schema, [key for key, state in states.items() if state is None]
        )
        present = [state for state in states.values() if state is not None]
        await self._table.upsert(connection, self._schema, present)


class ControlRows:
    """What one batch changes."""

    def __init__(self, schema: str) -> None:
        states = [_States(kind, schema) for kind in _KINDS]
        self._parts: list[Rows] = [*states, DeletionHistory(schema), AuditTrail(schema)]

    async def load(self, connection: Any, events: Sequence[Recorded]) -> None:
        for part in self._parts:
            await part.load(connection, events)

    def apply(self, recorded: Recorded) -> None:
        for part in self._parts:
            part.apply(recorded)

    async def save(self, connection: Any) -> None:
        for part in self._parts:
            await part.save(connection)


def create(settings: Settings, version: int) -> Sink:
    return PostgresSink(settings, name="control", version=version, topic="control", rows=ControlRows)
