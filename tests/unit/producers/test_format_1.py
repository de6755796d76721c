"""Spools of format 1: a folder for each producer, two files for each journal. They are delivered to the end."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from speech_experiment_schemas import decode
from speech_experiment_schemas.envelope import digest
from speech_experiment_schemas.ids import uuid7
from speech_experiment_schemas.producers import ProducerOpened
from speech_experiment_schemas.runs import RunNoted
from speech_experiment_tracker._crc import crc32c
from speech_experiment_tracker.drain.office import Office
from speech_experiment_tracker.drain.targets import Target
from speech_experiment_tracker.spool.files import boot_id
from speech_experiment_tracker.spool.places import Place
from speech_experiment_tracker.spool.producers import event_of
from speech_experiment_tracker.spool.records import FRAME, Header, encode_event
from speech_experiment_tracker.spool.segments import Segment
from speech_experiment_tracker.spool_status import spool_status

from .gateway import Gateway
from .spools import has_no_holes, lane_of, make_producer
from .test_delivery import until


def _written(spool: Path, notes: int) -> tuple[Path, UUID, UUID]:
    """A producer's folder as format 1 made it: an opening and some notes, by a process that died."""
    run, producer = uuid7(), uuid7()
    folder = spool / str(run) / str(producer)
    folder.mkdir(parents=True)
    (folder / "producer.lock").write_bytes(bytes(4096))
    meta = {"producer": str(producer), "run": str(run), "boot": boot_id(), "capture": False, "format": 1}
    (folder / "producer.json").write_bytes(msgspec.json.encode(meta))
    segment = Segment(folder / "runs-0001.seg", Header(run, producer, "runs", 1, 0), 1 << 18)
    for payload in (ProducerOpened(), *(RunNoted(notes=str(number)) for number in range(notes))):
        assert segment.put(encode_event(event_of(payload, ("run", run))), segment.at)
    segment.close()
    return folder, run, producer


def _frame(payload: bytes) -> bytes:
    return FRAME.pack(len(payload), crc32c(payload)) + payload


def _journal(folder: Path, sealed: list[tuple[bytes, int]], acknowledged: int) -> None:
    """The files of a drain of format 1 that sealed (record, end in the segment) and had an answer to some."""
    (folder / "drain").mkdir()
    data = _frame(msgspec.msgpack.encode((1, (1, 128, 0, b"", False), 0, 0, b"")))
    ends = [len(data)]
    for seq, (record, offset) in enumerate(sealed):
        cursor = (1, offset, seq + 1, digest(decode(record)), False)
        data += _frame(msgspec.msgpack.encode((1, cursor, seq, 1, record, False)))
        ends.append(len(data))
    (folder / "drain" / "runs.journal").write_bytes(data)
    ack = {"generation": 1, "offset": ends[acknowledged], "seq": acknowledged}
    (folder / "drain" / "runs.ack").write_bytes(_frame(msgspec.msgpack.encode(ack)))


def test_a_producer_of_format_1_is_shown_delivered_and_removed(tmp_path: Path, gateway: Gateway) -> None:
    folder, run, _ = _written(tmp_path, 3)
    assert [producer.run for producer in spool_status(tmp_path).producers] == [str(run)]
    office = Office(tmp_path, Target(gateway.url))
    until(lambda: not folder.parent.exists(), office)
    office.close()
    types = [record.type for record in gateway.records]
    assert types == ["producer.opened", "run.noted", "run.noted", "run.noted", "producer.closed"]
    assert has_no_holes(gateway.records)


@pytest.mark.parametrize("acknowledged", [0, 1, 3])
def test_what_a_drain_of_format_1_had_sealed_is_sent_with_the_same_bytes(
    tmp_path: Path, gateway: Gateway, acknowledged: int
) -> None:
    folder, run, identity = _written(tmp_path, 4)
    copied = make_producer(tmp_path / "other", run)
    place = Place(folder)
    copied.run, copied.id, copied.place = run, identity, place
    lane = lane_of(copied, "runs")
    lane.advance(dead=False)
    offsets, position = [], 128
    data = (folder / "runs-0001.seg").read_bytes()
    for _ in lane.journal.waiting:
        position += 8 + FRAME.unpack_from(data, position)[0]
        offsets.append(position)
    sealed = [record.record for record in lane.journal.waiting]
    for path in (folder / "drain").iterdir():
        path.unlink()
    (folder / "drain").rmdir()
    _journal(folder, list(zip(sealed[:3], offsets, strict=False)), acknowledged)
    office = Office(tmp_path, Target(gateway.url))
    until(lambda: not folder.exists(), office)
    office.close()
    sent = gateway.raw
    assert sent[: 3 - acknowledged] == sealed[acknowledged:3]
    assert [decode(record).seq for record in sent] == list(range(acknowledged, 6))
