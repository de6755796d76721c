"""The whole log, folded purely in one process, against the tables of every projection."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from speech_experiment_consumers.intake import Letter, take_in
from speech_experiment_consumers.sink import Incoming
from speech_experiment_consumers.sql import microseconds
from speech_experiment_infra.connections import postgres_pool
from speech_experiment_infra.settings import Settings
from speech_experiment_projections import control, ledger
from speech_experiment_projections.artifacts import ArtifactRow, artifact_row, path_of
from speech_experiment_projections.control import Deletion, Key, Member, Share, Workspace
from speech_experiment_projections.recorded import Recorded
from speech_experiment_projections.refusal import Refused
from speech_experiment_schemas.artifacts import ArtifactLogged
from speech_experiment_schemas.control import (
    KeyCreated,
    KeyRevoked,
    MemberAdded,
    MemberRemoved,
    ShareCreated,
    ShareRevoked,
    SubjectDeleted,
    SubjectRestored,
    WorkspaceCreated,
)
from tests.integration import metrics_log
from tests.integration.metadata_log import Folded, read_log
from tests.integration.metadata_tables import actual_tables, comparable, differences, expected_tables

Rows = set[tuple[Any, ...]]


async def unlike_the_log(settings: Settings) -> list[str]:
    """What differs between the log and the tables of the live versions; empty when nothing does."""
    async with postgres_pool(settings) as pool:
        live = dict(await pool.fetch("select name, version from projection.live"))
    found = [f"metadata {each}" for each in await _metadata(settings, f"metadata_v{live['metadata']}")]
    try:
        await metrics_log.check(settings, live["metrics"])
    except AssertionError:
        found.append(f"metrics {traceback.format_exc()[-1_000:]}")
    for name, fold in (("artifacts", _artifacts), ("control", _control)):
        events, parked = _events(await read_log(settings, name), settings.partitions)
        wanted = fold(events, parked)
        async with postgres_pool(settings) as pool:
            stored = await _stored(pool, f"{name}_v{live[name]}", wanted)
        for table, rows in wanted.items():
            if rows != stored[table]:
                missing, surplus = list(rows - stored[table])[:3], list(stored[table] - rows)[:3]
                found.append(f"{name}.{table}: missing {missing}, surplus {surplus}")
    return found


async def _metadata(settings: Settings, schema: str) -> list[str]:
    folded = Folded(await read_log(settings), settings.partitions)
    actual = await actual_tables(settings, schema)
    return differences(comparable(expected_tables(folded)), comparable(actual))


Parked = dict[tuple[int, int], str]


def _events(records: Iterable[Incoming], partitions: int) -> tuple[list[Recorded], Parked]:
    """What the ledger admits, in log order, and what is parked (partition and offset → reason)."""
    accounts = ledger.Accounts()
    events: list[Recorded] = []
    parked: Parked = {}
    for incoming in records:
        taken = take_in(incoming, partitions)
        place = (incoming.partition, incoming.offset)
        if isinstance(taken, Letter):
            parked[place] = taken.reason
            continue
        try:
            event = taken.recorded._replace(accepted=accounts.admit(taken.recorded))
        except Refused as refusal:
            parked[place] = refusal.reason
            continue
        if event.accepted:
            accounts.record(event)
            events.append(event)
    return events, parked


def _artifacts(events: Iterable[Recorded], parked: Parked) -> dict[str, Rows]:
    versions: dict[Any, int] = {}
    rows: dict[UUID, ArtifactRow] = {}
    for event in events:
        if not isinstance(event.payload, ArtifactLogged):
            continue
        if event.payload.artifact in rows:
            parked[event.partition, event.offset] = "collision"
            continue
        path = path_of(event, event.payload)
        versions[path] = versions.get(path, 0) + 1
        row = artifact_row(event, event.payload, versions[path])
        rows[row.id] = row._replace(storage=_canonical(row.storage), metadata=_canonical(row.metadata))
    return {"artifacts": {tuple(row) for row in rows.values()}, "dead_letters": _letters(parked)}


class _Kind(NamedTuple):
    """A table of the projection control: its rows, its fold, and the events it concerns."""

    row: Any
    fold: Callable[..., Any]
    of: Callable[[Recorded], Any]
    payloads: tuple[type, ...]


_KINDS = {
    "workspaces": _Kind(Workspace, control.workspace, lambda e: e.subject, (WorkspaceCreated,)),
    "members": _Kind(
        Member, control.member, lambda e: (e.subject, e.payload.workspace), (MemberAdded, MemberRemoved)
    ),
    "keys": _Kind(Key, control.key, lambda e: e.subject, (KeyCreated, KeyRevoked)),
    "shares": _Kind(Share, control.share, lambda e: e.subject, (ShareCreated, ShareRevoked)),
    "deletions": _Kind(
        Deletion, control.deletion, lambda e: e.envelope.subject, (SubjectDeleted, SubjectRestored)
    ),
}


def _control(events: Iterable[Recorded], parked: Parked) -> dict[str, Rows]:
    states: dict[str, dict[Any, Any]] = {name: {} for name in _KINDS}
    for event in events:
        for name, kind in _KINDS.items():
            if isinstance(event.payload, kind.payloads):
                key = kind.of(event)
                states[name][key] = kind.fold(states[name].get(key), event)
    tables = {name: {tuple(row) for row in rows.values() if row is not None} for name, rows in states.items()}
    return {**tables, "dead_letters": _letters(parked)}


def _letters(parked: Parked) -> Rows:
    return {(*place, reason) for place, reason in parked.items()}


async def _stored(pool: asyncpg.Pool, schema: str, wanted: dict[str, Rows]) -> dict[str, Rows]:
    columns = {name: kind.row._fields for name, kind in _KINDS.items()}
    columns |= {"artifacts": ArtifactRow._fields, "dead_letters": ("partition", "offset", "reason")}
    found: dict[str, Rows] = {}
    for table in wanted:
        names = ", ".join(f'"{name}"' for name in columns[table])
        rows = await pool.fetch(f"select {names} from {schema}.{table}")
        found[table] = {tuple(_plain(name, value) for name, value in row.items()) for row in rows}
    return found


def _plain(name: str, value: Any) -> Any:
    if name.endswith("_at") and value is not None:
        return microseconds(value)
    return _canonical(value) if name in ("storage", "metadata") else value


def _canonical(text: str) -> str:
    return json.dumps(json.loads(text), sort_keys=True)
