"""GET /flips and /alignment: which utterances two systems differ on, and how, word by word."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response

from speech_experiment_projections.applied import defined

from ..params import flag, identity, integer, plain
from ..problems import Problem, bad_request, not_found
from ..routing import Param, Routes
from .evaluations import evaluation_at, evaluation_ids
from .packed import Scored, hypotheses_of, languages_of, names_of, references_of, scored_utterances
from .reading import AS_OF, Reading, reading
from .scored import PROFILE, Seen, rate, seen
from .together import places_in

routes = Routes("flips")
MAX_ROWS, DEFAULT_ROWS = 1_000, 50
MAX_HYPOTHESES = 8


class FlipSide(msgspec.Struct):
    """hypothesis: null where it is missing."""

    hypothesis: str | None
    errors: int


class Flip(msgspec.Struct):
    """change: errors of b less those of a; a negative one is better."""

    utterance: str
    speaker: str
    reference: str
    tokens: int
    change: int
    a: FlipSide
    b: FlipSide


class Flips(msgspec.Struct, kw_only=True):
    """Over the utterances that both are scored on.

    common       only those that both have recognised, on the same reference; else a missing hypothesis is what the
                 profile makes of it
    listed       utterances that the list of a has
    covered_a, covered_b  how many of those compared have a hypothesis; differs: coverage, where these are not all
    better, worse, alike  utterances on which b has fewer, more, or as many errors
    fixed, broken         those that only b, or only a, has all right
    rate_a, rate_b        error rates over these utterances
    relative              (rate_b - rate_a) / rate_a: negative for a reduction
    """

    profile: str
    unit: str | None
    a: UUID
    b: UUID
    common: bool
    listed: int
    covered_a: int
    covered_b: int
    differs: list[str]
    utterances: int
    better: int
    worse: int
    alike: int
    fixed: int
    broken: int
    rate_a: float | None
    rate_b: float | None
    relative: float | None
    flips: list[Flip]
    vector: str


class AlignmentStep(msgspec.Struct):
    operation: str
    reference: str | None
    hypothesis: str | None


class AlignedHypothesis(msgspec.Struct):
    """steps: null where the hypothesis is missing."""

    evaluation: UUID
    run_id: UUID
    run: str
    hypothesis: str | None
    steps: list[AlignmentStep] | None
    errors: int


class Alignment(msgspec.Struct, kw_only=True):
    """Hypotheses beside one reference, in the tokens of the profile."""

    profile: str
    unit: str | None
    utterance: str
    speaker: str
    reference: str
    tokens: int
    hypotheses: list[AlignedHypothesis]
    vector: str


@routes.get(
    "/api/v1/flips",
    access="viewer",
    response=Flips,
    params=[
        Param("a", "an evaluation", required=True),
        Param("b", "the evaluation that is compared with it", required=True),
        Param(
            "common",
            "only the utterances that both have recognised, on the same reference (default false)",
            bool,
        ),
        Param("order", "change (the largest first, default), better, worse"),
        Param("limit", f"utterances shown, up to {MAX_ROWS} (default {DEFAULT_ROWS})", int),
        PROFILE,
        AS_OF,
    ],
)
async def flips(request: Request) -> Response:
    """Utterances on which two systems have another number of errors."""
    async with reading(request) as read:
        return read.not_modified() if read.unchanged else read.answer(await _flips(read))


async def _flips(read: Reading) -> dict[str, Any]:
    parameters = read.request.query_params
    limit = integer(read.request, "limit", DEFAULT_ROWS, 1, MAX_ROWS)
    sight = await seen(read)
    a, b = [await _scored(read, identity(parameters.get(side, ""), side), sight) for side in ("a", "b")]
    common = flag(read.request, "common")
    mine, yours = await places_in(read, (a, b), common=common)
    covered = int((a.columns.rows[mine] >= 0).sum()), int((b.columns.rows[yours] >= 0).sum())
    compared = len(mine)
    both = a.columns.counted[mine] & b.columns.counted[yours]
    mine, yours = mine[both], yours[both]
    errors = a.errors[mine], b.errors[yours]
    change = errors[1] - errors[0]
    chosen = _ordered(change, parameters.get("order", "change"))[:limit]
    rates = (
        rate(int(errors[0].sum()), int(a.tokens[mine].sum())),
        rate(int(errors[1].sum()), int(b.tokens[yours].sum())),
    )
    return {
        "profile": sight.profile,
        "unit": sight.unit,
        "a": a.row["id"],
        "b": b.row["id"],
        "common": common,
        "listed": len(a.columns.rows),
        "covered_a": covered[0],
        "covered_b": covered[1],
        "differs": ["coverage"] if covered[0] != covered[1] or covered[0] < compared else [],
        "utterances": len(mine),
        "better": int((change < 0).sum()),
        "worse": int((change > 0).sum()),
        "alike": int((change == 0).sum()),
        "fixed": int(((errors[0] > 0) & (errors[1] == 0)).sum()),
        "broken": int(((errors[0] == 0) & (errors[1] > 0)).sum()),
        "rate_a": rates[0],
        "rate_b": rates[1],
        "relative": (rates[1] - rates[0]) / rates[0] if rates[0] and rates[1] is not None else None,
        "flips": await _shown(read, (a, b), mine[chosen], yours[chosen]),
    }


async def _scored(read: Reading, wanted: UUID, sight: Seen) -> Scored:
    return await scored_utterances(read, await evaluation_at(read, wanted, sight), sight)


def _ordered(change: NDArray[np.int64], order: str) -> NDArray[np.int64]:
    keys = {"change": -np.abs(change), "better": change, "worse": -change}
    if order not in keys:
        raise bad_request(f"{order[:100]!r} is no order; there are {', '.join(keys)}", "order")
    ordered = np.argsort(keys[order], kind="stable")
    kept = {"change": change != 0, "better": change < 0, "worse": change > 0}[order]
    chosen: NDArray[np.int64] = ordered[kept[ordered]]
    return chosen


async def _shown(
    read: Reading, sides: tuple[Scored, Scored], mine: NDArray[np.int64], yours: NDArray[np.int64]
) -> list[dict[str, Any]]:
    a, b = sides
    names = await names_of(read, a.row)
    chosen = {int(position): names[position] for position in mine.tolist()}
    references = await references_of(read, a.row, chosen)
    left = await hypotheses_of(read, a.row, a.columns, mine.tolist())
    right = await hypotheses_of(read, b.row, b.columns, yours.tolist())
    errors, others, tokens = a.errors, b.errors, a.tokens
    return [
        {
            "utterance": chosen[one],
            "speaker": _speaker(a, one),
            "reference": references[one],
            "tokens": int(tokens[one]),
            "change": int(others[other] - errors[one]),
            "a": {"hypothesis": left[one], "errors": int(errors[one])},
            "b": {"hypothesis": right[other], "errors": int(others[other])},
        }
        for one, other in zip(mine.tolist(), yours.tolist(), strict=True)
    ]


def _speaker(scored: Scored, position: int) -> str:
    found = scored.factors.get("speaker")
    return "" if found is None else found.names[int(found.codes[position])]


@routes.get(
    "/api/v1/alignment",
    access="viewer",
    response=Alignment,
    params=[
        Param("evaluation", f"may be given several times, up to {MAX_HYPOTHESES}", required=True, many=True),
        Param("utterance", "its id", required=True),
        PROFILE,
        AS_OF,
    ],
)
async def alignment(request: Request) -> Response:
    """Several hypotheses aligned to one reference, token by token."""
    async with reading(request) as read:
        return read.not_modified() if read.unchanged else read.answer(await _alignment(read))


async def _alignment(read: Reading) -> dict[str, Any]:
    parameters = read.request.query_params
    ids = evaluation_ids(dict.fromkeys(parameters.getlist("evaluation")), MAX_HYPOTHESES)
    utterance = plain(parameters.get("utterance", ""))
    sight = await seen(read)
    profile = defined(sight.profile, sight.definition.encode())
    answer: dict[str, Any] = {"profile": sight.profile, "unit": sight.unit, "utterance": utterance}
    hypotheses = []
    for each in ids:
        scored = await _scored(read, each, sight)
        position = position_of(await names_of(read, scored.row), utterance)
        reference = (await references_of(read, scored.row, {position: utterance}))[position]
        if answer.setdefault("reference", reference) != reference:
            raise Problem(
                409,
                "not_comparable",
                "the evaluations have other references for this utterance",
                field="evaluation",
            )
        language = languages_of(scored, [position])[0] or None
        tokens = profile.prepare(reference, language)
        answer |= {"speaker": _speaker(scored, position), "tokens": int(scored.tokens[position])}
        text = (await hypotheses_of(read, scored.row, scored.columns, [position]))[position]
        steps = None if text is None else profile.align(tokens, profile.prepare(text, language))
        hypotheses.append(
            {
                "evaluation": each,
                "run_id": scored.row["run_id"],
                "run": scored.row["run"],
                "hypothesis": text,
                "steps": None if steps is None else [step._asdict() for step in steps],
                "errors": int(scored.errors[position]),
            }
        )
    return {**answer, "hypotheses": hypotheses}


def position_of(names: list[str], utterance: str) -> int:
    """In an evaluation's list, by its ids; Problem 404 for what is not there."""
    try:
        return names.index(utterance)
    except ValueError:
        raise not_found(f"the utterance {utterance[:100]!r} of the evaluation's test set") from None
