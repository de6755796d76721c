"""GET /evaluations/{id}/utterances: each utterance with what was recognised, the most errors first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response

from speech_experiment_projections.scores import DELETIONS, HITS, INSERTIONS, SUBSTITUTIONS

from ..params import flag, integer, path_uuid, plain
from ..problems import bad_request
from ..routing import Param, Routes
from .breakdowns import codes_of
from .confusions import confused
from .decoded import Decoded, decoded_of
from .evaluations import evaluation_at
from .haystacks import haystack_of
from .marks import OpenMark, marks_of
from .packed import Ints, Scored, audio_of, hypotheses_of, names_of, references_of, scored_utterances
from .reading import AS_OF, Reading, reading
from .scored import PROFILE, seen

routes = Routes("utterances")
MAX_ROWS, DEFAULT_ROWS, MAX_CONDITIONS = 1_000, 100, 5


class ScoredUtterance(msgspec.Struct, kw_only=True):
    """hypothesis: null where it is missing; counted: whether the sums are over it.

    audio            URI, "" where unknown; start, duration: the stretch of it, in seconds
    mark             that the reference is doubted, and why
    decoded          what was logged besides the text; only where it was asked for, and null without a hypothesis
    """

    utterance: str
    speaker: str
    reference: str
    hypothesis: str | None
    errors: int
    tokens: int
    hits: int
    substitutions: int
    deletions: int
    insertions: int
    counted: bool
    audio: str
    start: float | None
    duration: float | None
    mark: OpenMark | None
    decoded: Decoded | None = None


class ScoredUtterances(msgspec.Struct, kw_only=True):
    """factors: what these utterances can be grouped by; total: of those asked for, however many are shown.

    marked    of all, those whose reference is doubted
    warnings  of a confusion: that not all utterances were aligned
    """

    profile: str
    unit: str | None
    factors: list[str]
    marked: int
    total: int
    utterances: list[ScoredUtterance]
    warnings: list[str]
    vector: str


@routes.get(
    "/api/v1/evaluations/{id}/utterances",
    access="viewer",
    response=ScoredUtterances,
    params=[
        Param("search", "only those with this in their id, reference or hypothesis; case does not matter"),
        Param("where", f"only those of a group: FACTOR=VALUE, up to {MAX_CONDITIONS}", many=True),
        Param(
            "said", "only those with this token of a reference wrong: recognised as `heard`, else left out"
        ),
        Param("heard", "only those with this token wrong in a hypothesis: in place of `said`, else put in"),
        Param("marked", "only those whose reference somebody doubts (default false)", bool),
        Param("order", "errors (most first, default), rate (the highest first), list (as the set has them)"),
        Param(
            "decoded",
            "with alternatives, confidences and times of tokens, latencies and attention plots (default false)",
            bool,
        ),
        Param("limit", f"utterances, up to {MAX_ROWS} (default {DEFAULT_ROWS})", int),
        Param("skip", "the first so many; with as_of the vector of the first page, pages fit together", int),
        PROFILE,
        AS_OF,
    ],
)
async def utterances(request: Request) -> Response:
    """An evaluation's utterances: reference, hypothesis and errors."""
    async with reading(request) as read:
        return read.not_modified() if read.unchanged else read.answer(await _utterances(read))


async def _utterances(read: Reading) -> dict[str, Any]:
    parameters = read.request.query_params
    limit = integer(read.request, "limit", DEFAULT_ROWS, 1, MAX_ROWS)
    skip = integer(read.request, "skip", 0, 0, 2**31)
    sight = await seen(read)
    row = await evaluation_at(read, path_uuid(read.request), sight)
    scored = await scored_utterances(read, row, sight)
    order = _ordered(scored, parameters.get("order", "errors"))
    taken, warnings = _taken(scored, parameters.getlist("where")), list[str]()
    said, heard = (plain(parameters.get(name, "")) or None for name in ("said", "heard"))
    if said is not None or heard is not None:
        confusion, warnings = await confused(read, sight, scored, said, heard)
        taken &= confusion
    order = order[taken[order]]
    if search := plain(parameters.get("search", "")):
        order = order[(await haystack_of(read, scored)).containing(search)[order]]
    names, marks = await names_of(read, row), await marks_of(read, row)
    marked = {position: marks[name] for position, name in enumerate(names) if name in marks} if marks else {}
    if flag(read.request, "marked"):
        order = order[np.isin(order, list(marked))]
    chosen = order[skip : skip + limit].tolist()
    shown = await _shown(read, scored, names, marked, chosen)
    if flag(read.request, "decoded"):
        decoded = await decoded_of(read, scored, chosen)
        shown = [{**each, "decoded": decoded[position]} for each, position in zip(shown, chosen, strict=True)]
    return {
        "profile": sight.profile,
        "unit": sight.unit,
        "factors": [*scored.factors, "length"],
        "marked": len(marked),
        "total": len(order),
        "utterances": shown,
        "warnings": warnings,
    }


def _ordered(scored: Scored, how: str) -> Ints:
    """Positions of all utterances."""
    match how:
        case "errors":
            key = -scored.errors.astype(np.float64)
        case "rate":
            key = -scored.errors / np.maximum(scored.tokens, 1)
        case "list":
            key = np.zeros(len(scored.errors))
        case _:
            raise bad_request(f"{how[:100]!r} is no order; there are errors, rate and list", "order")
    return np.argsort(key, kind="stable")


def _taken(scored: Scored, conditions: Sequence[str]) -> NDArray[np.bool_]:
    """Whether each utterance fulfils all conditions."""
    if len(conditions) > MAX_CONDITIONS:
        raise bad_request(f"at most {MAX_CONDITIONS} conditions, got {len(conditions)}", "where")
    taken = np.ones(len(scored.columns.rows), np.bool_)
    for condition in map(plain, conditions):
        factor, sign, value = condition.partition("=")
        known = factor in ("speaker", "language", "length") or factor.startswith("condition.")
        if not sign or not known:
            detail = f"{condition[:100]!r} is no condition; write speaker=…, language=…, condition.NAME=… or length=…"
            raise bad_request(detail, "where")
        names, codes = codes_of(scored, factor, {})
        taken &= codes == names.index(value) if value in names else False
    return taken


async def _shown(
    read: Reading,
    scored: Scored,
    names: Sequence[str],
    marked: Mapping[int, OpenMark],
    positions: Sequence[int],
) -> list[dict[str, Any]]:
    references = await references_of(read, scored.row, {position: names[position] for position in positions})
    hypotheses = await hypotheses_of(read, scored.row, scored.columns, positions)
    speakers, speaker = codes_of(scored, "speaker", {})
    audio = await audio_of(read, scored.row)
    counts, errors, tokens = scored.columns.counts, scored.errors, scored.tokens
    return [
        {
            "utterance": names[position],
            "speaker": speakers[int(speaker[position])],
            "reference": references[position],
            "hypothesis": hypotheses[position],
            "errors": int(errors[position]),
            "tokens": int(tokens[position]),
            "hits": int(counts[position, HITS]),
            "substitutions": int(counts[position, SUBSTITUTIONS]),
            "deletions": int(counts[position, DELETIONS]),
            "insertions": int(counts[position, INSERTIONS]),
            "counted": bool(scored.columns.counted[position]),
            "mark": marked.get(position),
            **dict(zip(("audio", "start", "duration"), audio(position), strict=True)),
        }
        for position in positions
    ]
