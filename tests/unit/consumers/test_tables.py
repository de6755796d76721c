from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from speech_experiment_consumers import ledger_store
from speech_experiment_consumers.ledger_store import Ledger
from speech_experiment_consumers.sql import microseconds, moment
from speech_experiment_consumers.tables import Table
from speech_experiment_projections.ledger import Entry
from speech_experiment_schemas.producers import ProducerOpened

TABLE = Table(
    "things",
    {"id": "uuid", "tags": "jsonb", "words": "words", "at": "time", "offset": "bigint"},
    ("id", "offset"),
)


class Connection:
    """Keeps what it is asked to execute."""

    def __init__(self) -> None:
        self.executed: list[tuple[Any, ...]] = []

    async def execute(self, *asked: Any) -> None:
        self.executed.append(asked)

    async def copy_records_to_table(self, table: str, *, records: Any, **_: Any) -> None:
        self.executed.append(("copy", table, [record[0] for record in records]))


def executed(work: Any) -> list[tuple[Any, ...]]:
    connection = Connection()
    asyncio.run(work(connection))
    return connection.executed


def test_rows_travel_as_one_array_for_each_column() -> None:
    rows = [(1, "{}", ["a", "b"], 1_500_000, 7), (2, "[]", [], None, 8)]
    [(query, *arrays)] = executed(lambda c: TABLE.upsert(c, "s_v1", rows))
    assert query == (
        'insert into s_v1.things as t ("id", "tags", "words", "at", "offset") '
        'select n."id", n."tags"::jsonb, string_to_array(n."words", E\'\\x1f\'), n."at", n."offset" '
        "from unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::bigint[]) "
        'as n ("id", "tags", "words", "at", "offset") on conflict ("id", "offset") do '
        'update set "tags" = excluded."tags", "words" = excluded."words", "at" = excluded."at"'
    )
    assert arrays == [
        [1, 2],
        ["{}", "[]"],
        ["a\x1fb", ""],
        [datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC), None],
        [7, 8],
    ]


def test_nothing_is_executed_for_no_rows() -> None:
    assert executed(lambda c: TABLE.upsert(c, "s_v1", [])) == []
    assert executed(lambda c: TABLE.insert(c, "s_v1", [])) == []
    assert executed(lambda c: TABLE.delete(c, "s_v1", [])) == []


def test_rows_are_deleted_by_their_keys() -> None:
    [(query, *arrays)] = executed(lambda c: TABLE.delete(c, "s_v1", [(1, 7), (2, 8)]))
    assert query == (
        'delete from s_v1.things t using unnest($1::uuid[], $2::bigint[]) as n ("id", "offset") '
        'where t."id" = n."id" and t."offset" = n."offset"'
    )
    assert arrays == [[1, 2], [7, 8]]


def test_times_keep_their_microseconds() -> None:
    for time in (0, 1, 1_795_465_814_635_926, 253_370_764_799_999_999):
        assert microseconds(moment(time)) == time


def _entry(producer: int, run: int | None = 2, opened: ProducerOpened | None = None) -> Entry:
    return Entry(
        producer=UUID(int=producer),
        subject=("run", UUID(int=2)),
        run=None if run is None else UUID(int=run),
        partition=0,
        first_offset=1,
        last_offset=2,
        first_seen=3_000_000,
        last_seen=4_000_000,
        received=((0, 3), (5, 6)),
        opened=opened,
        last_call=5,
    )


@pytest.mark.parametrize(
    "opened", [ProducerOpened(attempt=2, rank=3, launch="job/0"), ProducerOpened(), None]
)
def test_a_row_of_the_ledger_has_a_value_for_each_column_and_comes_back(
    opened: ProducerOpened | None,
) -> None:
    entry = _entry(1, opened=opened)
    rows = [ledger_store._row(entry)]
    [(_, *arrays)] = executed(lambda c: ledger_store._LEDGER.upsert(c, "s_v1", rows))
    row = dict(zip(ledger_store._COLUMNS, (value for (value,) in arrays), strict=True))
    assert ledger_store._entry(row) == entry


def test_the_ledger_copies_what_only_this_worker_can_write_and_is_new() -> None:
    stored, new, of_no_run = _entry(1), _entry(2), _entry(3, run=None)
    ledger = Ledger({(stored.producer, stored.run, ""): stored})
    ledger.entries |= {
        (stored.producer, stored.run, ""): _entry(1),
        (new.producer, new.run, ""): new,
        (of_no_run.producer, None, ""): of_no_run,
    }
    (copy, table, copied), (query, producers, *_) = executed(lambda c: ledger.save(c, "s_v1"))
    assert (copy, table, copied) == ("copy", "ledger", [new.producer])
    assert "on conflict" in query
    assert producers == [stored.producer, of_no_run.producer]
