"""Hypotheses that were logged one by one, into one record for many."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import chain
from math import nan
from uuid import UUID

import msgspec

from speech_experiment_schemas.catalogue import type_of
from speech_experiment_schemas.evaluations import Hypotheses
from speech_experiment_schemas.test_sets import MAX_CONDITIONS

from ..rows import BATCH_ROWS
from ..spool.records import Event

MOST_BYTES = 600_000
"""Of the events as they were logged, which have the names of their fields each."""
_COLUMNS: dict[str, object] = {
    "texts": "",
    "references": None,
    "speakers": "",
    "languages": "",
    "nbest": [],
    "confidences": b"",
    "token_times": b"",
    "attention": "",
}
"""Columns of items, and the item that says unknown."""
_TIMES = ("durations", "decode_seconds", "first_partial", "final", "emission")
_NO_TIME = struct.pack("<d", nan)
_ENTRY = type_of(Hypotheses(first=0, ids=[], texts=[]))
_FORM = (_ENTRY.name, _ENTRY.version)
_decoder = msgspec.msgpack.Decoder(Hypotheses)


class Rows:
    """Gathers consecutive calls of one evaluation until the record is full.

    count  calls gathered
    """

    def __init__(self) -> None:
        self.count = 0
        self.ts = 0
        self.subject: UUID | None = None
        self._parts: list[Hypotheses] = []
        self._names: set[str] = set()
        self._rows = 0
        self._bytes = 0

    @staticmethod
    def takes(event: Event) -> bool:
        """Whether it is about hypotheses, in the form of this release."""
        return (event.type, event.v) == _FORM

    def add(self, event: Event) -> bool:
        """Takes an event that is taken; False when those before must become a record first.

        Raises msgspec.MsgspecError for one that no client of this release writes.
        """
        part = _decoder.decode(event.data)
        subject, names = UUID(bytes=event.subject), self._names | part.conditions.keys()
        rows, size = self._rows + len(part.ids), self._bytes + len(event.data)
        if self._parts and (
            subject != self.subject
            or part.first != self._parts[0].first + self._rows
            or rows > BATCH_ROWS
            or size > MOST_BYTES
            or len(names) > MAX_CONDITIONS
        ):
            return False
        if not self._parts:
            self.subject, self.ts = subject, event.ts
        self._parts.append(part)
        self._names, self._rows, self._bytes = names, rows, size
        self.count += 1
        return True

    def payload(self) -> Hypotheses:
        return self._parts[0] if len(self._parts) == 1 else joined(self._parts)


def joined(parts: Sequence[Hypotheses]) -> Hypotheses:
    """One batch of consecutive ones; what only some know is unknown for the others' rows."""
    sizes = [len(part.ids) for part in parts]
    made: dict[str, object] = {}
    for name, unknown in _COLUMNS.items():
        columns = [getattr(part, name) for part in parts]
        if any(columns):
            filled = (column or [unknown] * size for column, size in zip(columns, sizes, strict=True))
            made[name] = list(chain.from_iterable(filled))
    for name in _TIMES:
        packed = [getattr(part, name) for part in parts]
        if any(packed):
            made[name] = b"".join(each or _NO_TIME * size for each, size in zip(packed, sizes, strict=True))
    conditions = {
        name: list(
            chain.from_iterable(
                part.conditions.get(name) or [""] * size for part, size in zip(parts, sizes, strict=True)
            )
        )
        for name in dict.fromkeys(chain.from_iterable(part.conditions for part in parts))
    }
    ids = list(chain.from_iterable(part.ids for part in parts))
    return Hypotheses(first=parts[0].first, ids=ids, conditions=conditions, **made)  # type: ignore[arg-type]
