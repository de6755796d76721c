"""Evaluations: what a system recognised on a test set, and under which settings.

Clients say what happened; the system scores. An evaluation belongs to a run. Its hypotheses travel in
batches of columns; `evaluation.finished` closes them with their number and digest, and only what is whole is
scored. An utterance without a row is missing, which is not the same as an empty hypothesis.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from .catalogue import event
from .columns import check_seconds, check_utterances, rows_digest
from .envelope import Envelope
from .errors import InvalidEvent
from .limits import Count, Digest, Line, Name, Text, Tree, Word
from .test_sets import Conditions


@event("evaluation.started", stream="evaluations", subject="evaluation")
class EvaluationStarted(msgspec.Struct, frozen=True, kw_only=True):
    """The beginning of an evaluation.

    test_set    the name of a registered set, or of one that is known by the references given here alone
    revision    scores only against that revision of the registered set; None: against each
    decoding    settings: beam, LM weight, …
    checkpoint  path of the artifact, or any name
    timing      how times were taken: device, batch_size, threads, includes_io, …
    """

    test_set: Name
    name: Name | None = None
    revision: Annotated[int, msgspec.Meta(ge=1)] | None = None
    language: Word | None = None
    decoding: Tree = {}
    checkpoint: Line | None = None
    timing: Tree = {}
    tags: Tree = {}


class Alternative(msgspec.Struct, frozen=True, array_like=True):
    """One of the n best, without the first."""

    text: Text
    score: float | None = None


def check_columns(hypotheses: Hypotheses, envelope: Envelope) -> None:
    """Raises InvalidEvent for columns that do not fit each other."""
    names = (
        "texts",
        "references",
        "speakers",
        "languages",
        "nbest",
        "confidences",
        "token_times",
        "attention",
    )
    conditions = {f"conditions.{name}": values for name, values in hypotheses.conditions.items()}
    check_utterances(hypotheses.ids, {**{name: getattr(hypotheses, name) for name in names}, **conditions})
    if len(hypotheses.texts) != len(hypotheses.ids):
        raise InvalidEvent("malformed", "data.texts", "is missing")
    for field in ("durations", "decode_seconds", "first_partial", "final", "emission"):
        check_seconds(field, getattr(hypotheses, field), len(hypotheses.ids))
    for field, width in (("confidences", 4), ("token_times", 8)):
        for place, packed in enumerate(getattr(hypotheses, field)):
            if len(packed) % width:
                raise InvalidEvent(
                    "malformed", f"data.{field}[{place}]", f"is not a whole number of {width}-byte items"
                )


@event("evaluation.hypotheses", stream="evaluations", subject="evaluation", check=check_columns, counted=True)
class Hypotheses(msgspec.Struct, frozen=True, kw_only=True):
    """A batch of results; columns that are empty are unknown for all of it. Seconds are float64, NaN unknown.

    first           number of the batch's first row, from 0
    references      of their own, where there is no registered set; None for an utterance without one
    nbest           other alternatives, the best first
    confidences     float32 of each token
    token_times     float32 pairs (start, end) of each token, in seconds
    decode_seconds  of computing
    first_partial   from the start of speech to the first partial result
    final           from the end of speech to the final result
    emission        mean delay of a token behind its end in the audio
    attention       paths of artifacts that show attention, "" for none
    """

    first: Count
    ids: list[Name]
    texts: list[Text]
    references: list[Text | None] = []
    speakers: list[Line] = []
    languages: list[Line] = []
    conditions: Conditions = {}
    durations: bytes = b""
    decode_seconds: bytes = b""
    first_partial: bytes = b""
    final: bytes = b""
    emission: bytes = b""
    nbest: list[list[Alternative]] = []
    confidences: list[bytes] = []
    token_times: list[bytes] = []
    attention: list[Line] = []


@event("evaluation.finished", stream="evaluations", subject="evaluation")
class EvaluationFinished(msgspec.Struct, frozen=True, kw_only=True):
    """All hypotheses are said.

    digest  of all rows: digest_text(rows_digest(…)) of hypothesis_rows
    """

    count: Annotated[int, msgspec.Meta(ge=0)]
    digest: Digest


EvaluationEvent = EvaluationStarted | Hypotheses | EvaluationFinished


def hypotheses_digest(batch: Hypotheses) -> int:
    """The digest of a batch; those of all batches, added up, are the evaluation's."""
    references = batch.references or [None] * len(batch.ids)
    return rows_digest(zip(batch.ids, batch.texts, references, strict=True))


@event("profile.applied", stream="evaluations", subject="profile")
class ProfileApplied(msgspec.Struct, frozen=True, kw_only=True):
    """Scores the whole history of the workspace by a scoring profile too, and whatever is evaluated later.

    definition  of a profile that the server does not know by its name; empty for a built-in one
    """

    profile: Name
    definition: Tree = {}
