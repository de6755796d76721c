"""A pool of chDB connections over one data folder, with the settings of each call applied.

A chDB connection runs one statement at a time, several connections run side by side. Settings
belong to a connection: the pool hands out one that already has the wanted settings where it can,
and changes one otherwise (80 µs).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

_CODE = re.compile(r"Code: (\d+)\. ")
_OPTIONS = "&".join(
    [
        # merging costs more than inserting: it takes the processor when nobody else wants it
        "os_threads_nice_value_merge_mutate=10",
        # keyed by part and condition, and kept when the part is gone: parts live for seconds here and conditions
        # name runs, so it seldom hits and grows for days
        "query_condition_cache_size=0",
        # 5 GiB each by default, for the machine that is all ClickHouse's
        "mark_cache_size=268435456",
        "index_mark_cache_size=67108864",
    ]
)
_SETTING_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*\Z")
_CHANGES_SESSION = re.compile(r"\s*(SET|USE|CREATE\s+TEMPORARY)\b", re.IGNORECASE)


class EngineError(Exception):
    """The engine refused a statement; ``code`` is ClickHouse's error code, 0 when unknown."""

    def __init__(self, message: str) -> None:
        start = message.find("Code: ")
        super().__init__(message[start:] if start > 0 else message)
        found = _CODE.search(message)
        self.code = int(found[1]) if found else 0


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with what belongs to this one call: query parameters, settings, current database."""

    sql: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    database: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Encoded rows and the counts ClickHouse reports; ``rows`` stay valid while this lives."""

    rows: bytes | memoryview = b""
    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    owner: Any = None


@dataclass(slots=True)
class _Session:
    """A chDB connection and what was set on it."""

    handle: Any
    database: str
    settings: dict[str, str] = field(default_factory=dict)

    def matches(self, statement: Statement) -> bool:
        return self.database == statement.database and self.settings == statement.settings

    def prepare(self, statement: Statement) -> None:
        """Make database and settings those of ``statement``, resetting what it does not set."""
        if statement.database != self.database:
            self.handle.query(f"USE {_identifier(statement.database)}", "Null", params={})
            self.database = statement.database
        changes = _setting_changes(self.settings, statement.settings)
        if changes:
            self.handle.query(f"SET {', '.join(changes)}", "Null", params={})
            self.settings = dict(statement.settings)


class Engine:
    """One chDB data folder; thread-safe. Statements wait for a free session when all are busy."""

    def __init__(self, path: str, database: str, *, sessions: int = 16) -> None:
        chdb: Any = import_module("chdb._chdb")
        chdb.set_signal_handlers_enabled(0)
        self._connect: Callable[[], Any] = lambda: chdb.connect(f"{path}?{_OPTIONS}")
        self._database = database
        self._idle: list[_Session] = []
        self._guard = threading.Lock()
        self._slots = threading.BoundedSemaphore(sessions)
        first = self._connect()
        first.query(
            f"CREATE DATABASE IF NOT EXISTS {_identifier(database)} ENGINE = Atomic", "Null", params={}
        )
        first.query(f"USE {_identifier(database)}", "Null", params={})
        self._idle.append(_Session(first, database))

    def query(self, statement: Statement, output_format: str) -> Outcome:
        """Run any statement but an insert of data; a FORMAT clause in it wins over the argument.

        Raises:
            EngineError: the engine refused it.
        """
        with self._session(statement) as session:
            result = session.handle.query(statement.sql, output_format, params=dict(statement.parameters))
            view = result.get_memview()
            return Outcome(
                view.view() if len(result) else b"",
                read_rows=result.storage_rows_read(),
                read_bytes=result.storage_bytes_read(),
                written_rows=result.rows_written(),
                written_bytes=result.bytes_written(),
                owner=(view, result),
            )

    def insert(self, statement: Statement, input_format: str, pieces: Iterable[bytes]) -> Outcome:
        """Insert encoded rows as they arrive; nothing is written when a piece is refused.

        Raises:
            EngineError: the engine refused the statement or the data.
        """
        with self._session(statement) as session:
            stream = session.handle.send_insert(statement.sql, input_format)
            try:
                for piece in pieces:
                    session.handle.insert_append(stream, piece)
            except BaseException:
                session.handle.insert_cancel(stream)
                raise
            result = session.handle.insert_done(stream)
            return Outcome(written_rows=result.rows_written(), written_bytes=result.bytes_written())

    def close(self) -> None:
        """Close the idle sessions; call it when no statement runs any more."""
        with self._guard:
            for session in self._idle:
                session.handle.close()
            self._idle.clear()

    @contextmanager
    def _session(self, statement: Statement) -> Iterator[_Session]:
        """A session set up for ``statement``; one that failed or changed itself is not reused."""
        statement = self._with_database(statement)
        with self._slots:
            session = self._take(statement)
            reusable = False
            try:
                session.prepare(statement)
                yield session
                reusable = not _CHANGES_SESSION.match(statement.sql)
            except RuntimeError as error:
                reusable = session.matches(statement)
                raise EngineError(str(error)) from error
            finally:
                self._put_back(session, reusable)

    def _with_database(self, statement: Statement) -> Statement:
        if statement.database:
            return statement
        return Statement(statement.sql, statement.parameters, statement.settings, self._database)

    def _take(self, statement: Statement) -> _Session:
        with self._guard:
            for index in range(len(self._idle) - 1, -1, -1):
                if self._idle[index].matches(statement):
                    return self._idle.pop(index)
            if self._idle:
                return self._idle.pop(0)
        return _Session(self._connect(), "")

    def _put_back(self, session: _Session, reusable: bool) -> None:
        if not reusable:
            session.handle.close()
            return
        with self._guard:
            self._idle.append(session)


def _setting_changes(current: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    changes = [f"{name} = {_literal(value)}" for name, value in wanted.items() if current.get(name) != value]
    changes += [f"{name} = DEFAULT" for name in current if name not in wanted]
    bad = [name for name in wanted if not _SETTING_NAME.match(name)]
    if bad:
        raise EngineError(f"Code: 115. DB::Exception: not a setting name: {bad[0]!r}. (UNKNOWN_SETTING)")
    return changes


def _identifier(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _literal(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
