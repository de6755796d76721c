from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_experiment_infra.migrate import FOLDER, _templates
from speech_experiment_infra.versions import (
    OVERLAP_SECONDS,
    POINTER_SECONDS,
    UNREAD_SECONDS,
    Pointer,
    Refused,
    State,
    Version,
    find,
    may_become,
    refusal,
)

NOW = datetime(2026, 11, 24, tzinfo=UTC)
STATES: tuple[State, ...] = get_args(State)


def version(
    number: int, state: State = "kept", line: int | None = None, *, was_live: bool = False
) -> Version:
    return Version("metadata", number, state, line or number, True, NOW, NOW, None, was_live)


LIVE = version(1, "live", was_live=True)


def test_a_version_found_equal_may_become_live() -> None:
    assert refusal(version(2, line=1), LIVE, force=False, reason="") is None


def test_a_version_that_differs_needs_force_and_a_reason() -> None:
    other = version(2)
    assert "not found equal" in str(refusal(other, LIVE, force=False, reason="because"))
    assert "give the reason" in str(refusal(other, LIVE, force=True, reason="  "))
    assert refusal(other, LIVE, force=True, reason="languages are recognised now") is None


def test_one_can_flip_back_to_what_was_live_before() -> None:
    assert refusal(version(1, was_live=True), version(2, "live"), force=False, reason="") is None


@pytest.mark.parametrize("state", [state for state in STATES if state != "kept"])
@pytest.mark.parametrize("force", [False, True])
def test_only_a_followed_version_can_become_live_whatever_the_force(state: State, force: bool) -> None:
    assert refusal(version(2, state, line=1), LIVE, force=force, reason="because") is not None


def test_what_is_live_is_not_flipped_to() -> None:
    assert "is live already" in str(refusal(LIVE, LIVE, force=True, reason="because"))


@given(st.lists(st.sampled_from(STATES), min_size=2, max_size=6))
def test_a_life_never_leaves_retirement_and_never_skips_being_followed(wanted: list[State]) -> None:
    life: list[State] = ["building"]
    for state in wanted:
        if may_become(life[-1], state):
            life.append(state)
    assert "retired" not in life[:-1]
    assert all(before == "kept" for before, after in pairwise(life) if after == "live")
    assert all(after == "kept" for before, after in pairwise(life) if before == "live")


def test_around_a_flip_both_versions_are_waited_for() -> None:
    assert Pointer(1, 1).concerned == (1,)
    assert Pointer(2, 1, beside=1).concerned == (2, 1)


def test_readers_have_read_the_pointer_anew_before_and_after_a_flip_and_long_before_tables_go() -> None:
    assert OVERLAP_SECONDS > 2 * POINTER_SECONDS
    assert UNREAD_SECONDS > 10 * OVERLAP_SECONDS


def test_a_version_that_is_none_is_named() -> None:
    with pytest.raises(Refused, match="metadata:7"):
        find([LIVE], "metadata", 7)


@pytest.mark.parametrize("name", ["metadata", "metrics", "scores", "artifacts", "control"])
def test_a_template_without_indices_has_all_else(name: str) -> None:
    for script in _templates(FOLDER, name, 7):
        left = [statement for statement in script.statements if statement not in script.indices]
        assert script.without_indices.split(";\n") == left
        assert all(statement.startswith("create index on") for statement in script.indices)
