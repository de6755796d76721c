"""What every sink writes beside its rows, in the same transaction: positions, ledger, dead letters."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from speech_experiment_projections.recorded import Recorded
from speech_experiment_projections.refusal import Refused

from .dead_letters import PoisonGuard, mark_replayed, park
from .failpoints import failpoint
from .intake import Accepted, Letter, Passed
from .lanes import Lane
from .ledger_store import Ledger
from .positions import Positions, advance, fresh, read_positions, save_positions
from .sink import Incoming
from .sql import schema_name

log = logging.getLogger(__name__)

Apply = Callable[[Recorded], None]
"""Projects one event into the rows of the batch. On an error it must have changed nothing."""


class Place(NamedTuple):
    """What a sink reads and where it writes; lane: None for all that is read."""

    projection: str
    version: int
    topic: str
    partitions: int
    cluster_id: str
    lane: Lane | None = None

    @property
    def seat(self) -> str:
        """The topic's name in the positions."""
        return self.topic if self.lane is None else self.lane.topic(self.topic)

    @property
    def schema(self) -> str:
        return schema_name(self.projection, self.version)


class Books:
    """The books of one batch: opened with the positions locked, closed before the commit."""

    def __init__(
        self, place: Place, positions: Positions, records: list[Incoming], ledger: Ledger, guard: PoisonGuard
    ) -> None:
        self.place = place
        self.positions = positions
        self.records = records
        self.ledger = ledger
        self.guard = guard
        self.accepted: list[Accepted] = []
        self.letters: list[Letter] = []
        self._replayed: set[tuple[int, int]] = set()

    @classmethod
    async def open(
        cls, connection: Any, place: Place, taken: Sequence[Accepted | Letter | Passed], guard: PoisonGuard
    ) -> Books:
        """Locks the positions, chooses what lies at and after them, and reads its producers' entries.

        Raises PositionGap. guard: noted to; hand in a copy, and keep it when the batch is committed.
        """
        touched = {each.incoming.partition for each in taken}
        positions = await read_positions(connection, place.schema, place.seat, touched, lock=True)
        records = fresh(positions, [each.incoming for each in taken])
        if len(records) < len(taken):
            chosen = set(map(id, records))
            taken = [each for each in taken if id(each.incoming) in chosen]
        accepted = [each for each in taken if isinstance(each, Accepted)]
        events = [each.recorded for each in accepted]
        books = cls(place, positions, records, await Ledger.load(connection, place.schema, events), guard)
        books.accepted = accepted
        books.letters = [each for each in taken if isinstance(each, Letter)]
        return books

    def project(self, apply: Apply) -> None:
        """Applies, in log order, what the ledger has not seen; parks what cannot be applied.

        Raises PoisonLimit when too much fails.
        """
        for each in self.accepted:
            self.project_one(each, apply)

    def project_one(self, each: Accepted, apply: Apply) -> None:
        recorded = each.recorded
        try:
            recorded = recorded.admitted(self.ledger.admit(recorded))
            if recorded.accepted:
                apply(recorded)
        except Refused as refusal:
            self.letters.append(Letter(each.incoming, refusal.reason, str(refusal)))
            return
        except Exception as error:  # noqa: BLE001 - whatever our code does, the log goes on
            self.give_up(each, error)
            return
        if recorded.accepted:
            self.ledger.record(recorded)
        self.guard.note(False)
        if recorded.replayed is not None:
            self._replayed.add(recorded.replayed)

    def give_up(self, each: Accepted, error: BaseException) -> None:
        """Parks an event that this release's code or its tables could not take; raises PoisonLimit."""
        reason = f"{type(error).__name__}: {error}"
        place = f"{each.incoming.topic}/{each.incoming.partition}/{each.incoming.offset}"
        log.error("%s %s is parked: %s", each.recorded.envelope.type, place, reason, exc_info=error)
        self.guard.failed(reason)
        self.letters.append(Letter(each.incoming, "failed", reason))

    async def close(self, connection: Any) -> None:
        """Writes ledger, dead letters and positions."""
        place, schema = self.place, self.place.schema
        await self.ledger.save(connection, schema)
        if self.letters:
            failpoint("letters.before")
        await park(connection, schema, self.letters)
        if self.letters:
            failpoint("letters.after")
        await mark_replayed(connection, schema, place.topic, self._replayed)
        self.positions = advance(self.positions, self.records, place.cluster_id)
        times = {incoming.partition: incoming.timestamp * 1000 for incoming in self.records}
        await save_positions(connection, schema, place.seat, self.positions.values(), times)
