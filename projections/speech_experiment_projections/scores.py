"""Scores of one evaluation under one profile: a pure function of its texts, the references and the profile.

A correction leaves the counts of all other utterances as they are: of each corrected utterance there are counts
for each of its references (`patches`), and a revision's totals are those of the list with the patches so far.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import zstandard
from numpy.typing import NDArray

from speech_experiment_schemas.columns import rows_digest

from .scoring.profiles import Profile
from .utterances import Codes, Recognised, References

Ints = NDArray[np.int64]
HITS, SUBSTITUTIONS, DELETIONS, INSERTIONS = range(4)
OWN = 0
"""Stands for a revision where an evaluation has references of its own."""
_CHUNK = 20_000
_REMEMBERED = 200_000
_EXAMPLES = 20


class Correction(NamedTuple):
    """A reference that holds from a revision on."""

    number: int
    utterance: str
    text: str


class Patch(NamedTuple):
    """Counts of an utterance from a revision on; counted: whether the profile counts it."""

    number: int
    position: int
    counts: tuple[int, int, int, int]
    counted: bool


class Columns(NamedTuple):
    """Of each utterance of a list.

    counts   [utterances, 4]: hits, substitutions, deletions, insertions
    rows     row of the evaluation that has the hypothesis; -1: missing
    counted  whether the profile counts it
    """

    counts: Ints
    rows: Codes
    counted: NDArray[np.bool_]


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over the utterances of a revision that the profile counts.

    utterances           of the revision; covered: those with a hypothesis
    counted              utterances that the sums are over; wrong: those with an error
    mean_of_utterances, mean_of_speakers  means of rates, over those with a token of reference; speakers: how many
    audio_seconds, decode_seconds  over the hypotheses of which both are known
    digest               of ids and references, hex: equal where rates can be compared
    """

    hits: int
    substitutions: int
    deletions: int
    insertions: int
    utterances: int
    covered: int
    counted: int
    wrong: int
    empty_references: int
    speakers: int
    mean_of_utterances: float | None
    mean_of_speakers: float | None
    audio_seconds: float
    decode_seconds: float
    digest: str

    @property
    def errors(self) -> int:
        return self.substitutions + self.deletions + self.insertions

    @property
    def tokens(self) -> int:
        """Of the references."""
        return self.hits + self.substitutions + self.deletions

    @property
    def rate(self) -> float | None:
        return self.errors / self.tokens if self.tokens else None


class Flags(msgspec.Struct, frozen=True, kw_only=True):
    """What does not fit, counted, with the first few by name.

    unknown      hypotheses of utterances that the list does not have, or that brought no reference along
    repeated     hypotheses beyond the first of an utterance, which alone counts
    not_in_list  corrections of utterances that the list does not have
    """

    unknown: int = 0
    repeated: int = 0
    not_in_list: int = 0
    examples: dict[str, list[str]] = {}

    def corrected(self, utterances: Sequence[str]) -> Flags:
        """With corrections of utterances that the list does not have."""
        if not utterances:
            return self
        examples = self.examples | {"not_in_list": list(utterances[:_EXAMPLES])}
        return msgspec.structs.replace(self, not_in_list=len(utterances), examples=examples)


class Seconds(NamedTuple):
    """Of audio and of decoding, over the hypotheses of which both are known."""

    audio: float
    decode: float


class Counted(NamedTuple):
    """What an evaluation is on a list without corrections."""

    columns: Columns
    seconds: Seconds
    flags: Flags


class Prepared:
    """Tokens of texts under a profile, each distinct text prepared once."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self._known: dict[str, dict[str, tuple[str, ...]]] = {}

    def __call__(self, texts: Sequence[str | None], languages: Sequence[str]) -> list[tuple[str, ...] | None]:
        return [
            None if text is None else self._one(text, each)
            for text, each in zip(texts, languages, strict=True)
        ]

    def _one(self, text: str, language: str) -> tuple[str, ...]:
        known = self._known.setdefault(language, {})
        found = known.get(text)
        if found is None:
            if len(known) >= _REMEMBERED:
                known.clear()
            found = known[text] = self.profile.prepare(text, language or None)
        return found


def count_list(
    prepared: Prepared, references: References, recognised: Recognised, language: str | None = None
) -> Counted:
    """Counts on a list; language: of utterances of which the list does not say it.

    Raises NotScoredError where a rule of the profile forbids a score.
    """
    rows, flags = match(references.ids, recognised.ids)
    hypotheses = [None if row < 0 else recognised.texts[row] for row in rows.tolist()]
    counts, counted = _count(prepared, references.texts, hypotheses, _languages(references, language))
    return Counted(Columns(counts, rows, counted), _seconds(references, recognised, rows), flags)


def match(ids: Sequence[str], recognised: Sequence[str]) -> tuple[Codes, Flags]:
    """The row of each utterance's hypothesis, -1 where there is none; of several the first counts."""
    place = {name: position for position, name in enumerate(ids)}
    rows = np.full(len(place), -1, np.int32)
    left: dict[str, list[str]] = {"unknown": [], "repeated": []}
    for row, name in enumerate(recognised):
        position = place.get(name)
        if position is None:
            left["unknown"].append(name)
        elif rows[position] >= 0:
            left["repeated"].append(name)
        else:
            rows[position] = row
    examples = {kind: names[:_EXAMPLES] for kind, names in left.items() if names}
    return rows, Flags(unknown=len(left["unknown"]), repeated=len(left["repeated"]), examples=examples)


def _languages(references: References, language: str | None) -> list[str]:
    default = language or ""
    found = references.factors.get("language")
    if found is None:
        return [default] * len(references)
    names = [name or default for name in found.names]
    return [names[code] for code in found.codes.tolist()]


def _count(
    prepared: Prepared, references: Sequence[str], hypotheses: Sequence[str | None], languages: Sequence[str]
) -> tuple[Ints, NDArray[np.bool_]]:
    counts = np.zeros((len(references), 4), np.int64)
    counted = np.zeros(len(references), np.bool_)
    for start in range(0, len(references), _CHUNK):
        part = slice(start, start + _CHUNK)
        left = [tokens or () for tokens in prepared(references[part], languages[part])]
        right = prepared(hypotheses[part], languages[part])
        counts[part] = prepared.profile.count(left, right)
        counted[part] = prepared.profile.counted(left, right)
    return counts, counted


def placed(
    ids: Sequence[str], corrections: Sequence[Correction]
) -> tuple[list[tuple[Correction, int]], list[Correction]]:
    """Corrections with their positions in the list, and those of utterances that it does not have."""
    if not corrections:
        return [], []
    place = {name: position for position, name in enumerate(ids)}
    found = [(each, place[each.utterance]) for each in sorted(corrections) if each.utterance in place]
    return found, [each for each in sorted(corrections) if each.utterance not in place]


def count_corrections(
    prepared: Prepared,
    references: References,
    corrections: Sequence[tuple[Correction, int]],
    hypotheses: Sequence[str | None],
    language: str | None = None,
) -> list[Patch]:
    """Counts on corrected references; hypotheses: one for each. Raises as count_list."""
    languages = _languages(references, language)
    of_each = [languages[position] for _, position in corrections]
    counts, counted = _count(prepared, [each.text for each, _ in corrections], hypotheses, of_each)
    made = zip(corrections, counts.tolist(), counted.tolist(), strict=True)
    return [Patch(each.number, position, tuple(row), kept) for (each, position), row, kept in made]


def patched(columns: Columns, patches: Sequence[Patch], number: int) -> Columns:
    """The columns as they are at a revision."""
    chosen = sorted(patch for patch in patches if patch.number <= number)
    if not chosen:
        return columns
    counts, counted = columns.counts.copy(), columns.counted.copy()
    for patch in chosen:
        counts[patch.position] = patch.counts
        counted[patch.position] = patch.counted
    return Columns(counts, columns.rows, counted)


class Summing:
    """Totals of one evaluation at several revisions."""

    def __init__(
        self,
        references: References,
        columns: Columns,
        seconds: Seconds,
        corrections: Sequence[tuple[Correction, int]] = (),
        patches: Sequence[Patch] = (),
        digest: int | None = None,
    ) -> None:
        """digest: of the list, where it is known (see list_digest)."""
        self._references = references
        self._columns = columns
        self._seconds = seconds
        self._corrections = corrections
        self._patches = patches
        self._digest = list_digest(references) if digest is None else digest

    def totals(self, number: int) -> Totals:
        counts, rows, counted = patched(self._columns, self._patches, number)
        sums = counts[counted].sum(axis=0).tolist()
        errors = counts[:, 1:].sum(axis=1)
        tokens = counts[:, :INSERTIONS].sum(axis=1)
        spoken = counted & (tokens > 0)
        means = errors[spoken] / tokens[spoken]
        speakers = self._rates_of_speakers(errors, tokens, counted)
        return Totals(
            hits=sums[HITS],
            substitutions=sums[SUBSTITUTIONS],
            deletions=sums[DELETIONS],
            insertions=sums[INSERTIONS],
            utterances=len(rows),
            covered=int((rows >= 0).sum()),
            counted=int(counted.sum()),
            wrong=int((errors[counted] > 0).sum()),
            empty_references=int((counted & (tokens == 0)).sum()),
            speakers=len(speakers),
            mean_of_utterances=float(means.mean()) if len(means) else None,
            mean_of_speakers=float(speakers.mean()) if len(speakers) else None,
            audio_seconds=self._seconds.audio,
            decode_seconds=self._seconds.decode,
            digest=f"{self._digest_at(number):064x}",
        )

    def _rates_of_speakers(
        self, errors: Ints, tokens: Ints, counted: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        found = self._references.factors.get("speaker")
        if found is None:
            return np.zeros(0)
        known = np.asarray([bool(name) for name in found.names])
        wrong = np.bincount(found.codes, np.where(counted, errors, 0), len(found.names))[known]
        spoken = np.bincount(found.codes, np.where(counted, tokens, 0), len(found.names))[known]
        rates: NDArray[np.float64] = wrong[spoken > 0] / spoken[spoken > 0]
        return rates

    def _digest_at(self, number: int) -> int:
        """Of ids and references with the corrections up to a revision."""
        latest = {position: each for each, position in self._corrections if each.number <= number}
        before = rows_digest(
            (each.utterance, self._references.texts[position]) for position, each in latest.items()
        )
        after = rows_digest((each.utterance, each.text) for each in latest.values())
        return (self._digest - before + after) % 2**256


def list_digest(references: References) -> int:
    """Of ids and references: equal where rates can be compared."""
    return rows_digest(zip(references.ids, references.texts, strict=True))


def _seconds(references: References, recognised: Recognised, rows: Codes) -> Seconds:
    given = rows >= 0
    decode = recognised.decode_seconds[rows[given]]
    said = recognised.durations[rows[given]]
    audio = np.where(np.isnan(references.durations[given]), said, references.durations[given])
    both = ~np.isnan(audio) & ~np.isnan(decode)
    return Seconds(float(audio[both].sum()), float(decode[both].sum()))


def pack_columns(columns: Columns) -> bytes:
    """Columns in few bytes: rows mostly follow each other, and counts are small."""
    counts, rows, counted = columns
    order = rows - np.arange(len(rows), dtype=np.int32)
    parts = [*(counts[:, each].astype("<i4") for each in range(4)), order.astype("<i4")]
    return zstandard.compress(b"".join(part.tobytes() for part in parts) + counted.tobytes(), 3)


def unpack_columns(data: bytes) -> Columns:
    raw = zstandard.decompress(data)
    size = len(raw) // (5 * 4 + 1)
    numbers = np.frombuffer(raw, "<i4", 5 * size).reshape(5, size)
    rows = numbers[4] + np.arange(size, dtype=np.int32)
    return Columns(numbers[:4].T.astype(np.int64), rows, np.frombuffer(raw, np.bool_, size, 20 * size))
