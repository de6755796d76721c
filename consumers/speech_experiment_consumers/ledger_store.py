"""Ledger entries in Postgres: read for the producers of a batch, written back in one statement."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args
from uuid import UUID

import msgspec

from speech_experiment_projections import ledger
from speech_experiment_projections.intervals import Intervals, from_multirange, to_multirange
from speech_experiment_projections.ledger import Entry
from speech_experiment_projections.recorded import Recorded
from speech_experiment_projections.run_rows import signed64
from speech_experiment_projections.texts import clean_text, to_json
from speech_experiment_schemas import Envelope
from speech_experiment_schemas.ids import producer_hash
from speech_experiment_schemas.producers import CloseReason, ProducerClosed, ProducerOpened

from .sql import columns, microseconds, moment, statement

_FIELDS = (
    ("producer", "uuid"),
    ("hash", "bigint"),
    ("subject_kind", "text"),
    ("subject_id", "uuid"),
    ("run_id", "uuid"),
    ("partition", "int"),
    ("first_offset", "bigint"),
    ("last_offset", "bigint"),
    ("received", "text"),
    ("voided", "text"),
    ("digest", "bytea"),
    ("role", "text"),
    ("rank", "bigint"),
    ("world_size", "bigint"),
    ("attempt", "bigint"),
    ("host", "text"),
    ("pid", "bigint"),
    ("client", "text"),
    ("opened_at", "timestamptz"),
    ("closed_at", "timestamptz"),
    ("close_reason", "text"),
    ("last_seq", "bigint"),
    ("problems", "text"),
    ("first_seen", "timestamptz"),
    ("last_seen", "timestamptz"),
)
_OPENING = ("role", "rank", "world_size", "attempt", "host", "pid", "client")
_CASTS = {"received": "::int8multirange", "voided": "::int8multirange", "problems": "::jsonb"}
_NAMES = ", ".join(name for name, _ in _FIELDS)
_VALUES = ", ".join(f"n.{name}{_CASTS.get(name, '')}" for name, _ in _FIELDS)
_ARRAYS = ", ".join(f"${i}::{kind}[]" for i, (_, kind) in enumerate(_FIELDS, 1))
_CHANGES = ", ".join(f"{name} = excluded.{name}" for name, _ in _FIELDS[5:])

_SELECT = f"""
select {_NAMES.replace("received", "received::text").replace("voided", "voided::text")}
from {{schema}}.ledger where producer = any($1::uuid[]) order by producer for update
"""  # noqa: S608 - made of the constants above
_SAVE = f"""
insert into {{schema}}.ledger ({_NAMES}) select {_VALUES} from unnest({_ARRAYS}) as n ({_NAMES})
on conflict (producer) do update set {_CHANGES}
"""  # noqa: S608
_RESERVE = f"""
insert into {{schema}}.ledger ({_NAMES}) select {_VALUES} from unnest({_ARRAYS}) as n ({_NAMES})
on conflict (producer) do nothing
"""  # noqa: S608


class Ledger:
    """The entries of a batch's producers, within one transaction."""

    def __init__(self, entries: dict[UUID, Entry]) -> None:
        self._entries = entries
        self._changed: dict[UUID, None] = {}

    @classmethod
    async def load(cls, connection: Any, schema: str, envelopes: Iterable[Envelope]) -> Ledger:
        """Reads, and locks until the end of the transaction, the entries of the envelopes' producers.

        Only producers that are not about one run may write to several partitions; their entries are
        made before they are locked, so that two workers who meet a new one wait for each other.
        """
        seen = {envelope.producer: envelope for envelope in envelopes}
        entries = await _select(connection, schema, seen)
        shared = [
            _blank(envelope)
            for producer, envelope in sorted(seen.items())
            if producer not in entries and envelope.run_id is None
        ]
        if shared:
            await connection.execute(statement(_RESERVE, schema), *columns(map(_row, shared), len(_FIELDS)))
            entries |= await _select(connection, schema, [entry.producer for entry in shared])
        return cls(entries)

    def admit(self, envelope: Envelope) -> Intervals:
        """The part of the record's range that was not received before."""
        return ledger.admit(self._entries.get(envelope.producer), envelope)

    def entry(self, producer: UUID) -> Entry | None:
        return self._entries.get(producer)

    def record(self, recorded: Recorded) -> Entry:
        """Notes a record that was admitted and projected."""
        producer = recorded.envelope.producer
        entry = self._entries.get(producer)
        known = None if entry is None or not entry.received else entry
        self._entries[producer] = ledger.evolve(known, recorded)
        self._changed[producer] = None
        return self._entries[producer]

    async def save(self, connection: Any, schema: str) -> None:
        rows = [_row(self._entries[producer]) for producer in sorted(self._changed)]
        if rows:
            await connection.execute(statement(_SAVE, schema), *columns(rows, len(_FIELDS)))


async def _select(connection: Any, schema: str, producers: Iterable[UUID]) -> dict[UUID, Entry]:
    rows = await connection.fetch(statement(_SELECT, schema), list(producers))
    return {entry.producer: entry for entry in map(_entry, rows)}


def _blank(envelope: Envelope) -> Entry:
    return Entry(
        producer=envelope.producer,
        subject=envelope.subject,
        run=None,
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
        entry.partition,
        entry.first_offset,
        entry.last_offset,
        to_multirange(entry.received),
        to_multirange(entry.voided),
        entry.digest,
        *_opening(opened),
        None if entry.opened_at is None else moment(entry.opened_at),
        None if entry.closed_at is None else moment(entry.closed_at),
        closed.reason if closed else None,
        entry.last_seq,
        to_json(closed.problems if closed else {}),
        moment(entry.first_seen),
        moment(entry.last_seen),
    )


def _opening(opened: ProducerOpened | None) -> tuple[Any, ...]:
    if opened is None:
        return (None,) * len(_OPENING)
    values = (getattr(opened, name) for name in _OPENING)
    return tuple(clean_text(value) if isinstance(value, str) else value for value in values)


def _entry(row: Any) -> Entry:
    return Entry(
        producer=row["producer"],
        subject=(row["subject_kind"], row["subject_id"]),
        run=row["run_id"],
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
        closed=_closed(row),
        closed_at=_time(row["closed_at"]),
        last_seq=row["last_seq"],
    )


def _opened(row: Any) -> ProducerOpened | None:
    if row["role"] is None:
        return None
    return ProducerOpened(**{name: row[name] for name in _OPENING})


def _closed(row: Any) -> ProducerClosed | None:
    if row["close_reason"] not in get_args(CloseReason):
        return None
    return ProducerClosed(reason=row["close_reason"], problems=msgspec.json.decode(row["problems"]))


def _time(value: Any) -> int | None:
    return None if value is None else microseconds(value)
