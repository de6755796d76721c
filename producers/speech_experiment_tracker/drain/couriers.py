"""A courier carries the lanes of one server: seals, sends, waits, tries again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from speech_experiment_schemas.wire import IngestReply

from ..transports.base import DeliveryError, Transport
from .journal import Book, Sealed
from .lanes import Lane, void_for

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

BATCH_BYTES = 4_000_000
BATCH_RECORDS = 4_000
LONGEST_WAIT = 30.0
SYNCS_AT_ONCE = 16


class Courier:
    """Delivers lanes in rounds; each round seals what is new and sends what waits, in order.

    Used by one thread; `problem` may be read by others.
    """

    def __init__(self, transport: Transport, noted: Callable[[str], None] = lambda kind: None) -> None:
        self.transport = transport
        self.problem = ""
        self.delivered = 0
        self._noted = noted
        self._failures = 0
        self._not_before = 0.0
        self._most_bytes = BATCH_BYTES
        self._turn = 0
        self._syncing: ThreadPoolExecutor | None = None

    def round(self, lanes: list[tuple[Lane, bool]]) -> bool:
        """One round over (lane, writer is dead); whether there was anything to do.

        Never raises: what fails is tried again in a later round, after a pause.
        """
        if time.monotonic() < self._not_before:
            return False
        try:
            advanced = [lane for lane, dead in lanes if self._advance(lane, dead)]
            self._sync([lane for lane, _ in lanes if lane.journal.book.unsynced])
            sent = self._send([lane for lane, _ in lanes])
        except DeliveryError as error:
            self._back_off(error)
            return False
        except OSError as error:
            self._back_off(DeliveryError("spool", f"the spool cannot be read or written: {error}"))
            return False
        return bool(advanced or sent)

    @staticmethod
    def _advance(lane: Lane, dead: bool) -> int:
        return 0 if len(lane.journal.waiting) > BATCH_RECORDS else lane.advance(dead=dead)

    def _sync(self, lanes: list[Lane]) -> None:
        """Brings what was sealed onto the disk; many books at once, since they share the disk's commits."""
        books: dict[Book, list[Lane]] = {}
        for lane in lanes:
            books.setdefault(lane.journal.book, []).append(lane)
        if len(books) > 2:
            if self._syncing is None:
                from concurrent.futures import ThreadPoolExecutor

                self._syncing = ThreadPoolExecutor(SYNCS_AT_ONCE, thread_name_prefix="sync")
            list(self._syncing.map(_sync_all, books.values()))
        else:
            for each in books.values():
                _sync_all(each)
        for lane in lanes:
            lane.remove_read()

    def _send(self, lanes: list[Lane]) -> int:
        load = self._load(lanes)
        if not load:
            return 0
        records = [sealed.record for _, taken in load for sealed in taken]
        try:
            reply = self.transport.send(records)
        except DeliveryError as error:
            if error.kind != "too_large":
                raise
            if len(records) > 1:
                self._most_bytes = max(sum(map(len, records)) // 2, 1)
                return 0
            reply = IngestReply(0, [], [])
            lane, taken = load[0]
            self._settle(lane, taken, {0: ("too_large", str(error))}, reply)
            return 1
        self._accept(load, reply)
        for book in {lane.journal.book for lane, _ in load}:
            book.flush()
        return len(records)

    def _load(self, lanes: list[Lane]) -> list[tuple[Lane, list[Sealed]]]:
        """What the next batch carries: the lanes in turn, each in its order."""
        self._turn += 1
        size = count = 0
        load = []
        for place in range(len(lanes)):
            lane = lanes[(place + self._turn) % len(lanes)]
            taken: list[Sealed] = []
            for sealed in lane.journal.waiting:
                if count and (size + len(sealed.record) > self._most_bytes or count >= BATCH_RECORDS):
                    break
                taken.append(sealed)
                size += len(sealed.record)
                count += 1
            if taken:
                load.append((lane, taken))
        return load

    def _accept(self, load: list[tuple[Lane, list[Sealed]]], reply: IngestReply) -> None:
        refusals = {refusal.index: refusal for refusal in reply.refused}
        first = 0
        for lane, taken in load:
            refused = {
                place: (
                    refusals[first + place].code,
                    f"{refusals[first + place].field} {refusals[first + place].message}",
                )
                for place in range(len(taken))
                if first + place in refusals
            }
            self._settle(lane, taken, refused, reply)
            first += len(taken)
        self._failures, self.problem, self._most_bytes = 0, "", BATCH_BYTES
        self.delivered += first

    def _settle(
        self, lane: Lane, taken: list[Sealed], refused: dict[int, tuple[str, str]], reply: IngestReply
    ) -> None:
        voids: dict[int, bytes] = {}
        for place, (code, message) in refused.items():
            self._noted("refused")
            self.problem = f"the server refused a record of {lane.stream}: {code}: {message}"
            lane.problems["refused"] = lane.problems.get("refused", 0) + taken[place].count
            if not taken[place].void:  # a void that is refused too is given up: it would go round for ever
                voids[place] = void_for(taken[place].record, code, message)
        positions = [(partition, last) for topic, partition, last in reply.positions if topic == lane.stream]
        lane.journal.acknowledge(len(taken), voids, positions)
        if voids:
            lane.journal.book.sync()

    def _back_off(self, error: DeliveryError) -> None:
        self.problem = str(error)
        self._noted(error.kind)
        pause = min(LONGEST_WAIT, 0.05 * 2 ** min(self._failures, 12))
        self._failures += 1
        if error.after is None:
            pause *= 0.5 + random.random() / 2  # noqa: S311 - spreads clients, hides nothing
        else:
            pause = error.after + random.random() / 5  # noqa: S311
        self._not_before = time.monotonic() + pause

    def use(self, transport: Transport) -> None:
        """Goes on with another connection without waiting for the end of a pause."""
        self.transport = transport
        self._not_before = 0.0

    @property
    def resting(self) -> float:
        """Seconds until the next try, 0 when none is waited for."""
        return max(0.0, self._not_before - time.monotonic())


def _sync_all(lanes: list[Lane]) -> None:
    """Lanes of one book."""
    for lane in lanes:
        lane.sync()
