from pathlib import Path
from uuid import uuid4

import pytest

from speech_experiment_api.actors import Actor
from speech_experiment_api.bootstrap import read_or_write_key
from speech_experiment_api.key_ring import CACHE_SECONDS, KeyRing, key_digest, new_key, well_formed
from speech_experiment_api.keys import make_key


class Table:
    """Keys as the projection holds them, counting how often it is asked."""

    def __init__(self) -> None:
        self.rows: dict[str, Actor] = {}
        self.asked = 0

    async def fetch(self, digest: str) -> Actor | None:
        self.asked += 1
        return self.rows.get(digest)

    def add(self) -> tuple[str, Actor]:
        key, actor = new_key(), Actor(uuid4(), "default", "editor")
        self.rows[key_digest(key)] = actor
        return key, actor


def test_a_key_carries_256_random_bits() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(well_formed(key) and len(key) == 47 for key in keys)


@pytest.mark.parametrize(
    "text", ["", "stk_", "stk_short", "xyz_" + "a" * 43, "stk_" + "a" * 44, "stk_" + "ä" * 43]
)
async def test_what_is_no_key_is_refused_without_a_look_up(text: str) -> None:
    table = Table()
    assert await KeyRing(table.fetch).identify(text) is None
    assert table.asked == 0


async def test_a_look_up_is_remembered_for_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table()
    key, actor = table.add()
    ring, now = KeyRing(table.fetch), 100.0
    monkeypatch.setattr("speech_experiment_api.key_ring.time.monotonic", lambda: now)
    assert [await ring.identify(key) for _ in range(3)] == [actor] * 3
    assert table.asked == 1
    table.rows.clear()
    now += CACHE_SECONDS
    assert await ring.identify(key) is None


async def test_a_revoked_key_is_refused_at_once() -> None:
    table = Table()
    key, actor = table.add()
    ring = KeyRing(table.fetch)
    assert await ring.identify(key) == actor
    ring.refuse(actor.key_id)
    assert await ring.identify(key) is None


async def test_a_key_made_just_now_is_known_after_forgetting() -> None:
    table = Table()
    key = new_key()
    ring = KeyRing(table.fetch)
    assert await ring.identify(key) is None
    table.rows[key_digest(key)] = Actor(uuid4(), "default", "viewer")
    ring.forget()
    assert await ring.identify(key) is not None


def test_roles_are_ordered() -> None:
    editor = Actor(uuid4(), "default", "editor")
    assert editor.may("viewer")
    assert editor.may("editor")
    assert not editor.may("admin")


def test_the_event_of_a_key_does_not_tell_it() -> None:
    created, event = make_key("default", "viewer", "laptop")
    assert event.sha256 == key_digest(created.key)
    assert created.key not in repr(event)
    assert created.key.endswith(event.hint)


def test_the_first_key_is_private_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "admin.key"
    key = read_or_write_key(path)
    assert well_formed(key)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_or_write_key(path) == key
    assert [each.name for each in tmp_path.iterdir()] == ["admin.key"]
