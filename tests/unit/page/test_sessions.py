"""Tokens of sessions: whose they are, how long they hold, what is no token."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_experiment_api.key_ring import key_digest, new_key
from speech_experiment_api.sessions import LIFETIME_SECONDS, Sessions

NOW = 1_790_000_000.0


def test_a_token_stands_for_its_key_and_does_not_hold_it() -> None:
    sessions, key = Sessions("a secret"), new_key()
    token = sessions.seal(key_digest(key), NOW)
    assert sessions.open(token, NOW) == key_digest(key)
    assert key not in token


def test_a_token_ends() -> None:
    sessions = Sessions("a secret")
    token = sessions.seal(key_digest("k"), NOW)
    assert sessions.open(token, NOW + LIFETIME_SECONDS - 1) is not None
    assert sessions.open(token, NOW + LIFETIME_SECONDS) is None


def test_another_server_knows_neither_token_nor_cookie() -> None:
    ours, theirs = Sessions("a secret"), Sessions("another")
    assert theirs.open(ours.seal(key_digest("k"), NOW), NOW) is None
    assert ours.cookie != theirs.cookie


@given(st.integers(0, 71), st.integers(1, 255))
def test_a_token_with_any_byte_changed_is_none(place: int, change: int) -> None:
    sessions = Sessions("a secret")
    sealed = bytearray(urlsafe_b64decode(sessions.seal(key_digest("k"), NOW)))
    sealed[place] ^= change
    assert sessions.open(urlsafe_b64encode(sealed).decode(), NOW) is None


@pytest.mark.parametrize("text", ["", "x", "é", "AAAA", "stk_" + "a" * 43, "=" * 96])
def test_other_texts_are_no_tokens(text: str) -> None:
    assert Sessions("a secret").open(text, NOW) is None
