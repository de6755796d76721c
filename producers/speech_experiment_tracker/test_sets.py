"""Registering test sets, and correcting their references."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any
from uuid import UUID

from speech_experiment_schemas.columns import digest_text
from speech_experiment_schemas.ids import birth_name, test_set_id, uuid7
from speech_experiment_schemas.test_sets import (
    ReferenceCorrected,
    ReferenceMarked,
    TestSetRegistered,
    TestSetRevised,
    TestSetUtterances,
    list_digest,
)

from .errors import TrackerError
from .rows import BATCH_ROWS, MAX_LINE, Columns, conditions, name_of, seconds, text

if TYPE_CHECKING:
    from .client import Client

_ALIASES = {
    "id": ("id", "utterance_id", "utterance", "utt"),
    "reference": ("reference", "text", "ref"),
    "audio": ("audio", "audio_uri", "audio_filepath", "uri"),
    "start": ("start", "offset"),
}
"""What fields are called by those who write tables and manifests."""
_KNOWN = {name for names in _ALIASES.values() for name in names} | {
    "speaker",
    "duration",
    "language",
    "conditions",
}
_TEXTS = ("references", "speakers", "languages", "audio")
_TIMES = ("starts", "durations")


class TestSet:
    """A test set that was registered.

    id          made of workspace and name
    utterances  how many its list has
    digest      of the list: the same list has the same one
    """

    __test__ = False

    def __init__(self, identity: UUID, name: str, utterances: int, digest: str) -> None:
        self.id = identity
        self.name = name
        self.utterances = utterances
        self.digest = digest

    def __repr__(self) -> str:
        return f"<TestSet {self.name!r}, {self.utterances:,} utterances>"


def register(
    client: Client,
    name: str,
    utterances: Any,
    *,
    language: str | None,
    domain: str | None,
    corpus: str | None,
    description: str | None,
) -> TestSet:
    """See Client.register_test_set. Everything is checked before anything is written."""
    test_set = birth_name(text(name, "the test set's name", 500))
    if not test_set:
        raise TrackerError("the test set's name is empty", "give it one")
    upload = uuid7()
    batches = list(_batches(test_set, upload, _rows(utterances)))
    count = sum(len(batch.ids) for batch in batches)
    if not count:
        raise TrackerError(f"the test set {test_set!r} has no utterances", "give at least one")
    digest = digest_text(sum(map(list_digest, batches)))
    registered = TestSetRegistered(
        test_set=test_set, language=language, domain=domain, corpus=corpus, description=description
    )
    for payload in (
        registered,
        *batches,
        TestSetRevised(test_set=test_set, upload=upload, count=count, digest=digest),
    ):
        _emit(client, test_set, payload)
    return TestSet(test_set_id(client.config.workspace, test_set), test_set, count, digest)


def correct(client: Client, test_set: TestSet | str, references: Mapping[str, str], reason: str) -> None:
    """See Client.correct_reference."""
    name = _name(test_set)
    if not references:
        raise TrackerError(f"no reference of {name!r} is corrected", "give utterance and reference")
    pairs = [
        (name_of(utterance, "utterance to correct"), text(reference, f"reference of utterance {utterance!r}"))
        for utterance, reference in references.items()
    ]
    for start in range(0, len(pairs), BATCH_ROWS):
        ids, texts = zip(*pairs[start : start + BATCH_ROWS], strict=True)
        payload = ReferenceCorrected(test_set=name, ids=list(ids), references=list(texts), reason=reason)
        _emit(client, name, payload)


def mark(client: Client, test_set: TestSet | str, utterance: str, note: str, *, doubtful: bool) -> None:
    """See Client.mark_reference."""
    name = _name(test_set)
    ids = [name_of(utterance, "utterance to mark")]
    _emit(
        client, name, ReferenceMarked(test_set=name, ids=ids, doubtful=doubtful, note=text(note, "note", 500))
    )


def _name(test_set: TestSet | str) -> str:
    return birth_name(
        test_set.name if isinstance(test_set, TestSet) else text(test_set, "the test set's name", 500)
    )


def _emit(client: Client, test_set: str, payload: Any) -> None:
    from .starting import emit

    subject = ("test_set", test_set_id(client.config.workspace, test_set))
    emit(client, payload, subject, stream="evaluations")


def _rows(utterances: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(place, row) of whatever holds utterances: a file, dicts, {id: reference}, pairs, or a data frame."""
    if isinstance(utterances, str | PathLike):
        from .formats import read

        for each in read(utterances):
            yield each.place, each.row()
        return
    if isinstance(utterances, Mapping):
        for name, reference in utterances.items():
            row = reference if isinstance(reference, Mapping) else {"reference": reference}
            yield f"utterance {name!r}", {"id": name, **row}
        return
    for number, row in enumerate(_frame(utterances)):
        if isinstance(row, Mapping):
            yield f"utterance {number}", row
        elif isinstance(row, Sequence) and not isinstance(row, str) and len(row) == 2:
            yield f"utterance {number}", {"id": row[0], "reference": row[1]}
        else:
            raise TrackerError(
                f"utterance {number} is {type(row).__name__} {row!r:.60}",
                "give dicts with id and reference, or pairs",
            )


def _frame(utterances: Any) -> Iterable[Any]:
    """The rows of a pandas or polars frame; anything else as it is."""
    if hasattr(utterances, "iter_rows"):
        rows: Iterable[Any] = utterances.iter_rows(named=True)
        return rows
    if hasattr(utterances, "to_dict") and hasattr(utterances, "columns"):
        found = utterances.to_dict("records")
        return [{key: value for key, value in row.items() if value == value} for row in found]
    if not isinstance(utterances, Iterable):
        raise TrackerError(
            f"utterances are {type(utterances).__name__}", "give a list of dicts, or {id: reference}"
        )
    return utterances


def _batches(
    test_set: str, upload: UUID, rows: Iterator[tuple[str, Mapping[str, Any]]]
) -> Iterator[TestSetUtterances]:
    first = 0
    columns = Columns(_TEXTS, _TIMES)
    seen: dict[str, str] = {}
    for place, row in rows:
        name = name_of(_field(row, "id", place), f"id of {place}")
        if name in seen:
            raise TrackerError(
                f"{place} has the id {name!r}, which {seen[name]} has too", "every utterance is named once"
            )
        seen[name] = place
        _add(columns, name, row, place)
        if columns.full:
            yield TestSetUtterances(test_set=test_set, upload=upload, first=first, **columns.made())
            first += len(columns)
            columns = Columns(_TEXTS, _TIMES)
    if len(columns):
        yield TestSetUtterances(test_set=test_set, upload=upload, first=first, **columns.made())


def _add(columns: Columns, name: str, row: Mapping[str, Any], place: str) -> None:
    what = f"utterance {name!r}" if repr(name) in place else f"{place} ({name!r})"
    unknown = [key for key in row if key not in _KNOWN]
    if unknown:
        raise TrackerError(
            f"{what} has the field {unknown[0]!r}", f"free fields go into conditions={{{unknown[0]!r}: …}}"
        )
    references = text(_field(row, "reference", what), f"reference of {what}")
    texts = {"references": references}
    for field, value in (("speakers", row.get("speaker")), ("languages", row.get("language"))):
        if value is not None:
            texts[field] = text(str(value), f"{field[:-1]} of {what}", MAX_LINE)
    audio = _field(row, "audio", what, None)
    if audio is not None:
        texts["audio"] = text(str(audio), f"audio of {what}", MAX_LINE)
    times = {
        "starts": seconds(_field(row, "start", what, None), f"start of {what}"),
        "durations": seconds(row.get("duration"), f"duration of {what}"),
    }
    columns.add(name, texts, times, conditions(row.get("conditions"), what))


_REQUIRED = object()


def _field(row: Mapping[str, Any], name: str, place: str, default: Any = _REQUIRED) -> Any:
    for alias in _ALIASES[name]:
        if alias in row:
            return row[alias]
    if default is _REQUIRED:
        raise TrackerError(f"{place} has no {name}", f"call it {' or '.join(_ALIASES[name])}")
    return default
