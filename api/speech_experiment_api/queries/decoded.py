"""What was logged of single recognitions besides the text: alternatives, confidences, times, attention plots."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

import msgspec

from speech_experiment_schemas.evaluations import Hypotheses
from speech_experiment_schemas.metrics import unpack

from .evaluations import finite
from .packed import Scored, batches_of
from .reading import Reading
from .sql import Binder, before
from .visibility import deletions

_hypotheses = msgspec.msgpack.Decoder(Hypotheses)
_SECONDS = ("decode_seconds", "first_partial", "final", "emission")


class NextBest(msgspec.Struct):
    text: str
    score: float | None


class Decoded(msgspec.Struct, kw_only=True):
    """Seconds are null where they were not logged; lists are empty then.

    decode_seconds  of computing
    first_partial   from the start of speech to the first partial result; final: from its end to the final result
    emission        mean delay of a token behind its end in the audio
    nbest           other alternatives, the best first
    confidences     of each token; token_times: (start, end) of each token in seconds
    attention       path of the run's artifact that shows it; attention_artifact: its id, if it is there
    """

    decode_seconds: float | None
    first_partial: float | None
    final: float | None
    emission: float | None
    nbest: list[NextBest]
    confidences: list[float | None]
    token_times: list[tuple[float | None, float | None]]
    attention: str | None
    attention_artifact: UUID | None


async def decoded_of(
    read: Reading, scored: Scored, positions: Collection[int]
) -> dict[int, dict[str, Any] | None]:
    """position → Decoded as a mapping, None where the hypothesis is missing."""
    found: dict[int, dict[str, Any] | None] = dict.fromkeys(positions)
    rows = {row: each for each in positions if (row := int(scored.columns.rows[each])) >= 0}
    for packed in await batches_of(read, scored.row, scored.columns, positions):
        batch = _hypotheses.decode(packed["data"])
        seconds = {name: unpack("d", getattr(batch, name)) for name in _SECONDS}
        for place in range(len(batch.ids)):
            if (position := rows.get(packed["first"] + place)) is not None:
                found[position] = _decoded(batch, seconds, place)
    shown = [each for each in found.values() if each is not None and each["attention"]]
    artifacts = await _artifacts(read, scored.row["run_id"], {each["attention"] for each in shown})
    for each in shown:
        each["attention_artifact"] = artifacts.get(each["attention"])
    return found


def _decoded(batch: Hypotheses, seconds: Mapping[str, Any], place: int) -> dict[str, Any]:
    times = unpack("f", batch.token_times[place]) if batch.token_times else ()
    return {
        **{name: finite(values[place]) if values else None for name, values in seconds.items()},
        "nbest": [
            {"text": each.text, "score": finite(each.score)}
            for each in (batch.nbest[place] if batch.nbest else ())
        ],
        "confidences": [
            finite(each) for each in (unpack("f", batch.confidences[place]) if batch.confidences else ())
        ],
        "token_times": list(zip(map(finite, times[::2]), map(finite, times[1::2]), strict=False)),
        "attention": (batch.attention[place] if batch.attention else "") or None,
        "attention_artifact": None,
    }


async def _artifacts(read: Reading, run: UUID, paths: Collection[str]) -> dict[str, UUID]:
    """Path → the newest artifact of the run there that nobody has deleted."""
    if not paths:
        return {}
    bind = Binder()
    hidden = f"select d.id from {deletions(read.tables, bind, read.scope)} d where d.kind = 'artifact'"
    sql = (
        f"select distinct on (a.path) a.path, a.id from {read.tables.artifacts}.artifacts a "
        f"where a.run_id = {bind(run, 'uuid')} and a.path = any({bind(sorted(paths), 'text[]')}) "
        f"and {before(read.vector.below('artifacts'), 'a', bind)} and a.id not in ({hidden}) "
        "order by a.path, a.version desc"
    )
    return {row["path"]: row["id"] for row in await read.fetch(sql, *bind.values)}
