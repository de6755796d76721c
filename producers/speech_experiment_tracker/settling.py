"""Waiting until the server shows what dead processes of a run had logged on this machine."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from .acknowledgement import SAY_AFTER, Progress
from .drain.looking import streams_of
from .drain.process import ensure, ring
from .errors import TrackerError
from .http import LONGEST_WAIT
from .remains import Trainer, trainers_of
from .spool.files import boot_id
from .spool.page import Ack, read_ack
from .spool.places import Place

if TYPE_CHECKING:
    from .client import Client

POLL = 0.01


def settle(client: Client, run: UUID, timeout: float) -> bool:
    """Whether the server shows, within `timeout` seconds, all that dead processes of this spool logged to a run.

    A process that lives is not waited for, nor one of another machine whose drain may live.
    Raises TrackerError when the server is not there, or does not know the run.
    """
    end = time.monotonic() + timeout
    dead = [each for each in trainers_of(client.config.spool, run) if not each.alive]
    positions, seen_all = _delivered(client.config.spool, dead, end)
    if positions is None:
        return False
    if dead and seen_all:
        return client.wait_queryable(positions, max(1.0, end - time.monotonic()))
    return _caught_up(client, run, end - time.monotonic())


def _delivered(spool: Path, dead: list[Trainer], end: float) -> tuple[list[str] | None, bool]:
    """(positions of what they logged, whether all of these are known); no positions: not delivered in time."""
    if not all(each.closed or (each.delivered and each.meta.boot == boot_id()) for each in dead):
        return None, False
    last: dict[tuple[Place, str], Ack] = {}
    start, rung, progress = time.monotonic(), 0.0, Progress()
    while True:
        open_streams = [
            (each.place, stream)
            for each in dead
            for stream in streams_of(each.place)
            if not last.setdefault((each.place, stream), Ack()).closed
        ]
        for key in open_streams:
            if (ack := read_ack(*key)) != Ack():
                last[key] = ack
        # The drain removes a page soon after its last acknowledgement.
        if all(last[key].closed or not key[0].page.exists() for key in open_streams):
            break
        now = time.monotonic()
        if now > end:
            progress.end("the server does not have all of it yet: the rest is read here")
            return None, False
        if now - rung > 1.0:
            rung = now
            if not ring(spool):
                ensure(spool)
        if now - start > SAY_AFTER:
            progress.tell(f"waiting for what the run logged before to be delivered ({end - now:.0f} s left)")
        time.sleep(POLL)
    progress.end("delivered")
    positions = [
        f"{stream}:{partition}:{offset}"
        for (_, stream), ack in last.items()
        for partition, offset in ack.positions
    ]
    return positions, bool(last) and all(ack.closed for ack in last.values())


def _caught_up(client: Client, run: UUID, timeout: float) -> bool:
    """Whether queries show, within `timeout` seconds, all that is in the log now.

    What the drain has delivered and removed here is nowhere else until then.
    """
    end, progress, patience = time.monotonic() + timeout, Progress(), SAY_AFTER
    while True:
        left = max(0.0, end - time.monotonic())
        parameters = {"timeout": min(patience, left)}
        answer: dict[str, Any] = client.api().get(f"/api/v1/runs/{run}/delivery", parameters)
        if not answer["behind"]:
            progress.end("it does")
            return True
        if left <= patience:
            progress.end("the server does not show all of it yet")
            return False
        progress.tell(f"waiting for the server to show all that was logged ({left:.0f} s left)")
        patience = LONGEST_WAIT


def is_deleted(client: Client, run: UUID) -> bool:
    """Whether a run that queries do not show is one of this workspace that was deleted."""
    try:
        client.api().get(f"/api/v1/runs/{run}/delivery", {"timeout": 0})
    except TrackerError as error:
        if error.status == 404:
            return False
        raise
    return True
