"""Test sets and evaluations that tests of scores share."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from speech_experiment_tracker import Client
from speech_experiment_tracker.run import Run

REFERENCES = {
    "a-1": "the cat sat on the mat",
    "a-2": "hello world",
    "b-1": "one two three four",
    "b-2": "silence is golden",
}

HYPOTHESES = {"a-1": "the cat sat on a mat", "a-2": "Hello, world!", "b-1": "one three four five", "b-2": ""}

SAID = "the quick brown fox jumps over the lazy dog"


def a_name() -> str:
    """Of a test set or system that no other test knows."""
    return f"set-{uuid4().hex[:12]}"


def scored(client: Client, run: Run, **query: Any) -> list[dict[str, Any]]:
    """The run's evaluations, once all that was logged is queryable."""
    assert run.flush("queryable", timeout=60)
    answer = client.api().get("/api/v1/evaluations", {"run": str(run.id), **query})
    return answer["evaluations"]


def register(client: Client, name: str) -> None:
    rows = [
        {"id": name_, "reference": text, "speaker": name_[0], "duration": 2.0, "conditions": {"snr": 10}}
        for name_, text in REFERENCES.items()
    ]
    client.register_test_set(name, rows, language="en")
    assert client.flush(60)


def board(client: Client, name: str, run: Run, **query: Any) -> Any:
    """The cell of a run on a set, and the answer's vector."""
    frame = client.scores([name], **query)
    row = next(row for row in frame if row["run_id"] == str(run.id))
    return row[name], frame.vector


def many(client: Client, name: str, speakers: int = 24) -> list[str]:
    """A set of five utterances for each speaker; its ids."""
    ids = [f"{speaker}-{place}" for speaker in range(speakers) for place in range(5)]
    rows = [
        {
            "id": each,
            "reference": f"{SAID} {each[-1]}",
            "speaker": each.split("-")[0],
            "conditions": {"noise": "babble" if int(each[-1]) < 2 else "none"},
        }
        for each in ids
    ]
    client.register_test_set(name, rows, language="en")
    assert client.flush(60)
    return ids
