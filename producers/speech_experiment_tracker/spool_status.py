"""What lies in a spool, for `speech-tracker status`: read without getting in anybody's way."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from .drain.looking import streams_of
from .drain.office import DONE
from .drain.process import STATE, is_alive
from .drain.producers import SpooledProducer, producers_in
from .spool.files import disk_use
from .spool.page import is_held, read_ack


@dataclass(frozen=True)
class ProducerStatus:
    """One producer that is not delivered yet.

    acknowledged  calls by stream that the server has
    closed        every stream's last record is acknowledged
    """

    run: str | None
    producer: str
    role: str
    host: str
    pid: int
    rank: int
    alive: bool
    online: bool
    acknowledged: dict[str, int]
    closed: bool
    problems: dict[str, int]


@dataclass(frozen=True)
class SpoolStatus:
    """A spool directory.

    drain     {pid, open, waiting, problems, at} as the courier last said it; None when there is none
    done      problems of producers that were delivered: {run, producer, problems, at}
    """

    path: str
    bytes: int
    drain_alive: bool
    drain: dict[str, Any] | None
    producers: list[ProducerStatus] = field(default_factory=list)
    done: list[dict[str, Any]] = field(default_factory=list)

    @property
    def undelivered(self) -> int:
        """Producers whose last word the server does not have yet."""
        return sum(not producer.closed for producer in self.producers)


def spool_status(spool: Path) -> SpoolStatus:
    """The state of a spool directory; one that does not exist is empty."""
    producers = [_status(producer) for producer in producers_in(spool)]
    done = [note for path in sorted((spool / DONE).glob("*.json")) if (note := _json(path))]
    done.sort(key=lambda note: note.get("at", 0))
    return SpoolStatus(str(spool), disk_use(spool), is_alive(spool), _json(spool / STATE), producers, done)


def _status(producer: SpooledProducer) -> ProducerStatus:
    acks = {stream: read_ack(producer.place, stream) for stream in streams_of(producer.place)}
    meta = producer.meta
    return ProducerStatus(
        run=meta.run,
        producer=meta.producer,
        role=meta.role,
        host=meta.host,
        pid=meta.pid,
        rank=meta.rank,
        alive=is_held(producer.place),
        online=meta.target is not None,
        acknowledged={stream: ack.seq for stream, ack in acks.items()},
        closed=bool(acks) and all(ack.closed for ack in acks.values()),
        problems=producer.problems(),
    )


def _json(path: Path) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.MsgspecError):
        return None


def forget_done(spool: Path, *, older_than: float = 30 * 86400.0) -> int:
    """Removes notes about delivered producers; how many."""
    old = [path for path in (spool / DONE).glob("*.json") if time.time() - path.stat().st_mtime > older_than]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)
