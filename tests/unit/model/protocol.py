"""A model of the way from log() to the table, small enough to try thousands of schedules in seconds.

One producer, one partition. What is durable lives in the classes below and survives a crash; what a
process holds in memory is lost with it. The interval sets are the projections' own. `Flaws` puts known
mistakes back in, to show that the model would have found them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from speech_experiment_projections.intervals import EMPTY, Intervals, missing, union


@dataclass(frozen=True)
class Flaws:
    """Mistakes that others made, or that we made while designing.

    single_watermark      the ledger keeps only the highest number seen, no set of intervals
    token_without_range   the insert token names the first offset only, and a retry may carry a longer batch
    token_without_generation  a range put back after a deletion carries its old token
    advance_before_insert the position moves before the rows are in
    no_pending            no pending range: after a crash the batch may be cut otherwise
    cursor_before_ack     the drain moves its cursor when it sends, not when it is acknowledged
    """

    single_watermark: bool = False
    token_without_range: bool = False
    token_without_generation: bool = False
    advance_before_insert: bool = False
    no_pending: bool = False
    cursor_before_ack: bool = False


@dataclass(frozen=True)
class Record:
    """Calls seq … stop - 1 of the producer."""

    seq: int
    stop: int


@dataclass
class Drain:
    """The spool holds the numbers below `logged`; `sealed` is the batch on disk, sent until acknowledged."""

    logged: int = 0
    cursor: int = 0
    sealed: Record | None = None

    def seal(self, size: int) -> None:
        if self.sealed is None and self.cursor < self.logged:
            self.sealed = Record(self.cursor, min(self.logged, self.cursor + size))

    def acknowledged(self) -> None:
        if self.sealed:
            self.cursor, self.sealed = self.sealed.stop, None


@dataclass
class Table:
    """ClickHouse: rows by call number, and a window of insert tokens it has seen."""

    rows: Counter[int] = field(default_factory=Counter)
    offsets: dict[int, list[int]] = field(default_factory=dict)
    tokens: set[object] = field(default_factory=set)

    def insert(self, token: object, rows: dict[int, list[int]]) -> None:
        if token in self.tokens:
            return
        self.tokens.add(token)
        for offset, calls in rows.items():
            self.rows.update(calls)
            self.offsets.setdefault(offset, []).extend(calls)

    def delete_from(self, offset: int) -> None:
        for surplus in [known for known in self.offsets if known >= offset]:
            self.rows.subtract(self.offsets.pop(surplus))
        self.rows += Counter()


@dataclass
class Ledger:
    """Postgres: position, pending range and intervals change together."""

    next_offset: int = 0
    received: Intervals = EMPTY
    generation: int = 0
    pending: tuple[int, int] | None = None
    parked: list[Record] = field(default_factory=list)


@dataclass
class System:
    flaws: Flaws = Flaws()
    drain: Drain = field(default_factory=Drain)
    wire: list[Record] = field(default_factory=list)
    log: list[Record] = field(default_factory=list)
    ledger: Ledger = field(default_factory=Ledger)
    table: Table = field(default_factory=Table)

    # the client's side

    def log_call(self) -> None:
        self.drain.logged += 1

    def send(self, size: int) -> None:
        """Puts the sealed batch on the wire, where it stays: it may arrive late, and often."""
        self.drain.seal(size)
        if self.drain.sealed:
            self.wire.append(self.drain.sealed)
            if self.flaws.cursor_before_ack:
                self.drain.acknowledged()

    def arrive(self, index: int, answered: bool) -> None:
        """A batch on the wire enters the log; the answer may be lost."""
        record = self.wire[index]
        self.log.append(record)
        if answered and record == self.drain.sealed:
            self.drain.acknowledged()

    def spool_restored(self, cursor: int) -> None:
        """The drain's cursor went back (an old copy of the spool): it cuts and sends anew."""
        self.drain.cursor, self.drain.sealed = min(cursor, self.drain.cursor), None

    # the sink's side, one step a method, so that a crash can come between any two

    def write(self, size: int, crash_after: int) -> None:
        """Applies up to `size` records; crash_after 0…2 stops after that many of the three steps."""
        steps = [self._note_pending, self._insert, self._advance]
        if self.flaws.advance_before_insert:
            steps = [self._note_pending, self._advance, self._insert]
        first = self.ledger.next_offset
        last = min(len(self.log), first + size) - 1
        if self.ledger.pending:
            first, last = self.ledger.pending
        if last < first:
            return
        accepted = self._accepted(first, last)
        for step in steps[:crash_after]:
            step(first, last, accepted)

    def _accepted(self, first: int, last: int) -> tuple[dict[int, list[int]], Intervals]:
        received, rows = self.ledger.received, {}
        for offset in range(first, last + 1):
            record = self.log[offset]
            parts = self._new(received, record)
            rows[offset] = [call for start, stop in parts for call in range(start, stop)]
            received = union(received, parts)
        return rows, received

    def _new(self, received: Intervals, record: Record) -> Intervals:
        if not self.flaws.single_watermark:
            return missing(received, record.seq, record.stop)
        mark = received[-1][1] if received else 0
        start = max(mark, record.seq)
        return ((start, record.stop),) if start < record.stop else EMPTY

    def _note_pending(self, first: int, last: int, _: object) -> None:
        if not (self.flaws.no_pending or self.flaws.token_without_range):
            self.ledger.pending = (first, last)

    def _insert(self, first: int, last: int, accepted: tuple[dict[int, list[int]], Intervals]) -> None:
        token: tuple[object, ...] = (first,) if self.flaws.token_without_range else (first, last)
        if not self.flaws.token_without_generation:
            token = (*token, self.ledger.generation)
        self.table.insert(token, accepted[0])

    def _advance(self, first: int, last: int, accepted: tuple[dict[int, list[int]], Intervals]) -> None:
        self.ledger.received = accepted[1]
        self.ledger.next_offset = last + 1
        self.ledger.pending = None

    def park(self) -> None:
        """The next record cannot be applied just now: parked, and the position moves on."""
        if self.ledger.pending is None and self.ledger.next_offset < len(self.log):
            self.ledger.parked.append(self.log[self.ledger.next_offset])
            self.ledger.next_offset += 1

    def replay(self) -> None:
        """A parked record is appended to the log again."""
        if self.ledger.parked:
            self.log.append(self.ledger.parked.pop(0))

    def rewind(self, back: int) -> None:
        """The last rows are deleted and read again, as after a restored ClickHouse backup."""
        to = max(0, self.ledger.next_offset - back)
        if self.ledger.pending is not None or self.ledger.parked or to >= self.ledger.next_offset:
            return
        self.table.delete_from(to)
        self.ledger.generation += 1
        self.ledger.next_offset = to
        self.ledger.received = EMPTY
        for calls in self.table.offsets.values():
            for call in calls:
                self.ledger.received = union(self.ledger.received, ((call, call + 1),))

    # the oracle

    def quiesce(self) -> None:
        """No more crashes: everything is sent, answered, replayed and applied."""
        while self.drain.cursor < self.drain.logged:
            self.send(3)
            self.arrive(len(self.wire) - 1, answered=True)
        while self.ledger.parked or self.ledger.pending or self.ledger.next_offset < len(self.log):
            self.replay()
            self.write(1, 3)

    def check_now(self) -> None:
        twice = [call for call, times in self.table.rows.items() if times > 1]
        assert not twice, f"calls {twice} stand twice"
        assert all(call < self.drain.logged for call in self.table.rows), "a call that nobody made"

    def check_at_rest(self) -> None:
        lost = sorted(set(range(self.drain.logged)) - set(self.table.rows))
        assert not lost, f"calls {lost} are lost"
