"""Bulk writes: many rows of one table in one statement, by arrays that Postgres unnests, or copied where all are new."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from asyncpg import Range

from speech_experiment_projections.intervals import Intervals, to_multirange

from .sql import columns, moment, statement

_SEPARATOR = "\x1f"

_TYPES = {"jsonb": "text", "words": "text", "multirange": "text", "time": "timestamptz"}
_READ = {
    "jsonb": "n.{}::jsonb",
    "words": "string_to_array(n.{}, E'\\x1f')",
    "multirange": "n.{}::int8multirange",
}


def _time(value: int | None) -> Any:
    return None if value is None else moment(value)


def _ranges(value: Intervals) -> list[Range]:
    return [Range(start, stop) for start, stop in value]  # of a bare pair the driver takes both ends in


def _words(value: Sequence[str]) -> str:
    return _SEPARATOR.join(word.replace(_SEPARATOR, " ") for word in value)


_CONVERT: dict[str, Callable[[Any], Any]] = {"time": _time, "words": _words, "multirange": to_multirange}
_COPIED: dict[str, Callable[[Any], Any]] = {"time": _time, "multirange": _ranges}


class Table:
    """A table of a projection version; rows are sequences in the order of its columns.

    columns  name → Postgres type, or: jsonb (given as JSON text), words (text[], given as a list
             of str), multirange (int8multirange, given as Intervals), time (timestamptz, given in
             microseconds since 1970)
    key      columns of the primary key
    """

    def __init__(self, name: str, columns: Mapping[str, str], key: Sequence[str]) -> None:
        self._name = name
        self._columns = dict(columns)
        self._converted = [(i, _COPIED[kind]) for i, kind in enumerate(columns.values()) if kind in _COPIED]
        names = [f'"{column}"' for column in columns]
        listed = ", ".join(names)
        values = ", ".join(_READ.get(kind, "n.{}").format(f'"{column}"') for column, kind in columns.items())
        arrays = ", ".join(f"${i}::{_TYPES.get(kind, kind)}[]" for i, kind in enumerate(columns.values(), 1))
        changes = ", ".join(f'"{c}" = excluded."{c}"' for c in columns if c not in key)
        keys = ", ".join(f'"{column}"' for column in key)
        source = f"select {values} from unnest({arrays}) as n ({listed})"  # noqa: S608 - our own names
        self._insert = f"insert into {{schema}}.{name} as t ({listed}) {source}"
        self._upsert = f"{self._insert} on conflict ({keys}) do " + (
            f"update set {changes}" if changes else "nothing"
        )
        matches = " and ".join(f't."{column}" = n."{column}"' for column in key)
        kinds = ", ".join(f"${i}::{columns[column]}[]" for i, column in enumerate(key, 1))
        self._delete = f"delete from {{schema}}.{name} t using unnest({kinds}) as n ({keys}) where {matches}"  # noqa: S608
        self._keys = len(key)

    async def insert(self, connection: Any, schema: str, rows: Iterable[Sequence[Any]]) -> None:
        """Adds rows that are new."""
        await self._run(connection, statement(self._insert, schema), rows)

    async def add(self, connection: Any, schema: str, rows: Iterable[Sequence[Any]]) -> None:
        """Adds the rows whose key is new."""
        await self._run(connection, statement(f"{self._insert} on conflict do nothing", schema), rows)

    async def copy(self, connection: Any, schema: str, rows: Iterable[Sequence[Any]]) -> None:
        """Adds rows that are new: a third of the work of `insert`, in Postgres and here."""
        records = [self._record(row) for row in rows] if self._converted else list(rows)
        if records:
            await connection.copy_records_to_table(
                self._name, schema_name=schema, records=records, columns=list(self._columns)
            )

    def _record(self, row: Sequence[Any]) -> list[Any]:
        record = list(row)
        for i, convert in self._converted:
            record[i] = convert(record[i])
        return record

    async def upsert(
        self, connection: Any, schema: str, rows: Iterable[Sequence[Any]], *, where: str = ""
    ) -> None:
        """Adds rows, or replaces those with the same key, or only those where SQL over t and excluded holds."""
        query = statement(f"{self._upsert} where {where}" if where else self._upsert, schema)
        await self._run(connection, query, rows)

    async def delete(self, connection: Any, schema: str, keys: Iterable[Sequence[Any]]) -> None:
        """Removes the rows of these keys."""
        listed = columns(keys, self._keys)
        if listed[0]:
            await connection.execute(statement(self._delete, schema), *listed)

    async def _run(self, connection: Any, query: str, rows: Iterable[Sequence[Any]]) -> None:
        turned = columns(rows, len(self._columns))
        if turned[0]:
            arrays = [
                list(map(_CONVERT[kind], values)) if kind in _CONVERT else values
                for kind, values in zip(self._columns.values(), turned, strict=True)
            ]
            await connection.execute(query, *arrays)
