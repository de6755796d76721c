"""What is remembered of whose a run is, without a store."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from speech_experiment_api import owners
from speech_experiment_api.owners import Owners
from speech_experiment_schemas.ids import uuid7


class Table:
    """Workspaces by id, and how often they were asked for."""

    def __init__(self) -> None:
        self.rows: dict[UUID, str] = {}
        self.asked: list[list[UUID]] = []

    async def fetch(self, ids: list[UUID]) -> dict[UUID, str]:
        self.asked.append(ids)
        return {each: self.rows[each] for each in ids if each in self.rows}


async def test_what_is_known_is_asked_once() -> None:
    table, ours, theirs = Table(), uuid7(), uuid7()
    table.rows = {ours: "team", theirs: "others"}
    known = Owners(table.fetch)
    for _ in range(3):
        assert await known.foreign({ours.bytes, theirs.bytes}, "team") == {theirs.bytes}
    assert await known.foreign({ours.bytes, theirs.bytes}, "others") == {ours.bytes}
    assert len(table.asked) == 1


async def test_an_unknown_id_passes_and_nobody_else_profits_from_the_pause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(owners, "UNKNOWN_SECONDS", 0.05)
    table, run = Table(), uuid7()
    known = Owners(table.fetch)
    assert not await known.foreign({run.bytes}, "team")
    assert not await known.foreign({run.bytes}, "team")
    assert len(table.asked) == 1
    table.rows[run] = "team"
    assert await known.foreign({run.bytes}, "strangers") == {run.bytes}
    await asyncio.sleep(0.06)
    assert not await known.foreign({run.bytes}, "team")


async def test_a_full_cache_forgets_no_answer_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owners, "_CACHE_LIMIT", 2)
    table = Table()
    table.rows = {uuid7(): "others" for _ in range(6)}
    known = Owners(table.fetch)
    ids = {each.bytes for each in table.rows}
    assert await known.foreign(set(list(ids)[:2]), "team") == set(list(ids)[:2])
    assert await known.foreign(ids, "team") == ids
