from __future__ import annotations

from typing import Any

from speech_experiment_tracker.cli.at import command, vector_of
from speech_experiment_tracker.cli.audit import what, who
from speech_experiment_tracker.cli.leaderboard import columns_that_fit
from speech_experiment_tracker.cli.replayed import differences


def _act(**changes: Any) -> dict[str, Any]:
    act = {
        "kind": "run",
        "id": "0199a3c2-7f1e-7a41-9d5b-0c2f3e4d5a6b",
        "name": "conformer",
        "actor": "key:0199a3c2-7f1e-7a41-9d5b-0c2f00000001",
        "actor_label": "",
        "details": {},
    }
    return act | changes


def test_an_actor_is_a_label_or_the_end_of_a_key() -> None:
    assert who(_act(actor_label="[bob]")) == "\\[bob]"
    assert who(_act()) == "key …00000001"
    assert who(_act(actor="system")) == "system"


def test_a_subject_has_kind_name_and_role() -> None:
    assert what(_act()) == "run [bold]conformer[/bold] [dim]3e4d5a6b[/dim]"
    assert what(_act(kind="key", name="", details={"role": "viewer"})) == "viewer key [dim]3e4d5a6b[/dim]"


def test_test_sets_are_shown_as_far_as_there_is_room_and_one_at_least() -> None:
    names = ["test-clean", "test-other", "a-very-long-name-of-a-test-set"]
    assert columns_that_fit(names, 40) == ["test-clean"]
    assert columns_that_fit(names, 110) == ["test-clean", "test-other"]
    assert columns_that_fit(names, 200) == names
    assert columns_that_fit([], 80) == []


def test_a_command_can_be_typed_again() -> None:
    options = {"--filter": "task = 'asr'", "--limit": None, "--test-set": ["a", "b"], "--all": True}
    assert command("leaderboard", **options) == (
        "speech-tracker leaderboard --filter 'task = '\"'\"'asr'\"'\"'' --test-set a --test-set b --all"
    )


def test_further_questions_follow_the_vector_only_when_a_moment_was_asked_for() -> None:
    assert vector_of({"vector": "v"}, "2026-11-17T18:00:00+01:00") == "v"
    assert vector_of({"vector": "v"}, None) is None
    assert vector_of({}, "2026-11-17") == "2026-11-17"


def test_differences_between_tables_and_log_are_named_by_their_path() -> None:
    tables = {"a": 1, "b": {"c": [1, 2], "d": "x"}, "e": 1.0, "gone": None}
    log = {"a": 1.0, "b": {"c": [1, 3], "d": "x"}, "e": True, "new": 0}
    found = {path: (one, other) for path, one, other in differences(tables, log)}
    assert set(found) == {"b.c[1]", "e", "gone", "new"}
    assert found["b.c[1]"] == (2, 3)
    assert not list(differences(tables, dict(tables)))
    assert [path for path, _, _ in differences({"x": [1]}, {"x": [1, 2]})] == ["x"]
