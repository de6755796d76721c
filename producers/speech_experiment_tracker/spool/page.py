"""The page of a producer: whether it lives, what it could not write, and what is acknowledged."""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import struct
import threading
from collections.abc import Mapping
from pathlib import Path

import msgspec

from speech_experiment_schemas.envelope import STREAMS

from .._crc import crc32c
from .places import Place
from .records import FRAME, FRAME_SIZE, HEADER_SIZE, MAGIC, SpoolFormatError, decode_header
from .segments import allocate

PAGE_SIZE = 4096
PROBLEMS = (
    "invalid_value",
    "invalid_call",
    "dropped",
    "after_finish",
    "artifact_lost",
    "output_dropped",
    "no_drain",
    "internal",
)
"""Kinds of problems that a client swallows, in the order of their counters on the page."""

_COUNTER = struct.Struct("<Q")
_PENDING, _PROBLEMS, _AREAS, _ACKS = 64, 128, 192, 1024
_ACK_SIZE = 512
_AREA = struct.Struct("<II")
_ALIGNED = 1 << 16
"""Areas begin at multiples of the largest page size of any machine."""
_ABOUT_SIZE = struct.Struct("<Q")


class Ack(msgspec.Struct, frozen=True, array_like=True):
    """What is acknowledged of a stream: every call below `seq`; positions are (partition, last offset)."""

    seq: int = 0
    closed: bool = False
    refused: int = 0
    positions: list[tuple[int, int]] = []


_ack_encoder = msgspec.msgpack.Encoder()
_ack_decoder = msgspec.msgpack.Decoder(Ack)


class Page:
    """The writer's side: the file is locked from its creation until `release` or the process's death.

    about  what the drain must know of the producer, kept behind the page
    sizes  of the areas for first segments, by stream
    areas  (offset, size) in the file, by stream
    """

    def __init__(self, path: Path, about: bytes, sizes: Mapping[str, int]) -> None:
        self.path = path
        self.areas: dict[str, tuple[int, int]] = {}
        end = PAGE_SIZE + len(about)
        for stream, size in sizes.items():
            start = -(-end // _ALIGNED) * _ALIGNED
            self.areas[stream] = start, size
            end = start + size
        self.fd = allocate(path, end)
        fcntl.flock(self.fd, fcntl.LOCK_EX)
        self._memory = mmap.mmap(self.fd, PAGE_SIZE)
        self._lock = threading.RLock()
        self._about = about
        page = bytearray(PAGE_SIZE)
        for stream, area in self.areas.items():
            _AREA.pack_into(page, _AREAS + _AREA.size * STREAMS.index(stream), *area)
        os.pwrite(self.fd, page + about, 0)

    def announce(self) -> None:
        """From now on a drain takes note of the producer."""
        _ABOUT_SIZE.pack_into(self._memory, 0, len(self._about))

    def set_pending(self, stream: str, count: int) -> None:
        """Calls of a stream given up and not yet named in its segments."""
        _COUNTER.pack_into(self._memory, _PENDING + 8 * STREAMS.index(stream), count)

    def count(self, problem: str, times: int = 1) -> None:
        """Counts a problem; kinds that are not known count as internal. After `release` nobody reads it."""
        kind = PROBLEMS.index(problem) if problem in PROBLEMS else PROBLEMS.index("internal")
        place = _PROBLEMS + 8 * kind
        with self._lock:
            if not self._memory.closed:
                _COUNTER.pack_into(self._memory, place, _COUNTER.unpack_from(self._memory, place)[0] + times)

    def problems(self) -> dict[str, int]:
        return problems_of(self._memory[:_ACKS])

    def ack(self, stream: str) -> Ack | None:
        """What the drain says of a stream; None after `release`, or while it says it."""
        with self._lock:
            return None if self._memory.closed else ack_of(self._memory, stream)

    def forget(self) -> None:
        """In a forked child: lets go of the parent's lock without releasing it."""
        self._memory.close()  # the map has a descriptor of its own, which shares the lock
        os.close(self.fd)

    def release(self) -> None:
        fcntl.flock(self.fd, fcntl.LOCK_UN)
        with self._lock:
            self._memory.close()
        os.close(self.fd)


def problems_of(page: bytes) -> dict[str, int]:
    """The counters that are not zero, by kind."""
    counts = {kind: _COUNTER.unpack_from(page, _PROBLEMS + 8 * i)[0] for i, kind in enumerate(PROBLEMS)}
    return {kind: count for kind, count in counts.items() if count}


def pending_of(page: bytes, stream: str) -> int:
    return int(_COUNTER.unpack_from(page, _PENDING + 8 * STREAMS.index(stream))[0])


def ack_of(page: bytes | mmap.mmap, stream: str) -> Ack | None:
    """None when it is just being written."""
    start = _ACKS + _ACK_SIZE * STREAMS.index(stream)
    length, crc = FRAME.unpack_from(page, start)
    if not length:
        return Ack()
    payload = page[start + FRAME_SIZE : start + FRAME_SIZE + min(length, _ACK_SIZE)]
    return _ack_decoder.decode(payload) if crc32c(payload) == crc else None


def read_page(place: Place) -> bytes:
    """The page of a producer; zeros when there is none."""
    try:
        return _read(place, 0, PAGE_SIZE).ljust(PAGE_SIZE, b"\0")
    except OSError:
        return bytes(PAGE_SIZE)


def _read(place: Place, start: int, size: int) -> bytes:
    fd = os.open(place.page, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(fd, size, start)
    finally:
        os.close(fd)


def read_about(place: Place) -> bytes:
    """What the producer says of itself; empty before it is announced. Raises OSError when it is gone."""
    if not place.name:
        return place.old_meta.read_bytes()
    (size,) = _ABOUT_SIZE.unpack_from(_read(place, 0, PAGE_SIZE).ljust(PAGE_SIZE, b"\0"))
    return _read(place, PAGE_SIZE, size) if size else b""


def areas_of(page: bytes) -> dict[str, tuple[int, int]]:
    """(offset, size) of the first segments that lie in the page's file, by stream."""
    places = {stream: _AREA.unpack_from(page, _AREAS + _AREA.size * i) for i, stream in enumerate(STREAMS)}
    return {stream: area for stream, area in places.items() if area[1]}


def areas_in(data: bytes) -> dict[str, tuple[int, int]]:
    """The areas of a page's file by the headers that stand in it, where the page does not tell them."""
    found: dict[str, tuple[int, int]] = {}
    starts = range(_ALIGNED, len(data), _ALIGNED)
    headers = [
        (start, data[start : start + HEADER_SIZE]) for start in starts if data[start : start + 8] == MAGIC
    ]
    for place, (start, head) in enumerate(headers):
        end = headers[place + 1][0] if place + 1 < len(headers) else len(data)
        with contextlib.suppress(SpoolFormatError):
            found[decode_header(head).stream] = start, end - start
    return found


def write_page(place: Place, about: bytes, areas: Mapping[str, tuple[int, int]]) -> None:
    """Makes the page of a producer that is dead, and has it on the disk on return; raises OSError."""
    page = bytearray(PAGE_SIZE)
    _ABOUT_SIZE.pack_into(page, 0, len(about))
    for stream, area in areas.items():
        _AREA.pack_into(page, _AREAS + _AREA.size * STREAMS.index(stream), *area)
    fd = os.open(place.page, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.pwrite(fd, page + about, 0)
        os.fdatasync(fd)
    finally:
        os.close(fd)


def read_ack(place: Place, stream: str) -> Ack:
    """The acknowledged state of a stream, as its drain last wrote it; may be called while it writes."""
    for _ in range(3):
        found = ack_of(read_page(place), stream)
        if found is not None:
            return found
    return Ack()


def write_ack(place: Place, stream: str, ack: Ack) -> None:
    """Notes what is acknowledged; raises OSError. Losing it only means that a writer waits longer: no fsync."""
    payload = _ack_encoder.encode(ack)
    if len(payload) > _ACK_SIZE - FRAME_SIZE:  # very many partitions: the writer asks the server instead
        payload = _ack_encoder.encode(Ack(ack.seq, ack.closed, ack.refused))
    fd = os.open(place.page, os.O_WRONLY | os.O_CLOEXEC | (0 if place.name else os.O_CREAT), 0o600)
    try:
        frame = FRAME.pack(len(payload), crc32c(payload)) + payload
        os.pwrite(fd, frame, _ACKS + _ACK_SIZE * STREAMS.index(stream))
    finally:
        os.close(fd)


def is_held(place: Place) -> bool:
    """Whether a process holds the page's lock."""
    try:
        fd = os.open(place.page, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
