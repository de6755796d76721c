"""Utterances of evaluations, unpacked: what each counts, who said it under which conditions, and its texts."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import numpy as np
from numpy.typing import NDArray

from speech_experiment_projections.scores import (
    DELETIONS,
    HITS,
    INSERTIONS,
    OWN,
    SUBSTITUTIONS,
    Columns,
    Patch,
    patched,
    unpack_columns,
)
from speech_experiment_projections.utterances import Factor, unpack, unpack_factors
from speech_experiment_schemas.evaluations import Hypotheses

from .kept import used
from .reading import Reading
from .scored import Seen

_hypotheses = msgspec.msgpack.Decoder(Hypotheses)
Ints = NDArray[np.int64]
_FEW = 1_000
"""Hypotheses up to which only the batches that hold them are read."""
_KEPT_TEXTS = 600_000
"""Unpacked texts of lists that are kept: ids, references and audio of two lists of 100,000 utterances."""


class Scored(NamedTuple):
    """An evaluation with its utterances, in the order of its list.

    row      of the evaluation (see evaluations.evaluation_at)
    columns  at the revision that it is scored on
    factors, durations  of the list
    """

    row: Any
    columns: Columns
    factors: dict[str, Factor]
    durations: NDArray[np.float64]

    @property
    def place(self) -> tuple[UUID, int]:
        """Owner and base of the list."""
        return place_of(self.row)

    @property
    def errors(self) -> Ints:
        counts = self.columns.counts
        errors: Ints = counts[:, SUBSTITUTIONS] + counts[:, DELETIONS] + counts[:, INSERTIONS]
        return errors

    @property
    def tokens(self) -> Ints:
        counts = self.columns.counts
        tokens: Ints = counts[:, HITS] + counts[:, SUBSTITUTIONS] + counts[:, DELETIONS]
        return tokens


def place_of(row: Any) -> tuple[UUID, int]:
    return (row["id"], OWN) if row["own"] else (row["test_set"], row["base"])


async def scored_utterances(read: Reading, row: Any, sight: Seen) -> Scored:
    """The utterances of an evaluation that has a score."""
    schema = read.tables.scores
    place = (row["id"], sight.identity, row["base"])
    of_evaluation = "evaluation = $1 and profile = $2 and base = $3"
    packed = await read.fetch(f"select data from {schema}.score_columns where {of_evaluation}", *place)
    rows = await read.fetch(
        "select number, position, hits, substitutions, deletions, insertions, counted "
        f"from {schema}.score_patches where {of_evaluation} and number <= $4",
        *place,
        row["number"],
    )
    patches = [Patch(number, position, tuple(counts), kept) for number, position, *counts, kept in rows]
    columns = patched(unpack_columns(packed[0]["data"]), patches, row["number"])
    owner, base = place_of(row)
    found = await read.fetch(
        f"select factors from {schema}.lists where owner = $1 and base = $2", owner, base
    )
    factors, _, durations = unpack_factors(found[0]["factors"])
    return Scored(row, columns, factors, durations)


async def names_of(read: Reading, row: Any) -> list[str]:
    """The ids of an evaluation's list, by position."""
    names: list[str] = await _column(read, row, "ids", list[str])
    return names


async def _column(read: Reading, row: Any, name: str, kind: Any) -> Any:
    """A column of an evaluation's list, which never changes; those that were asked for last are kept unpacked."""
    owner, base = place_of(row)
    kept = read.services.stores.lists
    key = (read.tables.scores, owner, base, name)
    if key not in kept:
        sql = f"select {name} as packed from {read.tables.scores}.lists where owner = $1 and base = $2"
        kept[key] = unpack((await read.fetch(sql, owner, base))[0]["packed"], kind)
    return used(kept, key, _KEPT_TEXTS, _texts_in)


def _texts_in(column: list[str] | tuple[list[str], bytes, bytes]) -> int:
    return len(column[0] if isinstance(column, tuple) else column)


async def references_of(read: Reading, row: Any, names: Mapping[int, str]) -> dict[int, str]:
    """position → reference at the revision, of some positions with their ids."""
    schema = read.tables.scores
    owner, base = place_of(row)
    texts: list[str] = await _column(read, row, "texts", list[str])
    references = {position: texts[position] for position in names}
    if base != OWN:
        corrected = await read.fetch(
            f"select distinct on (utterance) utterance, reference from {schema}.corrections "
            "where test_set = $1 and base = $2 and number <= $3 and utterance = any($4::text[]) "
            "order by utterance, number desc",
            owner,
            base,
            row["number"],
            list(names.values()),
        )
        latest = {each["utterance"]: each["reference"] for each in corrected}
        references |= {position: latest[name] for position, name in names.items() if name in latest}
    return references


async def hypotheses_of(
    read: Reading, row: Any, columns: Columns, positions: Collection[int]
) -> dict[int, str | None]:
    """position → hypothesis, None where it is missing."""
    return texts_of(await batches_of(read, row, columns, positions), columns, positions)


async def batches_of(read: Reading, row: Any, columns: Columns, positions: Collection[int]) -> list[Any]:
    """The packed hypotheses among which those at these positions are, for texts_of."""
    rows = [number for position in positions if (number := int(columns.rows[position])) >= 0]
    few = "exists (select from unnest($2::bigint[]) r (row) where r.row >= first and r.row < first + rows)"
    if not rows:
        return []
    return await read.fetch(
        f"select first, data from {read.tables.scores}.hypothesis_batches where evaluation = $1 "
        f"and ($2::bigint[] is null or {few})",
        row["id"],
        rows if len(rows) <= _FEW else None,
    )


def texts_of(batches: Sequence[Any], columns: Columns, positions: Collection[int]) -> dict[int, str | None]:
    """position → hypothesis, None where it is missing."""
    found: dict[int, str | None] = dict.fromkeys(positions)
    rows = {int(columns.rows[position]): position for position in positions if columns.rows[position] >= 0}
    for batch in batches:
        first, texts = batch["first"], _hypotheses.decode(batch["data"]).texts
        found |= {rows[first + place]: text for place, text in enumerate(texts) if first + place in rows}
    return found


async def recognised_at(
    read: Reading, row: Any, columns: Columns, position: int
) -> tuple[Hypotheses, int] | None:
    """The batch with the hypothesis of an utterance, and its place there; None where it is missing."""
    number = int(columns.rows[position])
    for batch in await batches_of(read, row, columns, [position]):
        place = number - batch["first"]
        found = _hypotheses.decode(batch["data"])
        if 0 <= place < len(found.ids):
            return found, place
    return None


async def audio_of(read: Reading, row: Any) -> Callable[[int], tuple[str, float | None, float | None]]:
    """Position → URI ("" when none is known), start and duration in seconds, of an evaluation's list."""
    uris, starts, durations = await _column(read, row, "audio", tuple[list[str], bytes, bytes])
    columns = np.frombuffer(starts, "<f8"), np.frombuffer(durations, "<f8")

    def at(position: int) -> tuple[str, float | None, float | None]:
        start, duration = (float(column[position]) for column in columns)
        return uris[position] if uris else "", _known(start), _known(duration)

    return at


def _known(seconds: float) -> float | None:
    return seconds if math.isfinite(seconds) else None


def languages_of(scored: Scored, positions: Sequence[int]) -> list[str]:
    factor = scored.factors.get("language")
    default = scored.row["language"] or ""
    if factor is None:
        return [default] * len(positions)
    return [factor.names[int(factor.codes[position])] or default for position in positions]
