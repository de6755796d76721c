"""Measurements: what came out of a task that is not recognition, with everything that makes it comparable.

Diarization, meetings, verification, keyword spotting, listening tests and synthesis are measured by the client, with the
tools of the field; the facts are logged: the numbers, the components they are pooled from, and the definition. Numbers
stand side by side only where test set and definition agree.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from .catalogue import event
from .envelope import Envelope
from .errors import InvalidEvent
from .limits import Digest, Line, MetricKey, Name, Tree, Word

Task = Literal[
    "diarization", "meeting", "verification", "spotting", "listening", "synthesis", "intelligibility"
]
MAX_ITEMS = 2_000
Numbers = Annotated[dict[MetricKey, float | None], msgspec.Meta(max_length=1_000)]


class MeasurementDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """What the numbers mean: the tool that computed them, and every setting that changes them."""

    task: Task
    tool: Word
    version: Word
    settings: Annotated[dict[Word, bool | int | float | str | None], msgspec.Meta(max_length=200)]


def definition_identity(definition: MeasurementDefinition) -> str:
    """SHA-256 of the canonical JSON, hex: equal for numbers that mean the same."""
    return sha256(msgspec.json.encode(definition, order="deterministic")).hexdigest()


class Bounds(msgspec.Struct, frozen=True, array_like=True):
    """Ends of an interval; `method` says how it came about."""

    low: float
    high: float
    level: float
    method: Line


class Items(msgspec.Struct, frozen=True, kw_only=True):
    """The parts that the numbers are pooled from, in columns; None where a part has no number.

    kind   recording, session, keyword, system or utterance
    total  how many there are: `ids` holds them all, or none where they are too many and in an artifact alone
    """

    kind: Word
    total: Annotated[int, msgspec.Meta(ge=0)]
    ids: Annotated[list[Name], msgspec.Meta(max_length=MAX_ITEMS)] = []
    columns: Annotated[dict[Word, list[float | None]], msgspec.Meta(max_length=50)] = {}


def check_measurement(logged: MeasurementLogged, envelope: Envelope) -> None:
    """Raises InvalidEvent for an identity that is not the definition's, and for columns that do not fit."""
    if logged.identity != definition_identity(logged.definition):
        raise InvalidEvent("malformed", "data.identity", "is not the hash of data.definition")
    unknown = logged.intervals.keys() - logged.values.keys()
    if unknown:
        raise InvalidEvent("malformed", f"data.intervals.{min(unknown)}", "is of no value")
    size = len(logged.items.ids)
    if size not in (0, logged.items.total):
        raise InvalidEvent("malformed", "data.items.ids", f"has {size} of {logged.items.total} items")
    for name, column in logged.items.columns.items():
        if len(column) != size:
            raise InvalidEvent(
                "malformed", f"data.items.columns.{name}", f"has {len(column)} numbers for {size} ids"
            )


@event("measurement.logged", stream="evaluations", subject="run", check=check_measurement)
class MeasurementLogged(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement of a run on a test set.

    values      headline numbers by name, e.g. der, jer, missed; seconds, shares and counts, never per cent
    intervals   of those that have one
    artifacts   role → path within the run, of what was scored: hypotheses, scores, ratings, items
    decoding    settings of the system; checkpoint: path of the artifact, or any name
    """

    measurement: UUID
    test_set: Name
    name: Name | None = None
    definition: MeasurementDefinition
    identity: Digest
    values: Numbers
    intervals: Annotated[dict[MetricKey, Bounds], msgspec.Meta(max_length=1_000)] = {}
    items: Items = Items(kind="none", total=0)
    artifacts: Annotated[dict[Word, Line], msgspec.Meta(max_length=20)] = {}
    decoding: Tree = {}
    checkpoint: Line | None = None


MeasurementEvent = MeasurementLogged
