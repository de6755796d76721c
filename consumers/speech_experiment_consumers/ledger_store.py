"""Ledger entries in Postgres: read for the producers of a batch, written back in one statement or two."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, get_args
from uuid import UUID

import msgspec

from speech_experiment_projections.intervals import from_multirange
from speech_experiment_projections.ledger import Account, Accounts, Entry, account_of
from speech_experiment_projections.recorded import Recorded
from speech_experiment_projections.run_rows import signed64
from speech_experiment_projections.texts import clean_text, to_json
from speech_experiment_schemas.ids import producer_hash
from speech_experiment_schemas.producers import CloseReason, ProducerClosed, ProducerOpened

from .sql import columns, microseconds, statement
from .tables import Table

_COLUMNS = {
    "producer": "uuid",
    "hash": "bigint",
    "subject_kind": "text",
    "subject_id": "uuid",
    "run_id": "uuid",
    "workspace": "text",
    "partition": "int",
    "first_offset": "bigint",
    "last_offset": "bigint",
    "received": "multirange",
    "voided": "multirange",
    "digest": "bytea",
    "role": "text",
    "rank": "bigint",
    "world_size": "bigint",
    "attempt": "bigint",
    "host": "text",
    "pid": "bigint",
    "client": "text",
    "launch": "text",
    "opened_at": "time",
    "opened_offset": "bigint",
    "closed_at": "time",
    "close_reason": "text",
    "last_seq": "bigint",
    "last_call": "bigint",
    "problems": "jsonb",
    "first_seen": "time",
    "last_seen": "time",
}
_LEDGER = Table("ledger", _COLUMNS, ("producer", "run_id", "workspace"))
_OPENING = ("role", "rank", "world_size", "attempt", "host", "pid", "client", "launch")
_READ = ", ".join(f"{name}::text" if kind == "multirange" else name for name, kind in _COLUMNS.items())

_SELECT = f"""
select {_READ}
from {{schema}}.ledger
join unnest($1::uuid[], $2::uuid[], $3::text[]) as n (p, r, w)
    on producer = n.p and run_id is not distinct from n.r and workspace = n.w
order by producer, run_id, workspace for update of ledger
"""  # noqa: S608 - made of the constants above
_OWNERS = """
select distinct on (run_id) run_id, workspace from {schema}.ledger where run_id = any($1::uuid[])
"""


class Ledger(Accounts):
    """The entries of a batch's producers, within one transaction."""

    def __init__(
        self, entries: dict[Account, Entry] | None = None, owners: dict[UUID, str] | None = None
    ) -> None:
        super().__init__(entries, owners)
        self._stored = dict(self.entries)

    @classmethod
    async def load(cls, connection: Any, schema: str, events: Iterable[Recorded]) -> Ledger:
        """Reads, and locks until the end of the transaction, the entries of the events' accounts.

        Only accounts that are not about one run may be written in several partitions; their entries
        are made before they are locked, so that two workers who meet a new one wait for each other.
        """
        seen = {account_of(event): event for event in events}
        entries = await read_entries(connection, schema, seen)
        shared = [
            _blank(seen[account])
            for account in sorted(account for account in seen if account[1] is None)
            if account not in entries
        ]
        if shared:
            await _LEDGER.add(connection, schema, map(_row, shared))
            entries |= await read_entries(connection, schema, map(_account, shared))
        runs = {account[1] for account in seen if account[1] is not None}
        return cls(entries, await read_owners(connection, schema, runs))

    async def save(self, connection: Any, schema: str) -> None:
        changed = [
            account for account, entry in self.entries.items() if self._stored.get(account) is not entry
        ]
        new = [account for account in changed if self._is_new(account)]
        known = sorted((account for account in changed if not self._is_new(account)), key=_order)
        await _LEDGER.copy(connection, schema, [_row(self.entries[account]) for account in new])
        await _LEDGER.upsert(connection, schema, [_row(self.entries[account]) for account in known])

    def _is_new(self, account: Account) -> bool:
        """Whether it has no row: one about a run lies in one partition, whose position the writer has locked."""
        return account[1] is not None and account not in self._stored


async def read_entries(connection: Any, schema: str, accounts: Iterable[Account]) -> dict[Account, Entry]:
    """The entries of the accounts, locked until the end of the transaction."""
    rows = await connection.fetch(statement(_SELECT, schema), *columns(accounts, 3))
    return {_account(entry): entry for entry in map(_entry, rows)}


async def read_owners(connection: Any, schema: str, runs: Collection[UUID]) -> dict[UUID, str]:
    """run → workspace, for the runs among those given that the topic has a record of."""
    if not runs:
        return {}
    rows = await connection.fetch(statement(_OWNERS, schema), list(runs))
    return {row["run_id"]: row["workspace"] for row in rows}


def _account(entry: Entry) -> Account:
    return entry.producer, entry.run, entry.workspace


def _order(account: Account) -> tuple[UUID, UUID, str]:
    producer, run, workspace = account
    return producer, run or UUID(int=0), workspace


def _blank(recorded: Recorded) -> Entry:
    producer, run, workspace = account_of(recorded)
    return Entry(
        producer=producer,
        subject=recorded.envelope.subject,
        run=run,
        workspace=workspace,
        partition=0,
        first_offset=0,
        last_offset=0,
        first_seen=0,
        last_seen=0,
    )


def _row(entry: Entry) -> tuple[Any, ...]:
    opened, closed = entry.opened, entry.closed
    return (
        entry.producer,
        signed64(producer_hash(entry.producer)),
        entry.subject[0],
        entry.subject[1],
        entry.run,
        entry.workspace,
        entry.partition,
        entry.first_offset,
        entry.last_offset,
        entry.received,
        entry.voided,
        entry.digest,
        *_opening(opened),
        entry.opened_at,
        entry.opened_offset,
        entry.closed_at,
        closed.reason if closed else None,
        entry.last_seq,
        entry.last_call,
        to_json(closed.problems if closed else {}),
        entry.first_seen,
        entry.last_seen,
    )


def _opening(opened: ProducerOpened | None) -> tuple[Any, ...]:
    if opened is None:
        return (None,) * len(_OPENING)
    values = msgspec.structs.asdict(opened) | {"launch": opened.launch or None}
    return tuple(clean_text(each) if isinstance(each, str) else each for each in map(values.get, _OPENING))


def _entry(row: Any) -> Entry:
    return Entry(
        producer=row["producer"],
        subject=(row["subject_kind"], row["subject_id"]),
        run=row["run_id"],
        workspace=row["workspace"],
        partition=row["partition"],
        first_offset=row["first_offset"],
        last_offset=row["last_offset"],
        first_seen=microseconds(row["first_seen"]),
        last_seen=microseconds(row["last_seen"]),
        received=from_multirange(row["received"]),
        voided=from_multirange(row["voided"]),
        digest=row["digest"] or bytes(32),
        opened=_opened(row),
        opened_at=_time(row["opened_at"]),
        opened_offset=row["opened_offset"],
        closed=_closed(row),
        closed_at=_time(row["closed_at"]),
        last_seq=row["last_seq"],
        last_call=row["last_call"],
    )


def _opened(row: Any) -> ProducerOpened | None:
    if row["role"] is None:
        return None
    return ProducerOpened(**{name: row[name] for name in _OPENING if row[name] is not None})


def _closed(row: Any) -> ProducerClosed | None:
    if row["close_reason"] not in get_args(CloseReason):
        return None
    return ProducerClosed(reason=row["close_reason"], problems=msgspec.json.decode(row["problems"]))


def _time(value: Any) -> int | None:
    return None if value is None else microseconds(value)
