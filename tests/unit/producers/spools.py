"""Producers in a temporary spool, and what a reader makes of them."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from speech_experiment_schemas import Envelope, decode, validate
from speech_experiment_schemas.ids import uuid7
from speech_experiment_schemas.metrics import Call, MetricsLogged, unpack_calls
from speech_experiment_schemas.producers import ProducerOpened
from speech_experiment_tracker.config import OnFull
from speech_experiment_tracker.drain.journal import BOOK, Book
from speech_experiment_tracker.drain.lanes import Lane
from speech_experiment_tracker.spool.files import boot_id
from speech_experiment_tracker.spool.places import DRAIN, Place
from speech_experiment_tracker.spool.producers import Producer


def opening(producer: Producer, stream: str) -> Iterable[msgspec.Struct]:
    return [ProducerOpened()]


def make_producer(
    spool: Path, run: UUID | None = None, *, target: str | None = None, capture: bool = False, **options: Any
) -> Producer:
    meta = {
        "role": "trainer",
        "rank": 0,
        "child": False,
        "boot": boot_id(),
        "target": target,
        "capture": capture,
    }
    return Producer(spool, run or uuid7(), meta=meta, opening=opening, **options)


@contextmanager
def producer_in(spool: Path, **options: Any) -> Iterator[Producer]:
    producer = make_producer(spool, **options)
    try:
        yield producer
    finally:
        producer.release()


def no_contents(lane: Lane, artifact: object) -> None:
    return None


def book_of(place: Place) -> Book:
    """The book that a drain would keep in a producer's folder."""
    folder = place.folder / DRAIN
    folder.mkdir(exist_ok=True)
    return Book(folder / f"events{BOOK}")


def lane_of(producer: Producer, stream: str = "metrics") -> Lane:
    place = producer.place
    return Lane(place, producer.run, producer.id, stream, no_contents, book_of(place))


def drained(place: Place, run: UUID, producer: UUID, stream: str, *, dead: bool = True) -> list[Envelope]:
    """Everything sealed of a stream, checked by the server's validator, in order."""
    lane = Lane(place, run, producer, stream, no_contents, book_of(place))
    while lane.advance(dead=dead) and not lane.closed:
        pass
    records = [sealed.record for sealed in lane.journal.waiting]
    lane.close()
    return [validate(record) for record in records]


def calls_of(envelopes: Iterable[Envelope]) -> list[Call]:
    """The metrics calls of records, in order."""
    found: list[Call] = []
    for envelope in envelopes:
        if envelope.type == "metrics.logged":
            found += unpack_calls(msgspec.msgpack.decode(envelope.data, type=MetricsLogged))
    return found


def has_no_holes(envelopes: list[Envelope]) -> bool:
    """Whether the sequence numbers go on from 0 without a hole."""
    following = 0
    for envelope in envelopes:
        if envelope.seq != following:
            return False
        following += envelope.count
    return True


def in_threads(count: int, work: Any) -> None:
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


__all__ = [
    "OnFull",
    "book_of",
    "calls_of",
    "decode",
    "drained",
    "has_no_holes",
    "in_threads",
    "lane_of",
    "make_producer",
    "producer_in",
]
