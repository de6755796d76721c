"""Parked records: kept whole, with the reason, in the transaction that passes them by."""

from __future__ import annotations

import os
from base64 import b64encode
from collections import deque
from collections.abc import Collection, Iterable
from importlib.metadata import version
from typing import Any

import msgspec

from .intake import Letter
from .sink import PoisonLimit
from .sql import columns, statement

CODE_VERSION = os.environ.get("SPEECH_TRACKER_CODE_VERSION") or version("speech-experiment-tracker")

WINDOW = 1_000
RATIO = 0.5
RUN = 200

_INSERT = """
insert into {schema}.dead_letters (topic, partition, "offset", key, value, headers, reason, error, code_version)
select t, p, o, k, v, h::jsonb, r, e, $9
from unnest($1::text[], $2::int[], $3::bigint[], $4::bytea[], $5::bytea[], $6::text[], $7::text[], $8::text[])
     as n (t, p, o, k, v, h, r, e)
on conflict (topic, partition, "offset") do nothing
"""
_REPLAYED = """
update {schema}.dead_letters d set replayed_at = now()
from unnest($2::int[], $3::bigint[]) as n (p, o)
where d.topic = $1 and d.partition = n.p and d."offset" = n.o and d.replayed_at is null
"""
_RECENT = """
select d.partition, d."offset"
from {schema}.positions p join {schema}.dead_letters d
  on d.topic = p.topic and d.partition = p.partition and d."offset" >= p.next_offset - $3
where p.topic = $1 and p.partition = any($2::int[]) and d.reason = 'failed' and d.code_version = $4
"""
_POSITIONS = """
select partition, next_offset from {schema}.positions
where topic = $1 and partition = any($2::int[])
"""


async def park(connection: Any, schema: str, letters: Iterable[Letter]) -> None:
    """Stores letters; header values as base64 in a list of [name, value]."""
    rows = [
        (
            letter.incoming.topic,
            letter.incoming.partition,
            letter.incoming.offset,
            letter.incoming.key,
            letter.incoming.value,
            _headers(letter),
            letter.reason,
            letter.error.replace("\0", "\u2400")[:2_000],
        )
        for letter in letters
    ]
    if rows:
        await connection.execute(statement(_INSERT, schema), *columns(rows, 8), CODE_VERSION)


def _headers(letter: Letter) -> str:
    pairs = [
        (name.replace("\0", "\u2400"), b64encode(value).decode()) for name, value in letter.incoming.headers
    ]
    return msgspec.json.encode(pairs).decode()


async def mark_replayed(
    connection: Any, schema: str, topic: str, places: Collection[tuple[int, int]]
) -> None:
    """places: (partition, offset) of letters whose bytes came again and were applied."""
    if places:
        await connection.execute(statement(_REPLAYED, schema), topic, *columns(sorted(places), 2))


class PoisonGuard:
    """Stops the worker before it parks everything that a bad deployment cannot project.

    Only failures of our own code count; malformed input from outside never stops anything.
    """

    def __init__(self, outcomes: Iterable[bool] = (), run: int = 0) -> None:
        self._outcomes = deque(outcomes, maxlen=WINDOW)
        self._failures = sum(self._outcomes)
        self._run = run

    def copy(self) -> PoisonGuard:
        """For a batch that may be rolled back."""
        return PoisonGuard(self._outcomes, self._run)

    def failed(self, error: str) -> None:
        """Notes a failure; raises PoisonLimit at 200 in a row, or above half of the last 1,000 records."""
        self.note(True)
        crowded = len(self._outcomes) == WINDOW and self._failures > RATIO * WINDOW
        if self._run >= RUN or crowded:
            raise PoisonLimit(
                f"{self._failures} of the last {len(self._outcomes)} records failed in this release "
                f"({CODE_VERSION}), {self._run} in a row, the last with: {error}. Nothing of this batch was "
                "parked; deploy a fixed release, which starts to count anew"
            )

    def note(self, failed: bool) -> None:
        """Counts one record that this release's code projected, or failed to."""
        if len(self._outcomes) == WINDOW and self._outcomes[0]:
            self._failures -= 1
        self._outcomes.append(failed)
        self._failures += failed
        self._run = self._run + 1 if failed else 0


async def recall_guard(connection: Any, schema: str, topic: str, partitions: Collection[int]) -> PoisonGuard:
    """A guard that takes up the count where this release's last worker left it."""
    guard = PoisonGuard()
    wanted = sorted(partitions)
    recent = await connection.fetch(statement(_RECENT, schema), topic, wanted, WINDOW, CODE_VERSION)
    failed = {(row["partition"], row["offset"]) for row in recent}
    if not failed:
        return guard
    for row in await connection.fetch(statement(_POSITIONS, schema), topic, wanted):
        partition, following = row["partition"], row["next_offset"]
        for offset in range(max(0, following - WINDOW), following):
            guard.note((partition, offset) in failed)
    return guard
