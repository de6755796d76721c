"""Utterances as columns: what a test set, or an evaluation with references of its own, has of each.

Columns are kept packed (msgpack, zstd), each for itself, so that a question unpacks what it asks for. Texts
that recur, as speakers and conditions do, are a list of names and a number for each utterance.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import zstandard
from numpy.typing import NDArray

from speech_experiment_schemas.evaluations import Hypotheses
from speech_experiment_schemas.metrics import unpack as unpack_numbers
from speech_experiment_schemas.test_sets import TestSetUtterances

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]
_LEVEL = 3


class Factor(NamedTuple):
    """A column of texts that recur: utterance i has names[codes[i]]; "" is unknown."""

    names: list[str]
    codes: Codes


class References(NamedTuple):
    """What systems are compared with, one item for each utterance.

    factors    speaker, language, and condition.NAME for each condition; only those that are known
    starts, durations  in seconds, NaN where unknown
    audio      URIs, "" where unknown; empty when all are
    """

    ids: list[str]
    texts: list[str]
    factors: dict[str, Factor]
    starts: Floats
    durations: Floats
    audio: list[str]

    def __len__(self) -> int:
        return len(self.ids)


def references_of(batches: Iterable[TestSetUtterances], language: str | None) -> References:
    """The columns of a list from its batches, in order; language: of utterances that do not say theirs."""
    batches = sorted(batches, key=lambda batch: batch.first)
    sizes = [len(batch.ids) for batch in batches]
    columns = {
        "speaker": _texts(sizes, [batch.speakers for batch in batches]),
        "language": _with_default(_texts(sizes, [batch.languages for batch in batches]), language),
        **_conditions(sizes, [batch.conditions for batch in batches]),
    }
    return References(
        [name for batch in batches for name in batch.ids],
        [text for batch in batches for text in batch.references],
        factors(columns),
        _seconds(sizes, [batch.starts for batch in batches]),
        _seconds(sizes, [batch.durations for batch in batches]),
        _known(_texts(sizes, [batch.audio for batch in batches])),
    )


def own_references(batches: Iterable[Hypotheses], language: str | None) -> References:
    """Those that hypotheses brought along: of each utterance the first that has one."""
    batches = sorted(batches, key=lambda batch: batch.first)
    sizes = [len(batch.ids) for batch in batches]
    ids = [name for batch in batches for name in batch.ids]
    texts = [text for batch in batches for text in batch.references or [None] * len(batch.ids)]
    first: dict[str, int] = {}
    for place, (name, text) in enumerate(zip(ids, texts, strict=True)):
        if text is not None:
            first.setdefault(name, place)
    kept = list(first.values())
    columns = {
        "speaker": _texts(sizes, [batch.speakers for batch in batches]),
        "language": _with_default(_texts(sizes, [batch.languages for batch in batches]), language),
        **_conditions(sizes, [batch.conditions for batch in batches]),
    }
    chosen = {name: [column[place] for place in kept] for name, column in columns.items()}
    durations = _seconds(sizes, [batch.durations for batch in batches])
    return References(
        list(first),
        [text for place in kept if (text := texts[place]) is not None],
        factors(chosen),
        np.full(len(kept), np.nan),
        durations[kept],
        [],
    )


def _texts(sizes: Sequence[int], columns: Sequence[Sequence[str]]) -> list[str]:
    return [text for size, column in zip(sizes, columns, strict=True) for text in column or [""] * size]


def _with_default(languages: list[str], language: str | None) -> list[str]:
    return [each or language for each in languages] if language else languages


def _conditions(sizes: Sequence[int], batches: Sequence[Mapping[str, list[str]]]) -> dict[str, list[str]]:
    names = sorted({name for batch in batches for name in batch})
    return {f"condition.{name}": _texts(sizes, [batch.get(name, []) for batch in batches]) for name in names}


def _seconds(sizes: Sequence[int], columns: Sequence[bytes]) -> Floats:
    parts = [
        np.asarray(unpack_numbers("d", column), np.float64) if column else np.full(size, np.nan)
        for size, column in zip(sizes, columns, strict=True)
    ]
    return np.concatenate(parts) if parts else np.zeros(0)


def _known(texts: list[str]) -> list[str]:
    return texts if any(texts) else []


def factors(columns: Mapping[str, Sequence[str]]) -> dict[str, Factor]:
    """The columns that are known of any utterance."""
    return {name: factor(column) for name, column in columns.items() if any(column)}


def factor(texts: Sequence[str]) -> Factor:
    numbers: dict[str, int] = {}
    codes = [numbers.setdefault(text, len(numbers)) for text in texts]
    return Factor(list(numbers), np.asarray(codes, np.int32))


class Recognised(NamedTuple):
    """What a system gave, one item for each row of its evaluation."""

    ids: list[str]
    texts: list[str]
    decode_seconds: Floats
    durations: Floats


def recognised_of(batches: Iterable[Hypotheses]) -> Recognised:
    batches = sorted(batches, key=lambda batch: batch.first)
    sizes = [len(batch.ids) for batch in batches]
    return Recognised(
        [name for batch in batches for name in batch.ids],
        [text for batch in batches for text in batch.texts],
        _seconds(sizes, [batch.decode_seconds for batch in batches]),
        _seconds(sizes, [batch.durations for batch in batches]),
    )


# Packed.

_encoder = msgspec.msgpack.Encoder()


def pack(value: Any) -> bytes:
    """Anything that msgpack knows, compressed."""
    return zstandard.compress(_encoder.encode(value), _LEVEL)


def unpack(data: bytes, kind: Any = Any) -> Any:
    return msgspec.msgpack.decode(zstandard.decompress(data), type=kind)


def pack_factors(references: References) -> bytes:
    """Factors and times of References."""
    coded = {
        name: (each.names, each.codes.astype("<i4").tobytes()) for name, each in references.factors.items()
    }
    return pack(
        (coded, *(each.astype("<f8").tobytes() for each in (references.starts, references.durations)))
    )


def unpack_factors(data: bytes) -> tuple[dict[str, Factor], Floats, Floats]:
    """(factors, starts, durations)"""
    coded, starts, durations = unpack(data, tuple[dict[str, tuple[list[str], bytes]], bytes, bytes])
    found = {name: Factor(names, np.frombuffer(codes, "<i4")) for name, (names, codes) in coded.items()}
    return found, np.frombuffer(starts, "<f8"), np.frombuffer(durations, "<f8")
