"""python -m speech_experiment_consumers.rebuild.part NAME:VERSION: reads some partitions of a rebuild, or a lane of them.

Standard input brings the Share as JSON, and stays open for as long as the job lives: at its end the part
leaves. Standard output says what was written, one Portion a line.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import sys
import time
from typing import Any

import msgspec

from speech_experiment_infra.settings import Settings

from ..cluster import cluster_id
from ..exits import exit_code, leave
from ..lanes import Lane
from ..logs import log_to_stderr
from ..postgres_sink import PostgresSink
from ..registry import create_sink
from ..sink import Incoming
from .reading import read_in_bulk

log = logging.getLogger("speech_experiment_consumers.rebuild.part")

GC_THRESHOLDS = (200_000, 50, 1_000)
"""Batches are large and without cycles: looking for some cost a fifth."""


class Share(msgspec.Struct, frozen=True):
    """Where to read to, partition → offset, and which lane of it is to be written; None: all."""

    ends: dict[int, int]
    lane: Lane | None = None


class Portion(msgspec.Struct, frozen=True):
    """What was written since the last one; cpu_seconds of this process."""

    records: int = 0
    points: int = 0
    cpu_seconds: float = 0.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m speech_experiment_consumers.rebuild.part")
    parser.add_argument("name", metavar="NAME:VERSION")
    name = parser.parse_args().name
    settings = Settings.load_or_exit()
    log_to_stderr()
    try:
        asyncio.run(_run(settings, name))
    except BaseException as error:
        log.exception("ends: %s", error)
        leave(exit_code(error))
    leave(0)


async def _run(settings: Settings, name: str) -> None:
    lifeline = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lifeline), sys.stdin
    )
    share = msgspec.json.decode(await lifeline.readline(), type=Share)
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    reading = asyncio.create_task(_read(settings, name, share))
    orphaned = asyncio.create_task(lifeline.read())
    await asyncio.wait([reading, orphaned], return_when=asyncio.FIRST_COMPLETED)
    if reading.done():
        reading.result()
    else:
        log.warning("the job is gone; leaves what is not written to the next one")


async def _read(settings: Settings, name: str, share: Share) -> None:
    sink = create_sink(settings, name)
    if share.lane is not None:
        if not isinstance(sink, PostgresSink):
            raise TypeError(f"{name} cannot be written in lanes")
        sink.keep_to(share.lane)
    points, cpu = 0, time.process_time()

    def wrote(batch: list[Incoming]) -> None:
        nonlocal points, cpu
        now = time.process_time()
        _say(Portion(_records(batch, share.lane), sink.points - points, now - cpu))
        points, cpu = sink.points, now

    try:
        await sink.open(await cluster_id(settings, sink.topic))
        await read_in_bulk(settings, sink, share.ends, wrote)
    finally:
        await sink.close()


def _records(batch: list[Incoming], lane: Lane | None) -> int:
    """Of a batch that all lanes read, each counts some."""
    if lane is None:
        return len(batch)
    return sum(1 for record in batch if record.offset % lane.of == lane.number)


def _say(portion: Any) -> None:
    sys.stdout.write(msgspec.json.encode(portion).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
