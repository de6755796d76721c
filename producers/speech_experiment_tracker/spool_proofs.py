"""What a spool still holds, and what it says was acknowledged: the client's side of the proof of delivery."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .drain.looking import open_segment, read_sealed, streams_of
from .drain.producers import SpooledProducer, producers_in
from .spool.page import read_ack
from .spool.places import Place
from .spool.records import HEADER_SIZE, NUMBERED, VOID, decode_void


@dataclass(frozen=True)
class SpoolProof:
    """One stream of one producer whose folder is still in a spool.

    acknowledged  calls below this number were acknowledged by the server
    logged        calls below this number were logged, as far as the spool can be read
    """

    spool: str
    run: str
    producer: str
    stream: str
    acknowledged: int
    logged: int


def spool_proofs(spool: Path, run: str | None = None) -> list[SpoolProof]:
    """The proofs of one run, or of all; looking gets in nobody's way."""
    found = [each for each in producers_in(spool) if each.meta.run and run in (None, each.meta.run)]
    return [proof for producer in found for proof in _of_producer(spool, producer)]


def _of_producer(spool: Path, producer: SpooledProducer) -> Iterator[SpoolProof]:
    place, meta = producer.place, producer.meta
    for stream in streams_of(place):
        acknowledged = read_ack(place, stream).seq
        logged = max(acknowledged, _logged(place, stream))
        yield SpoolProof(str(spool), meta.run or "", meta.producer, stream, acknowledged, logged)


def _logged(place: Place, stream: str) -> int:
    """The number that the stream's next call will have, by the journal and the segments behind it."""
    cursor, _ = read_sealed(place, stream)
    seq, segment, position = cursor.seq, cursor.segment, cursor.offset
    while True:
        try:
            reader = open_segment(place, stream, segment)
        except (OSError, ValueError):
            break  # being removed, or of another release
        if reader is None:
            break
        reader.position = position
        seq = max(seq, reader.header.first) + sum(map(_calls, reader.records()))
        reader.close()
        segment, position = segment + 1, HEADER_SIZE
    return seq


def _calls(payload: memoryview) -> int:
    if payload[0] == VOID:
        return decode_void(payload)[0]
    return int(payload[0] in NUMBERED)
