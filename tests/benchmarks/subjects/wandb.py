"""W&B in offline mode: calls go over a socket to wandb-core, which writes a transaction log."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path

SCRIPT = """
import sys
import wandb
run = wandb.init(project="bench", mode="offline", dir=sys.argv[1])
run.log({"train_loss": 1.0}, step=0)
run.finish()
"""
BLOCK = 32 * 1024
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


class Tracker:
    """The default settings of an offline run."""

    def __init__(self, folder: Path) -> None:
        os.environ["WANDB_SILENT"] = "true"
        import wandb  # type: ignore[import-not-found]

        self._run = wandb.init(project="bench", mode="offline", dir=str(folder))

    def log(self, metrics: dict[str, float], step: int) -> None:
        self._run.log(metrics, step=step)

    def finish(self) -> None:
        self._run.finish()


def recovered(folder: Path) -> int:
    """History rows in the transaction log, after its process had time to write what it had received."""
    from wandb.proto import wandb_internal_pb2  # type: ignore[import-not-found]

    time.sleep(5)
    found = 0
    for path in folder.glob("wandb/offline-run-*/*.wandb"):
        for record in _records(path.read_bytes()):
            message = wandb_internal_pb2.Record()
            message.ParseFromString(record)
            found += message.WhichOneof("record_type") == "history"
    return found


def _records(log: bytes) -> Iterator[bytes]:
    """The records of a log in LevelDB's format: blocks of 32 KiB, fragments of (crc, length, type)."""
    place, whole = 7, b""
    while place + 7 <= len(log):
        left = BLOCK - place % BLOCK
        if left < 7:
            place += left
            continue
        length, kind = struct.unpack_from("<HB", log, place + 4)
        if kind == 0:
            place += left
            continue
        piece = log[place + 7 : place + 7 + length]
        if len(piece) < length:
            return
        place += 7 + length
        whole = piece if kind in (FULL, FIRST) else whole + piece
        if kind in (FULL, LAST):
            yield whole
