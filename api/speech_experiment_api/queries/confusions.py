"""GET /evaluations/{id}/confusions: what a system takes for what, leaves out and puts in, and how errors go with length."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response

from speech_experiment_projections.applied import defined
from speech_experiment_projections.scores import DELETIONS, HITS, INSERTIONS, SUBSTITUTIONS
from speech_experiment_projections.scoring.confusions import Confusion, confusions

from ..params import integer, path_uuid
from ..routing import Param, Routes
from .breakdowns import BreakdownGroup, Groups
from .calculators import answered, calculated
from .evaluations import evaluation_at
from .packed import Scored, names_of, scored_utterances
from .reading import AS_OF, Reading
from .scored import PROFILE, Seen, rate, seen
from .segments import MAX_CELLS, Aligner, aligner_of

routes = Routes("confusions")
MAX_ROWS, DEFAULT_ROWS = 1_000, 50
MAX_ALIGNED = 20_000
"""Utterances of one answer; of more, as many are taken, spread over the list."""


class FrequentConfusion(msgspec.Struct):
    """reference: null of an insertion; hypothesis: null of a deletion; example: id of the first utterance with it."""

    reference: str | None
    hypothesis: str | None
    count: int
    utterances: int
    example: str


class Distinct(msgspec.Struct):
    substitutions: int
    deletions: int
    insertions: int


class Confusions(msgspec.Struct, kw_only=True):
    """Tokens in the form of the profile, the most frequent first; counts are over the utterances that were aligned.

    wrong     utterances with a hypothesis and an error; aligned: how many of them were looked at
    missing   utterances without a hypothesis; their tokens are among the deletions of the score, and not listed here
    distinct  how many confusions of each kind there are
    by_length rates by tokens of reference
    """

    profile: str
    unit: str | None
    evaluation: UUID
    run_id: UUID
    run: str
    test_set: str | None
    decoding: str
    rate: float | None
    errors: int
    tokens: int
    wrong: int
    aligned: int
    missing: int
    missing_tokens: int
    distinct: Distinct
    substitutions: list[FrequentConfusion]
    deletions: list[FrequentConfusion]
    insertions: list[FrequentConfusion]
    by_length: list[BreakdownGroup]
    warnings: list[str]
    vector: str


@routes.get(
    "/api/v1/evaluations/{id}/confusions",
    access="viewer",
    response=Confusions,
    params=[
        Param("limit", f"confusions of each kind, up to {MAX_ROWS} (default {DEFAULT_ROWS})", int),
        PROFILE,
        AS_OF,
    ],
)
async def evaluation_confusions(request: Request) -> Response:
    """The most frequent substitutions, deletions and insertions of an evaluation, and its rates by length."""
    return await answered(request, _question)


class Errors(NamedTuple):
    """Utterances of which the errors are looked at; names: of all, by position.

    wrong   how many have a hypothesis and errors; chosen: positions of those that are aligned
    """

    part: Scored
    aligner: Aligner
    wrong: int
    chosen: list[int]
    names: Sequence[str]

    @property
    def warnings(self) -> list[str]:
        aligned = len(self.chosen)
        if aligned == self.wrong:
            return []
        return [f"{aligned:,} of {self.wrong:,} utterances with errors were aligned, spread over the list"]


async def errors_of(read: Reading, sight: Seen, part: Scored, among: Sequence[int] | None = None) -> Errors:
    """What aligns the utterances with errors, all of them or those among these kinds (columns of the counts)."""
    errors = part.errors if among is None else part.columns.counts[:, list(among)].sum(axis=1)
    wrong = np.flatnonzero((errors > 0) & part.columns.counted & (part.columns.rows >= 0))
    chosen = _within_limits(part, wrong)
    names = await names_of(read, part.row)
    profile = defined(sight.profile, sight.definition.encode())
    aligner = await aligner_of(read, profile, [part], [np.arange(len(errors))], chosen, names)
    return Errors(part, aligner, len(wrong), chosen, names)


async def confused(
    read: Reading, sight: Seen, part: Scored, said: str | None, heard: str | None
) -> tuple[NDArray[np.bool_], list[str]]:
    """(whether each utterance has the token `said` recognised as `heard`, warnings); None: deleted or inserted."""
    kind = INSERTIONS if said is None else DELETIONS if heard is None else SUBSTITUTIONS
    errors = await errors_of(read, sight, part, [kind])

    def has(at: int) -> bool:
        return any(
            operation != "hit" and (reference, hypothesis) == (said, heard)
            for operation, reference, hypothesis in errors.aligner.steps(at, 0)
        )

    found = np.zeros(len(part.columns.rows), np.bool_)
    found[await calculated(lambda: [at for at in errors.chosen if has(at)])] = True
    return found, errors.warnings


async def _question(read: Reading) -> partial[dict[str, Any]]:
    """All that is to be read; what is left computes."""
    limit = integer(read.request, "limit", DEFAULT_ROWS, 1, MAX_ROWS)
    sight = await seen(read)
    row = await evaluation_at(read, path_uuid(read.request), sight)
    errors = await errors_of(read, sight, await scored_utterances(read, row, sight))
    return partial(_answered, {"profile": sight.profile, "unit": sight.unit}, errors, limit)


def _within_limits(part: Scored, wrong: Any) -> list[int]:
    """As many as may be aligned, spread evenly over the list."""
    counts = part.columns.counts[wrong].astype(np.int64)
    cells = part.tokens[wrong] * counts[:, [HITS, SUBSTITUTIONS, INSERTIONS]].sum(axis=1)
    most = min(MAX_ALIGNED, len(wrong))
    if total := int(cells.sum()):
        most = min(most, int(len(wrong) * MAX_CELLS / total))
    spread = np.linspace(0, len(wrong), most, endpoint=False).astype(np.int64)
    chosen: list[int] = wrong[spread].tolist()
    return chosen


def _answered(head: dict[str, Any], looked_at: Errors, limit: int) -> dict[str, Any]:
    part, names = looked_at.part, looked_at.names
    found = confusions((at, looked_at.aligner.steps(at, 0)) for at in looked_at.chosen)
    counted = part.columns.counted
    missing = counted & (part.columns.rows < 0)
    errors, tokens = int(part.errors[counted].sum()), int(part.tokens[counted].sum())
    groups = Groups([part], ["length"], {})
    row = part.row
    return {
        **head,
        "wrong": looked_at.wrong,
        "aligned": len(looked_at.chosen),
        "evaluation": row["id"],
        "run_id": row["run_id"],
        "run": row["run"],
        "test_set": row["test_set_name"],
        "decoding": row["decoding_text"],
        "rate": rate(errors, tokens),
        "errors": errors,
        "tokens": tokens,
        "missing": int(missing.sum()),
        "missing_tokens": int(part.columns.counts[missing][:, DELETIONS].sum()),
        "distinct": {f"{kind}s": len(each) for kind, each in found.items()},
        **{f"{kind}s": [_shown(one, names) for one in each[:limit]] for kind, each in found.items()},
        "by_length": [groups.shown(number, interval=False) for number in groups.order("name", 0)],
        "warnings": looked_at.warnings,
    }


def _shown(confusion: Confusion, names: Sequence[str]) -> dict[str, Any]:
    return {
        "reference": confusion.reference,
        "hypothesis": confusion.hypothesis,
        "count": confusion.times,
        "utterances": confusion.utterances,
        "example": names[confusion.example],
    }
