"""Every byte of a segment and of a journal torn or changed: nothing is invented, and what is missing is named."""

from __future__ import annotations

import errno
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from speech_experiment_schemas import Envelope, decode, validate
from speech_experiment_schemas.runs import RunNoted
from speech_experiment_tracker._crc import crc32c
from speech_experiment_tracker.drain import journal as journals
from speech_experiment_tracker.drain.journal import Book
from speech_experiment_tracker.drain.lanes import Lane
from speech_experiment_tracker.spool.frames import next_valid
from speech_experiment_tracker.spool.places import DRAIN
from speech_experiment_tracker.spool.producers import Producer
from speech_experiment_tracker.spool.records import FRAME

from .spools import calls_of, has_no_holes, lane_of, make_producer, producer_in

BITS = range(8) if os.environ.get("SPEECH_TRACKER_EVERY_BIT") else None
"""Every bit of every byte, or one of each."""


class Spool:
    """A producer's folder of two metrics segments, kept in memory so that it can be damaged again and again."""

    def __init__(self, folder: Path) -> None:
        producer = make_producer(folder)
        stream = producer.stream("metrics")
        self.first = stream.segment.path  # type: ignore[attr-defined]
        for number in range(6):
            self._log(producer, number)
        stream._roll(100, True)  # type: ignore[attr-defined]
        for number in range(6, 12):
            self._log(producer, number)
        self.second = producer.metrics.segment.path
        self.used = producer.metrics.segment.at[0]
        producer.close("finished")
        producer.release()
        self.producer = producer
        self.drain = producer.place.folder / DRAIN
        self.page = producer.place.page.read_bytes()
        self.contents = {
            path: path.read_bytes().rstrip(b"\0") + bytes(40) for path in (self.first, self.second)
        }

    @staticmethod
    def _log(producer: Producer, number: int) -> None:
        keys = ("loss", "wer") if number % 2 else ("loss",)
        producer.metrics.log_checked(keys, (float(number), 0.5)[: len(keys)], number, None, 1)

    def delivered(self, damage: dict[Path, bytes] | None = None) -> list[Envelope]:
        """What a drain makes of the folder, and of its damaged files."""
        for path, content in (self.contents | (damage or {})).items():
            path.write_bytes(content)
        self.forget()
        return self.sealed(self.lane())

    def forget(self) -> None:
        """Removes what a drain has kept."""
        shutil.rmtree(self.drain, ignore_errors=True)
        self.producer.place.page.write_bytes(self.page)

    def lane(self) -> Lane:
        return lane_of(self.producer)

    @staticmethod
    def sealed(lane: Lane) -> list[Envelope]:
        rounds = 0
        while not lane.closed:
            lane.advance(dead=True)
            rounds += 1
            assert rounds < 100, "it goes round for ever"
        records = [sealed.record for sealed in lane.journal.waiting]
        lane.close()
        return [validate(record) for record in records]


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path)


def flips(content: bytes, used: int) -> Iterator[tuple[int, bytes]]:
    """(place, the content with one bit changed there)"""
    for place in range(used):
        for bit in BITS or (place % 8,):
            changed = bytearray(content)
            changed[place] ^= 1 << bit
            yield place, bytes(changed)


def assert_honest(envelopes: list[Envelope], place: object, *, most: int) -> None:
    """Sequence numbers without holes, only calls that were made, and what is missing is named."""
    assert has_no_holes(envelopes), place
    assert envelopes[-1].type == "producer.closed", place
    steps = [step for step, *_ in calls_of(envelopes)]
    assert all(points == _points(step) for step, _, _, points in calls_of(envelopes)), place
    assert steps == sorted(set(steps)), place
    assert set(steps) <= set(range(12)), place
    missing = 12 - len(steps)
    named = sum(envelope.count for envelope in envelopes if envelope.type == "seq.voided")
    assert missing <= most, (place, missing)
    assert named >= missing, (place, missing, named)


def _points(step: int | None) -> dict[str, float]:
    assert step is not None
    return {"loss": float(step), "wer": 0.5} if step % 2 else {"loss": float(step)}


def test_a_bit_changed_anywhere_in_a_segment_takes_no_more_than_its_record(spool: Spool) -> None:
    assert [step for step, *_ in calls_of(spool.delivered())] == list(range(12))
    used = len(spool.contents[spool.first].rstrip(b"\0"))
    for place, changed in flips(spool.contents[spool.first], used):
        # The keys of a damaged layout are needed by three calls.
        assert_honest(spool.delivered({spool.first: changed}), place, most=3)


def test_a_bit_changed_anywhere_in_the_last_segment_takes_no_more_than_its_record(spool: Spool) -> None:
    for place, changed in flips(spool.contents[spool.second], spool.used):
        assert_honest(spool.delivered({spool.second: changed}), place, most=3)


def test_a_dead_producers_last_call_is_named_where_its_bytes_changed(tmp_path: Path) -> None:
    with producer_in(tmp_path) as producer:
        for number in range(3):
            Spool._log(producer, number)
        segment, end = producer.metrics.segment.path, producer.metrics.segment.at[0]
        content = bytearray(segment.read_bytes())
        content[end - 3] ^= 1
        segment.write_bytes(content)
        envelopes = Spool.sealed(lane_of(producer))
    assert [step for step, *_ in calls_of(envelopes)] == [0, 1]
    assert [envelope.type for envelope in envelopes][-2:] == ["seq.voided", "producer.closed"]
    assert has_no_holes(envelopes)


@pytest.mark.parametrize("hole", [64, 200, 512])
def test_a_hole_anywhere_in_a_segment_is_named(spool: Spool, hole: int) -> None:
    content = spool.contents[spool.first]
    for place in range(0, len(content.rstrip(b"\0")), 7):
        holed = content[:place] + bytes(hole) + content[place + hole :]
        assert_honest(spool.delivered({spool.first: holed}), place, most=6)


def test_a_segment_cut_off_anywhere_loses_nothing_of_the_next(spool: Spool) -> None:
    content = spool.contents[spool.first]
    for place in range(len(content.rstrip(b"\0"))):
        envelopes = spool.delivered({spool.first: content[:place]})
        assert_honest(envelopes, place, most=6)
        assert {6, 7, 8, 9, 10, 11} <= {step for step, *_ in calls_of(envelopes)}, place


def test_a_segment_that_is_gone_is_named(spool: Spool) -> None:
    spool.contents.pop(spool.first)
    spool.first.unlink()
    assert_honest(spool.delivered(), "first", most=6)


def _with_journal(spool: Spool, *, acknowledged: int) -> tuple[Path, bytes, list[bytes]]:
    """The folder with a journal of several entries, of which the first are acknowledged."""
    spool.delivered()
    spool.forget()
    lane = spool.lane()
    while not lane.closed:
        lane.advance(dead=True)
    records = [sealed.record for sealed in lane.journal.waiting]
    lane.journal.acknowledge(acknowledged, {}, [])
    lane.journal.book.sync()
    lane.close()
    journal = lane.journal.book.path
    return journal, journal.read_bytes(), records


@pytest.mark.parametrize("acknowledged", [0, 2])
@pytest.mark.parametrize("segments", ["kept", "removed"])
def test_a_bit_changed_anywhere_in_a_journal_loses_nothing_unnamed(
    spool: Spool, segments: str, acknowledged: int
) -> None:
    journal, content, records = _with_journal(spool, acknowledged=acknowledged)
    page = spool.producer.place.page
    said = page.read_bytes()
    if segments == "removed":
        spool.first.unlink()
    for place, changed in flips(content, len(content)):
        journal.write_bytes(changed)
        page.write_bytes(said)
        after = spool.sealed(spool.lane())
        known = {envelope.seq: envelope for envelope in (decode(each) for each in records[:acknowledged])}
        everything = [known[seq] for seq in sorted(known)] + [e for e in after if e.seq not in known]
        assert_honest(everything, place, most=0 if segments == "kept" else 6)


def test_a_journal_cut_off_anywhere_is_sealed_anew(spool: Spool) -> None:
    journal, content, _ = _with_journal(spool, acknowledged=0)
    for place in range(len(content)):
        journal.write_bytes(content[:place])
        assert_honest(spool.sealed(spool.lane()), place, most=0)


def test_a_drain_killed_between_the_removal_of_a_segment_and_its_next_record_goes_on(tmp_path: Path) -> None:
    producer = make_producer(tmp_path)
    lane = lane_of(producer, "runs")
    producer.emit(RunNoted(notes="before"))
    producer.stream("runs")._roll(100, False)
    lane.advance(dead=False)
    lane.sync()
    lane.remove_read()
    lane.close()
    assert not producer.place.segment("runs", 1).exists()
    producer.emit(RunNoted(notes="after"))
    producer.close("finished")
    again = lane_of(producer, "runs")
    again.advance(dead=False)
    assert [decode(sealed.record).seq for sealed in again.journal.waiting] == [0, 1, 2, 3]
    assert again.closed
    again.close()
    producer.release()


def test_a_journal_on_a_full_disk_keeps_the_segments_until_all_is_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    producer = make_producer(tmp_path)
    lane = lane_of(producer, "runs")
    producer.emit(RunNoted(notes="earlier"))
    lane.advance(dead=False)
    lane.sync()
    full, write, afresh = True, os.pwrite, Book._write_afresh

    def pwrite(fd: int, data: bytes, place: int) -> int:
        if full and place:  # what overwrites needs no space
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(fd, data, place)

    def write_afresh(book: Book, content: bytes) -> None:
        if full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        afresh(book, content)

    monkeypatch.setattr(journals.os, "pwrite", pwrite)
    monkeypatch.setattr(Book, "_write_afresh", write_afresh)
    producer.emit(RunNoted(notes="before"))
    producer.stream("runs")._roll(100, False)
    lane.advance(dead=False)
    lane.sync()
    lane.remove_read()
    assert producer.place.segment("runs", 1).exists()
    producer.emit(RunNoted(notes="after"))
    lane.advance(dead=False)
    # As after a kill: nothing that only memory held may be left out.
    lane = lane_of(producer, "runs")
    lane.advance(dead=False)
    assert has_no_holes([decode(sealed.record) for sealed in lane.journal.waiting])
    assert len(lane.journal.waiting) == 4
    lane.sync()
    lane.remove_read()
    assert producer.place.segment("runs", 1).exists()
    lane.journal.acknowledge(4, {}, [])
    lane.sync()
    lane.remove_read()
    assert not producer.place.segment("runs", 1).exists()
    lane.close()
    producer.release()


def test_the_next_record_is_found_behind_holes_and_noise(tmp_path: Path) -> None:
    dice = random.Random(7)
    payload = b"\x02 a record"
    frame = FRAME.pack(len(payload), crc32c(payload)) + payload
    for noise in (
        b"",
        bytes(1),
        bytes(5000),
        dice.randbytes(300),
        bytes(100) + dice.randbytes(40) + bytes(9),
    ):
        assert next_valid(noise + frame + bytes(50), 0, first=b"\x02") == len(noise)
    assert next_valid(bytes(100_000), 0) is None
    assert next_valid(dice.randbytes(5_000), 0) is None
