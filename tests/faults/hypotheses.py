"""The oracle's part for evaluations: logged hypotheses against the log, the tables of `scores` and a count of one's own."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
from rapidfuzz.distance import Levenshtein

from speech_experiment_infra.connections import postgres_pool
from speech_experiment_infra.settings import Settings
from speech_experiment_schemas import Envelope
from speech_experiment_schemas.evaluations import EvaluationFinished, Hypotheses

if TYPE_CHECKING:
    from .oracle import Verdict

REFERENCE = "the north wind and the sun were disputing which was the stronger"
SCORED_WITHIN = 60.0
_decoder = msgspec.msgpack.Decoder(Hypotheses)
Row = tuple[UUID, str, str]
"""(evaluation, utterance, text)"""


def call_of(utterance: str) -> str:
    """What a trainer's witness calls the logging of a hypothesis."""
    return f"hypothesis {utterance}"


def digest_of(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]


@dataclass
class Spoken:
    """What the log says: each call by (producer, seq), and the evaluations that were finished."""

    rows: dict[tuple[UUID, int], tuple[UUID, Row]] = field(default_factory=dict)
    finished: dict[UUID, int] = field(default_factory=dict)

    def calls_of(self, envelope: Envelope, payload: object) -> Iterable[tuple[tuple[UUID, int], object]]:
        """(identity, content) of each call in a record: one hypothesis each."""
        if isinstance(payload, Hypotheses):
            for place, (utterance, text) in enumerate(zip(payload.ids, payload.texts, strict=True)):
                row = (envelope.subject[1], utterance, text)
                yield (envelope.producer, envelope.seq + place), (envelope.run_id, row)
        elif isinstance(payload, EvaluationFinished):
            self.finished[envelope.subject[1]] = payload.count


async def compare(settings: Settings, runs: set[UUID], spoken: Spoken, verdict: Verdict) -> None:
    """The tables against the log; the scores of what was finished against a count of one's own."""
    if not spoken.rows:
        return
    async with postgres_pool(settings) as pool:
        version = await pool.fetchval("select version from projection.live where name = 'scores'")
        schema = f"scores_v{version}"
        await _scored(pool, schema)
        batches = await pool.fetch(
            f"select b.evaluation, b.data from {schema}.hypothesis_batches b "
            f"join {schema}.evaluations e on e.id = b.evaluation where e.run_id = any($1)",
            list(runs),
        )
        scores = await pool.fetch(
            "select evaluation, profile_name, substitutions + deletions + insertions as errors, utterances "
            f"from {schema}.scores where run_id = any($1)",
            list(runs),
        )
    stored: Counter[Row] = Counter()
    for batch in batches:
        decoded = _decoder.decode(batch["data"])
        stored.update((batch["evaluation"], *row) for row in zip(decoded.ids, decoded.texts, strict=True))
    logged = {row for _, row in spoken.rows.values()}
    for row, times in stored.items():
        if row not in logged:
            verdict.blame("phantom", f"hypothesis {row[1]} in Postgres")
        if times > 1:
            verdict.blame("duplicate", f"hypothesis {row[1]} stands {times} times in Postgres")
    for row in logged - stored.keys():
        verdict.blame("lost", f"hypothesis {row[1]} is in the log, not in Postgres")
    _compare_scores(logged, spoken.finished, scores, verdict)


def _compare_scores(
    logged: set[Row], finished: dict[UUID, int], scores: Iterable[Any], verdict: Verdict
) -> None:
    expected: dict[UUID, list[str]] = defaultdict(list)
    for evaluation, _, text in logged:
        expected[evaluation].append(text)
    found = {row["evaluation"]: row for row in scores if row["profile_name"] == "basic-wer"}
    for evaluation, texts in expected.items():
        if finished.get(evaluation) != len(texts):
            if evaluation in found:
                verdict.blame("phantom", f"a score of the evaluation {evaluation}, which is not whole")
            continue
        errors = sum(Levenshtein.distance(REFERENCE.split(), text.split()) for text in texts)
        if evaluation not in found:
            verdict.blame("lost", f"the score of the evaluation {evaluation}")
        elif (found[evaluation]["errors"], found[evaluation]["utterances"]) != (errors, len(texts)):
            verdict.blame(
                "changed", f"the score of {evaluation}: {dict(found[evaluation])}, not {errors} errors"
            )


async def _scored(pool: Any, schema: str) -> None:
    """Waits until no score is owed."""
    deadline = time.monotonic() + SCORED_WITHIN
    while time.monotonic() < deadline:
        if not await pool.fetchval(f"select count(*) from {schema}.tasks"):
            return
        await asyncio.sleep(0.2)
    raise TimeoutError(f"scores were owed for more than {SCORED_WITHIN:.0f} s")
