"""The fold of one evaluation over the topic `evaluations`: whole when all its hypotheses are there."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

import msgspec

from speech_experiment_schemas.columns import digest_text
from speech_experiment_schemas.evaluations import (
    EvaluationFinished,
    EvaluationStarted,
    Hypotheses,
    hypotheses_digest,
)
from speech_experiment_schemas.ids import birth_name

from .recorded import Recorded
from .refusal import Refused
from .test_sets import EMPTY_DIGEST, add_digests, to_number
from .texts import clean_text

State = Literal["open", "incomplete", "complete"]


class Evaluation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The state of an evaluation. Times are microseconds since 1970, by the broker.

    offset         of its first event; finished: of the one that said its end; completed: that made it whole
    test_set       name of the set; None while the first event is still to come
    rows, digest   of the hypotheses that are there
    own            whether any of them brought its reference along
    count, closed  what it must have, once it is finished
    """

    id: UUID
    run: UUID
    workspace: str
    partition: int
    offset: int
    started_at: int
    test_set: str | None = None
    name: str | None = None
    revision: int | None = None
    language: str | None = None
    decoding: dict[str, Any] = {}
    checkpoint: str | None = None
    timing: dict[str, Any] = {}
    tags: dict[str, Any] = {}
    rows: int = 0
    digest: bytes = EMPTY_DIGEST
    own: bool = False
    count: int | None = None
    closed: str = ""
    finished_at: int | None = None
    finished: int | None = None
    completed: int | None = None

    @property
    def state(self) -> State:
        """open: still being written; incomplete: finished, but not all of it is there (see the run's delivery)."""
        if self.completed is not None:
            return "complete"
        return "open" if self.count is None else "incomplete"


def evolve(evaluation: Evaluation | None, recorded: Recorded) -> Evaluation:
    """The evaluation after an event about it.

    Raises Refused for an event of another run, and for hypotheses after it was whole.
    """
    evaluation = evaluation or _first(recorded)
    if evaluation.run != recorded.envelope.run_id:
        raise Refused("collision", f"the evaluation {evaluation.id} is the run {evaluation.run}'s")
    match recorded.payload:
        case EvaluationStarted() as started:
            found = _begin(evaluation, started)
        case Hypotheses() as batch:
            if evaluation.completed is not None:
                raise Refused(
                    "collision", f"the evaluation {evaluation.id} was finished without these hypotheses"
                )
            found = msgspec.structs.replace(
                evaluation,
                rows=evaluation.rows + len(batch.ids),
                digest=add_digests(evaluation.digest, hypotheses_digest(batch)),
                own=evaluation.own or bool(batch.references),
            )
        case EvaluationFinished(count=count, digest=digest) if evaluation.count is None:
            found = msgspec.structs.replace(
                evaluation, count=count, closed=digest, finished_at=recorded.time, finished=recorded.offset
            )
        case _:
            return evaluation
    return _completed(found, recorded.offset)


def _first(recorded: Recorded) -> Evaluation:
    run = recorded.envelope.run_id
    if run is None:
        raise Refused("malformed", "run: an evaluation belongs to a run")
    return Evaluation(
        id=recorded.subject,
        run=run,
        workspace=recorded.workspace,
        partition=recorded.partition,
        offset=recorded.offset,
        started_at=recorded.time,
    )


def _begin(evaluation: Evaluation, started: EvaluationStarted) -> Evaluation:
    if evaluation.test_set is not None:
        return evaluation
    return msgspec.structs.replace(
        evaluation,
        test_set=birth_name(started.test_set),
        name=started.name,
        revision=started.revision,
        language=started.language,
        decoding=started.decoding,
        checkpoint=started.checkpoint,
        timing=started.timing,
        tags=started.tags,
    )


def _completed(evaluation: Evaluation, offset: int) -> Evaluation:
    whole = (
        evaluation.completed is None
        and evaluation.test_set is not None
        and evaluation.count == evaluation.rows
        and evaluation.closed == digest_text(to_number(evaluation.digest))
    )
    return msgspec.structs.replace(evaluation, completed=offset) if whole else evaluation


_encoder = msgspec.msgpack.Encoder(uuid_format="bytes")
_decoder = msgspec.msgpack.Decoder(Evaluation)


def dump(evaluation: Evaluation) -> bytes:
    """The state as it is stored, msgpack."""
    return _encoder.encode(evaluation)


def load(state: bytes) -> Evaluation:
    return _decoder.decode(state)


def decoding_text(decoding: dict[str, Any]) -> str:
    """Decoding settings in one line, by name: `beam=10,lm=0.5`; those of names that are recognised look alike."""
    return ",".join(f"{key}={_plain(value)}" for key, value in sorted(_flat(decoding, "")))


def _flat(tree: dict[str, Any], prefix: str) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in tree.items():
        found += _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [(f"{prefix}{key}", value)]
    return found


def _plain(value: Any) -> str:
    return f"{value:.10g}" if isinstance(value, float) else clean_text(str(value))
