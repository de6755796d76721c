"""GET /evaluations/{id}/recording: what there is to listen to of an utterance, and when which word was recognised."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from speech_experiment_schemas.evaluations import Hypotheses
from speech_experiment_schemas.metrics import unpack

from ..artifacts import artifacts_where
from ..params import path_uuid, plain
from ..problems import bad_request
from ..routing import Param, Routes
from .evaluations import evaluation_at
from .flips import position_of
from .marks import OpenMark, marks_of
from .packed import Scored, audio_of, names_of, recognised_at, references_of, scored_utterances
from .reading import AS_OF, Reading, reading
from .scored import PROFILE, seen
from .sql import Binder

routes = Routes("recordings")
_OURS = re.compile(r"(?:https?://[^/]+)?/api/v1/artifacts/([0-9a-f-]{36})(?:/content)?\Z", re.I)
_STEM = r"regexp_replace(a.path, '\.[^./]*$', '')"


class RecordedWord(msgspec.Struct):
    """start, end: seconds from the beginning of the utterance; confidence: null where it is not known."""

    text: str
    start: float
    end: float
    confidence: float | None


class RecordedAlternative(msgspec.Struct):
    text: str
    score: float | None


class StoredFile(msgspec.Struct, kw_only=True):
    """An artifact. utterance: it is of this utterance alone; else start and duration tell the stretch of it."""

    id: UUID
    path: str
    content_type: str
    size_bytes: int
    utterance: bool


class Recording(msgspec.Struct, kw_only=True):
    """audio: URI in the test set, "" where it has none; start, duration: the stretch of it, in seconds.

    artifact    the audio where this server has it: what `audio` names, or what the run logged of the utterance
    attention   what shows the attention, where the run named it
    mark        that the reference is doubted, and why
    words       of the hypothesis, as it was logged, where times of its words (or characters) are known
    alternatives  the n best after the hypothesis
    """

    utterance: str
    reference: str
    audio: str
    start: float | None
    duration: float | None
    artifact: StoredFile | None
    attention: StoredFile | None
    mark: OpenMark | None
    words: list[RecordedWord]
    alternatives: list[RecordedAlternative]
    warnings: list[str]
    vector: str


@routes.get(
    "/api/v1/evaluations/{id}/recording",
    access="viewer",
    response=Recording,
    params=[Param("utterance", "its id", required=True), PROFILE, AS_OF],
)
async def recording(request: Request) -> Response:
    """An utterance's audio and the times of its words.

    The audio that a run logged of an utterance is an artifact of type audio that has `utterance` (and, where ids recur,
    `test_set`) in its metadata, or whose path ends in the utterance's id before the file's ending.
    """
    async with reading(request) as read:
        return read.not_modified() if read.unchanged else read.answer(await _recording(read))


async def _recording(read: Reading) -> dict[str, Any]:
    utterance = plain(read.request.query_params.get("utterance", ""))
    if not utterance:
        raise bad_request("name the utterance by its id", "utterance")
    sight = await seen(read)
    row = await evaluation_at(read, path_uuid(read.request), sight)
    scored = await scored_utterances(read, row, sight)
    position = position_of(await names_of(read, row), utterance)
    uri, start, duration = (await audio_of(read, row))(position)
    words, alternatives, attention, warnings = await _recognised(read, scored, position)
    return {
        "utterance": utterance,
        "reference": (await references_of(read, row, {position: utterance}))[position],
        "audio": uri,
        "start": start,
        "duration": duration,
        "artifact": await _audio(read, row, utterance, uri),
        "attention": await _attention(read, row, attention),
        "mark": (await marks_of(read, row)).get(utterance),
        "words": words,
        "alternatives": alternatives,
        "warnings": warnings,
    }


async def _recognised(
    read: Reading, scored: Scored, position: int
) -> tuple[list[RecordedWord], list[RecordedAlternative], str, list[str]]:
    found = await recognised_at(read, scored.row, scored.columns, position)
    if found is None:
        return [], [], "", []
    batch, place = found
    alternatives = [RecordedAlternative(each.text, each.score) for each in _at(batch.nbest, place, [])]
    words, warnings = words_of(batch, place)
    return words, alternatives, _at(batch.attention, place, ""), warnings


def words_of(batch: Hypotheses, place: int) -> tuple[list[RecordedWord], list[str]]:
    """Words (or else characters) of a hypothesis with their times, where there is one pair of times for each."""
    times = np.asarray(unpack("f", _at(batch.token_times, place, b"")), np.float64).round(4).reshape(-1, 2)
    text = batch.texts[place]
    characters = [each for each in text if not each.isspace()]
    tokens: Sequence[str] | None = next(
        (each for each in (text.split(), characters) if len(each) == len(times)), None
    )
    if not len(times) or not np.isfinite(times).all():
        return [], []
    if tokens is None:
        told = f"{len(times)} times were logged for {len(text.split())} words, {len(characters)} characters"
        return [], [f"{told}: nobody knows which belongs to which"]
    sure = unpack("f", _at(batch.confidences, place, b"")).tolist()
    known = sure if len(sure) == len(tokens) else [None] * len(tokens)
    return [
        RecordedWord(token, start, end, each if each is not None and each == each else None)
        for token, (start, end), each in zip(tokens, times.tolist(), known, strict=True)
    ], []


def _at(column: Sequence[Any], place: int, unknown: Any) -> Any:
    """A column that is empty is unknown for the whole batch."""
    return column[place] if column else unknown


async def _audio(read: Reading, row: Any, utterance: str, uri: str) -> StoredFile | None:
    if ours := _OURS.match(uri):
        named = await artifacts_where(read, lambda bind: f"a.id = {bind(UUID(ours[1]), 'uuid')}")
        return _stored(named, utterance=False)
    logged = await artifacts_where(read, lambda bind: _logged_of(bind, row, utterance))
    return _stored(logged, utterance=True)


def _logged_of(bind: Binder, row: Any, utterance: str) -> str:
    """The condition on artifacts (alias a) that they are the audio that the run logged of an utterance."""
    name, test_set = bind(utterance, "text"), bind(row["test_set_name"], "text")
    return (
        f"a.run_id = {bind(row['run_id'], 'uuid')} and a.type = 'audio' and case when a.metadata ? 'utterance' "
        f"then a.metadata ->> 'utterance' = {name} and coalesce(a.metadata ->> 'test_set', {test_set}) = {test_set} "
        f"else right('/' || {_STEM}, length({name}) + 1) = '/' || {name} end"
    )


async def _attention(read: Reading, row: Any, path: str) -> StoredFile | None:
    if not path:
        return None
    found = await artifacts_where(
        read,
        lambda bind: f"a.run_id = {bind(row['run_id'], 'uuid')} and a.path = {bind(path, 'text')}",
    )
    return _stored(found, utterance=True)


def _stored(rows: Sequence[Any], *, utterance: bool) -> StoredFile | None:
    """The newest of them whose bytes are here."""
    here = [row for row in rows if msgspec.json.decode(row["storage"]).get("kind") == "blob"]
    if not here:
        return None
    newest = max(here, key=lambda row: row["created_at"])
    names = ("id", "path", "content_type", "size_bytes")
    return StoredFile(**{name: newest[name] for name in names}, utterance=utterance)
