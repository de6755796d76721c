"""What a spool says of itself, read while it is written and delivered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from speech_experiment_tracker.cli.proofs import Asking, Proofs
from speech_experiment_tracker.drain.office import Office
from speech_experiment_tracker.drain.targets import Target
from speech_experiment_tracker.spool_proofs import SpoolProof, spool_proofs

from .gateway import Gateway
from .spools import drained, make_producer, producer_in
from .test_delivery import log_calls, until


def test_calls_that_nobody_has_sealed_count_as_logged(tmp_path: Path) -> None:
    with producer_in(tmp_path) as producer:
        log_calls(producer, 20)
        [proof] = spool_proofs(tmp_path, str(producer.run))
        assert (proof.stream, proof.acknowledged, proof.logged) == ("metrics", 0, 21)
        assert spool_proofs(tmp_path, str(producer.id)) == []


def test_what_is_sealed_and_what_came_after_it_count_once(tmp_path: Path) -> None:
    with producer_in(tmp_path) as producer:
        log_calls(producer, 20)
        assert drained(producer.place, producer.run, producer.id, "metrics", dead=False)
        log_calls(producer, 5, first=20)
        [proof] = spool_proofs(tmp_path)
        assert (proof.acknowledged, proof.logged) == (0, 26)


def test_what_is_acknowledged_no_longer_waits(tmp_path: Path, gateway: Gateway) -> None:
    producer = make_producer(tmp_path)
    log_calls(producer, 30)
    office = Office(tmp_path, Target(gateway.url))
    until(lambda: spool_proofs(tmp_path)[0].acknowledged == 31, office)
    office.close()
    log_calls(producer, 2, first=30)
    [proof] = spool_proofs(tmp_path)
    assert (proof.acknowledged, proof.logged) == (31, 33)
    producer.release()


class Answers:
    """A server that has verified one run."""

    def __init__(self, streams: list[dict[str, Any]], behind: dict[str, int] | None = None) -> None:
        self.streams = streams
        self.behind = behind or {}

    def get(self, path: str, **_: Any) -> dict[str, Any]:
        if path.endswith("/delivery"):
            return {"missing": 0, "complete": True}
        return {"run_id": "r", "findings": [], "streams": self.streams, "behind": self.behind}

    def run_id(self, text: str) -> str:
        return text


def compared(
    monkeypatch: pytest.MonkeyPatch, received: list[list[int]], behind: dict[str, int] | None = None
) -> list[dict[str, Any]]:
    """The findings where a spool says that 10 of 12 calls were acknowledged."""
    proof = SpoolProof("/spool", "r", "p", "metrics", 10, 12)
    monkeypatch.setattr("speech_experiment_tracker.cli.proofs.spool_proofs", lambda *_: [proof])
    server = Answers([{"producer": "p", "stream": "metrics", "received": received}], behind)
    found: Proofs = Asking(server, 1.0, False, [Path("/spool")]).one("r", ledger=False)  # type: ignore[arg-type]
    return found.findings


def test_acknowledged_calls_must_be_in_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting, *rest = compared(monkeypatch, [[0, 9]])
    assert (waiting["kind"], waiting["calls"], rest) == ("waiting", [[10, 11]], [])
    assert waiting["next_step"] == "speech-tracker sync /spool"
    [_, lost] = compared(monkeypatch, [[1, 3], [6, 20]])
    assert (lost["where"], lost["kind"], lost["calls"]) == ("log", "missing", [[0, 0], [4, 5]])
    [_, all_lost] = compared(monkeypatch, [])
    assert all_lost["calls"] == [[0, 9]]


def test_a_log_that_was_not_read_to_its_end_has_lost_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [each["kind"] for each in compared(monkeypatch, [[0, 3]], {"metrics": 5})] == ["waiting"]
