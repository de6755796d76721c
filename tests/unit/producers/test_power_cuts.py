"""What a power cut leaves, in its hardest single cases; tests/faults/power.py cuts it at random."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import speech_experiment_tracker as tracker
from speech_experiment_schemas.runs import RunNoted
from speech_experiment_tracker.drain import own, producers
from speech_experiment_tracker.drain.folders import ProcessFolder
from speech_experiment_tracker.drain.office import Office
from speech_experiment_tracker.drain.producers import SpooledProducer
from speech_experiment_tracker.drain.targets import Target, load_target, save_target
from speech_experiment_tracker.spool.keeper import keeper
from speech_experiment_tracker.spool.page import read_ack
from speech_experiment_tracker.spool.places import Place
from speech_experiment_tracker.spool.producers import Producer

from .gateway import Gateway
from .spools import drained, has_no_holes, make_producer
from .test_delivery import until


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of everything that was brought onto the disk."""
    names: set[str] = set()

    def watched(sync: Any) -> Any:
        def call(fd: int) -> None:
            names.add(Path(os.readlink(f"/proc/self/fd/{fd}")).name)
            sync(fd)

        return call

    monkeypatch.setattr(os, "fsync", watched(os.fsync))
    monkeypatch.setattr(os, "fdatasync", watched(os.fdatasync))
    return names


def test_all_that_a_run_needs_is_on_the_disk_after_a_flush(tmp_path: Path, synced: set[str]) -> None:
    run = tracker.Client(api_url="http://127.0.0.1:1").start_run(capture_output=False)
    run.log_metrics({"loss": 1.0}, step=1)
    run.log_text("notes.txt", "kept")
    run.flush("disk")
    producer = run._producer
    assert producer is not None
    assert {f"{producer.id}.page", f"{producer.id}.artifacts-0001.seg", "000001"} <= synced
    assert any(".json." in name for name in synced), "the server's address, before it takes its name"
    assert {producer.place.folder.name, "processes"} <= synced
    run.finish(timeout=0)


def test_the_drain_names_its_own_producer_on_the_disk_before_it_sends(
    tmp_path: Path, synced: set[str]
) -> None:
    trainer = make_producer(tmp_path)
    seen = SpooledProducer.read(ProcessFolder(trainer.place.folder), trainer.place.name)
    assert seen is not None
    folder = ProcessFolder(tmp_path / "processes" / "drain's")
    folder.path.mkdir()
    assert folder.take()
    voice = own.OwnProducer(folder, seen.meta, trainer.run).voice("runs")
    voice.advance(dead=False)
    voice.sync()
    assert {"own", "events.book"} <= synced
    voice.close()
    trainer.release()


@pytest.mark.parametrize("left", [b"", bytes(4096), b"\xff" * 4096])
def test_an_acknowledgement_that_was_not_on_the_disk_is_none(tmp_path: Path, left: bytes) -> None:
    place = Place(tmp_path, "producer")
    place.page.write_bytes(left)
    assert read_ack(place, "runs").seq == 0


@pytest.mark.parametrize("size", [0, 1 << 18])
def test_a_last_segment_without_a_header_ends_the_stream(tmp_path: Path, size: int) -> None:
    producer = make_producer(tmp_path)
    producer.emit(RunNoted(notes="there"))
    producer.stream("runs")._roll(100, False)
    last = producer.stream("runs").segment.path
    producer.release()
    last.write_bytes(bytes(size))
    envelopes = drained(producer.place, producer.run, producer.id, "runs")
    assert [envelope.type for envelope in envelopes] == ["producer.opened", "run.noted", "producer.closed"]
    assert has_no_holes(envelopes)


def test_a_content_that_was_torn_is_given_up_and_not_sent_as_another(
    tmp_path: Path, gateway: Gateway
) -> None:
    run = tracker.Client(api_url=gateway.url).start_run(capture_output=False)
    run._client.session.start_drain = lambda: None  # type: ignore[method-assign]
    run.log_text("torn.txt", "what was written")
    run.log_text("whole.txt", "what else was written")
    producer = run._producer
    assert producer is not None
    (producer.place.contents / "000001").write_bytes(b"what was" + bytes(8))
    run.finish(timeout=0)
    keeper.flush()
    office = Office(producer.spool, Target(gateway.url))
    until(lambda: not producer.place.page.exists(), office)
    office.close()
    kinds = [record.type for record in gateway.records if record.stream == "artifacts"]
    assert kinds == ["producer.opened", "seq.voided", "artifact.logged", "producer.closed"]


@pytest.mark.parametrize("format_1", [False, True])
@pytest.mark.parametrize("left", [b"", None])
def test_segments_whose_writer_is_not_named_are_delivered_all_the_same(
    tmp_path: Path, gateway: Gateway, monkeypatch: pytest.MonkeyPatch, left: bytes | None, format_1: bool
) -> None:
    monkeypatch.setattr(producers, "ABANDONED_AFTER", -1.0)
    save_target(tmp_path, Target(gateway.url))
    producer = make_producer(tmp_path)
    producer.emit(RunNoted(notes="there"))
    producer.release()
    named = producer.place.page
    if format_1:
        folder = tmp_path / str(producer.run) / str(producer.id)
        folder.mkdir(parents=True)
        producer.place.segment("runs", 1).rename(folder / "runs-0001.seg")
        producer.place = Place(folder)
        named.unlink()
        named = folder / "producer.json"
    named.unlink(missing_ok=True)
    if left is not None:
        named.write_bytes(left)
    _delivered_as(producer, gateway)


def test_first_segments_whose_page_is_not_on_the_disk_are_delivered_all_the_same(
    tmp_path: Path, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(producers, "ABANDONED_AFTER", -1.0)
    save_target(tmp_path, Target(gateway.url))
    producer = make_producer(tmp_path, streams=("runs", "metrics"))
    producer.emit(RunNoted(notes="there"))
    producer.release()
    with producer.place.page.open("r+b") as file:
        file.write(bytes(8192))
    _delivered_as(producer, gateway)


def _delivered_as(producer: Producer, gateway: Gateway) -> None:
    office = Office(producer.spool)
    until(lambda: not producer.place.page.exists() and gateway.records, office)
    until(lambda: not office.producers, office)
    office.close()
    runs = [record.type for record in gateway.records if record.stream == "runs"]
    assert runs == ["producer.opened", "run.noted", "producer.closed"]
    assert {record.run_id for record in gateway.records} == {producer.run}


def test_one_folder_in_trouble_does_not_hold_up_the_others(
    tmp_path: Path, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = make_producer(tmp_path), make_producer(tmp_path)
    for producer in (bad, good):
        producer.emit(RunNoted(notes="a note"))
        producer.close("finished")
        producer.release()
    look = SpooledProducer.look

    def looks(producer: SpooledProducer, *, now: bool = False) -> bool:
        if producer.place == bad.place:
            raise ValueError("an entry that nobody understands")
        return look(producer, now=now)

    monkeypatch.setattr(SpooledProducer, "look", looks)
    office = Office(tmp_path, Target(gateway.url))
    until(lambda: not good.place.page.exists(), office)
    assert any(str(bad.place.page) in problem for problem in office.problems())
    monkeypatch.undo()
    until(lambda: not bad.place.page.exists(), office)
    office.close()


def test_a_saved_target_is_read_again(tmp_path: Path) -> None:
    target = Target("http://example.org", "key")
    assert load_target(tmp_path, save_target(tmp_path, target)) == target
