"""The ledger: what was received of each producer in one topic, and how it opened and closed.

A run belongs to the workspace of its first record in the topic; a record of another workspace about
it is refused before it is counted, so that nobody occupies somebody else's sequence numbers. What the
server says in the topic control concerns all workspaces.
"""

from __future__ import annotations

from uuid import UUID

import msgspec

from speech_experiment_schemas import Envelope, digest
from speech_experiment_schemas.metrics import MetricsLogged
from speech_experiment_schemas.producers import ProducerClosed, ProducerOpened, SeqVoided
from speech_experiment_schemas.runs import RunResumed

from .intervals import EMPTY, Intervals, missing, size, union
from .recorded import Recorded
from .refusal import same_workspace
from .texts import clock

Account = tuple[UUID, UUID | None, str]
"""(producer, run, workspace): whose numbers are counted together.

Records of one account lie in one partition, unless they are about no run; whoever speaks under
another's producer id about something of his own is counted apart, in whatever order it is read.
"""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What the log holds of one producer in one topic; times in microseconds of the broker.

    received  sequence numbers seen, voided ones included
    voided    those that the producer's side gave up
    digest    xor of the digests of the records received: equal for equal sets of records
    opened    the first opening: what a producer says of itself holds for good
    last_seq  of the closing record; None while the producer is open
    last_call the producer's clock at its last call, as far as it is known; frames do not count
    """

    producer: UUID
    subject: tuple[str, UUID]
    run: UUID | None
    workspace: str = ""
    partition: int
    first_offset: int
    last_offset: int
    first_seen: int
    last_seen: int
    received: Intervals = EMPTY
    voided: Intervals = EMPTY
    digest: bytes = bytes(32)
    opened: ProducerOpened | None = None
    opened_at: int | None = None
    opened_offset: int | None = None
    closed: ProducerClosed | None = None
    closed_at: int | None = None
    last_seq: int | None = None
    last_call: int | None = None


def admit(entry: Entry | None, envelope: Envelope) -> Intervals:
    """The part of the record's range that was not received before: empty for a repetition."""
    received = EMPTY if entry is None else entry.received
    return missing(received, envelope.seq, envelope.last + 1)


def evolve(entry: Entry | None, recorded: Recorded) -> Entry:
    """The entry after a record that was admitted."""
    envelope, payload = recorded.envelope, recorded.payload
    entry = entry or _first(recorded)
    changes: dict[str, object] = {
        "received": union(entry.received, recorded.accepted),
        "digest": _xor(entry.digest, digest(envelope)),
        "last_offset": max(entry.last_offset, recorded.offset),
        "last_seen": max(entry.last_seen, recorded.time),
    }
    if type(payload) is ProducerOpened:
        if entry.opened is None:
            changes |= {"opened": payload, "opened_at": recorded.time, "opened_offset": recorded.offset}
    elif type(payload) is ProducerClosed:
        changes |= {"closed": payload, "closed_at": recorded.time, "last_seq": envelope.last}
    elif type(payload) is SeqVoided:
        changes["voided"] = union(entry.voided, recorded.accepted)
    elif type(payload) is not RunResumed and (made := _made(recorded)) is not None:
        changes["last_call"] = made if entry.last_call is None else max(entry.last_call, made)
    return msgspec.structs.replace(entry, **changes)


def _made(recorded: Recorded) -> int | None:
    """When a record's last call was made; metrics are sealed later than they are logged."""
    payload = recorded.payload
    if type(payload) is MetricsLogged:
        return int.from_bytes(payload.times[-8:], "little", signed=True) if payload.times else None
    return clock(recorded.envelope.ts)


def _first(recorded: Recorded) -> Entry:
    producer, run, workspace = account_of(recorded)
    return Entry(
        producer=producer,
        subject=recorded.envelope.subject,
        run=run,
        workspace=workspace,
        partition=recorded.partition,
        first_offset=recorded.offset,
        last_offset=recorded.offset,
        first_seen=recorded.time,
        last_seen=recorded.time,
    )


def account_of(recorded: Recorded) -> Account:
    """The account that a record counts in."""
    envelope = recorded.envelope
    if envelope.stream == "control":
        return envelope.producer, None, ""
    return envelope.producer, envelope.run_id, recorded.workspace


class Accounts:
    """The entries of one topic, and the owners of its runs, while records are taken in log order."""

    def __init__(
        self, entries: dict[Account, Entry] | None = None, owners: dict[UUID, str] | None = None
    ) -> None:
        """owners: run → workspace of its first record."""
        self.entries = {} if entries is None else entries
        self.owners = {} if owners is None else owners

    def admit(self, recorded: Recorded) -> Intervals:
        """The part of the record's range that was not received before.

        Raises Refused when the record is about the run of another workspace.
        """
        account = account_of(recorded)
        run = account[1]
        if run is not None and (owner := self.owners.get(run)) is not None:
            same_workspace("run", run, owner, recorded.workspace)
        return admit(self.entries.get(account), recorded.envelope)

    def entry_of(self, recorded: Recorded) -> Entry | None:
        """The entry of the record's account."""
        return self.entries.get(account_of(recorded))

    def record(self, recorded: Recorded) -> Entry:
        """Notes a record that was admitted and projected."""
        account = account_of(recorded)
        known = self.entries.get(account)
        entry = evolve(known if known is not None and known.received else None, recorded)
        self.entries[account] = entry
        if account[1] is not None:
            self.owners.setdefault(account[1], recorded.workspace)
        return entry


def _xor(left: bytes, right: bytes) -> bytes:
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(32, "big")


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger's answer about one producer in one topic.

    verdict  complete (all received, some perhaps voided), open (not closed, no hole), missing (holes)
    voided   how many numbers were given up
    missing  first and last number of every hole
    """

    verdict: str
    received: int
    voided: int
    missing: list[tuple[int, int]]


def delivery(received: Intervals, voided: Intervals, last_seq: int | None) -> Delivery:
    """Complete, open or missing, by the numbers alone."""
    stop = (received[-1][1] if received else 0) if last_seq is None else last_seq + 1
    holes = missing(received, 0, stop)
    verdict = "missing" if holes else "open" if last_seq is None else "complete"
    return Delivery(
        verdict=verdict,
        received=size(received) - size(voided),
        voided=size(voided),
        missing=[(start, end - 1) for start, end in holes],
    )
