"""GET /evaluations and /evaluations/{id}: what was recognised on which test set, and how it scores."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from speech_experiment_projections.scoring.profiles import DEFAULT

from ..params import identity, integer, path_uuid, plain
from ..problems import Problem, bad_request, not_found
from ..routing import Param, Routes
from .decodings import decodings_of, is_tuned
from .needs import Needs
from .reading import AS_OF, Reading, reading
from .scored import PROFILE, Seen, known, measures, revisions, scores, seen
from .sql import Binder
from .visibility import visible

routes = Routes("evaluations")
MAX_ROWS, DEFAULT_ROWS = 1_000, 100
METRIC_OF = {"basic-wer": "wer", "basic-cer": "cer", "mixed-mer": "mer"}
"""Profile → what its rate is called in names of metrics."""
_ROUNDING = 0.0005
"""Scripts round to three or four digits, and some log per cent."""


class Score(msgspec.Struct, kw_only=True):
    """What a profile makes of an evaluation. Rates are fractions, of sums; counts are over what the profile counts.

    covered  utterances of the set with a hypothesis; coverage: their share
    counted  utterances that the sums are over; wrong: those with an error
    mean_of_speakers, mean_of_utterances  means of rates, which are other numbers than the rate
    rtf      decoding time per audio time, over the hypotheses of which both are known; rtfx its inverse
    refused  why a rule of the profile forbids a score
    logged   what the run itself logged as SET_wer (or _cer, _mer); logged_mean: the mean of the rates that came with
             its utterances. logged_differs: one of them is another number, by more than rounding
    """

    rate: float | None
    errors: int | None
    tokens: int | None
    hits: int | None
    substitutions: int | None
    deletions: int | None
    insertions: int | None
    utterances: int | None
    covered: int | None
    counted: int | None
    coverage: float | None
    wrong: int | None
    sentence_error_rate: float | None
    empty_references: int | None
    speakers: int | None
    mean_of_speakers: float | None
    mean_of_utterances: float | None
    audio_seconds: float | None
    decode_seconds: float | None
    rtf: float | None
    rtfx: float | None
    refused: str
    flags: dict[str, Any]
    logged: float | None
    logged_mean: float | None
    logged_differs: bool


class EvaluationRow(msgspec.Struct, kw_only=True):
    """registered: scored on a revision of a registered set; else on references of its own, known by their digest.

    state     open (being written), incomplete (finished, but not all of it is there), complete
    revision  that the score is on; references: digest of its ids and references
    tuned_here  its run was decoded on this set in several ways, and no two of them were compared on another set: the
                rate of a decoding that was chosen here is too good
    timing    how decoding times were taken
    score     null until the evaluation is complete, and while its test set has no utterances
    """

    id: UUID
    run_id: UUID
    run: str
    test_set: str | None
    name: str | None
    registered: bool
    state: str
    revision: int | None
    references: str | None
    language: str | None
    decoding: dict[str, Any]
    tuned_here: bool
    checkpoint: str | None
    timing: dict[str, Any]
    tags: dict[str, Any]
    hypotheses: int | None
    started_at: datetime
    finished_at: datetime | None
    score: Score | None


class Evaluations(msgspec.Struct):
    profile: str
    unit: str | None
    evaluations: list[EvaluationRow]
    vector: str


class OneEvaluation(msgspec.Struct):
    profile: str
    unit: str | None
    evaluation: EvaluationRow
    vector: str


@routes.get(
    "/api/v1/evaluations",
    access="viewer",
    response=Evaluations,
    params=[
        Param("run", "only those of a run"),
        Param("test_set", "only those on a test set"),
        PROFILE,
        Param("limit", f"rows, up to {MAX_ROWS} (default {DEFAULT_ROWS})", int),
        AS_OF,
    ],
)
async def evaluations(request: Request) -> Response:
    """Evaluations and their scores, the newest first."""
    async with reading(request) as read:
        if read.unchanged:
            return read.not_modified()
        limit = integer(request, "limit", DEFAULT_ROWS, 1, MAX_ROWS)
        sight = await seen(read)
        bind = Binder()
        conditions = "true"
        if run := request.query_params.get("run"):
            conditions += f" and e.run_id = {bind(identity(run, 'run'), 'uuid')}"
        if test_set := request.query_params.get("test_set"):
            conditions += f" and e.test_set_name = {bind(plain(test_set), 'text')}"
        found = await _rows(
            read, bind, sight, conditions, f"order by e.started_at desc, e.id desc limit {limit}"
        )
        return read.answer({"profile": sight.profile, "unit": sight.unit, "evaluations": found})


@routes.get("/api/v1/evaluations/{id}", access="viewer", response=OneEvaluation, params=[PROFILE, AS_OF])
async def evaluation(request: Request) -> Response:
    """One evaluation and its score."""
    wanted = path_uuid(request)
    async with reading(request) as read:
        if read.unchanged:
            return read.not_modified()
        sight = await seen(read)
        bind = Binder()
        found = await _rows(read, bind, sight, f"e.id = {bind(wanted, 'uuid')}", "")
        if not found:
            raise not_found(f"the evaluation {wanted}")
        return read.answer({"profile": sight.profile, "unit": sight.unit, "evaluation": found[0]})


def evaluation_ids(texts: Collection[str], most: int) -> list[UUID]:
    """Those of the parameter `evaluation`; Problem 400 for what is no id, and for too many."""
    ids = [identity(each, "evaluation") for each in texts]
    if not 1 <= len(ids) <= most:
        raise bad_request(f"name 1 to {most} evaluations, got {len(ids)}", "evaluation")
    return ids


async def _rows(
    read: Reading, bind: Binder, sight: Seen, conditions: str, order: str
) -> list[dict[str, Any]]:
    await read.world.fields(Needs())
    schema = read.tables.scores
    whole = f"(e.completed is not null and {known(read, bind, 'e', 'completed')})"
    ended = f"(e.finished is not null and {known(read, bind, 'e', 'finished')})"
    sql = (
        f"select e.*, r.name as run, {whole} as whole, {ended} as ended, s.*, s.number as scored_on from {schema}.evaluations e "
        f"join {read.tables.metadata}.runs r on r.id = e.run_id "
        f"left join {revisions(read, bind)} v on v.test_set = e.test_set and not e.own "
        f"left join {schema}.scores s on {whole} and s.evaluation = e.id "
        f"and s.profile = {bind(sight.identity, 'bytea')} "
        "and s.number = case when e.own then 0 else coalesce(e.revision, v.number) end "
        f"where {known(read, bind, 'e')} and {visible(read.tables, bind, read.scope)} and {conditions} {order}"
    )
    found = await read.fetch(sql, *bind.values)
    logged = await _logged(read, sight, found)
    decodings = await decodings_of(read, {row["run_id"] for row in found})
    return [
        {
            **_row(dict(row), logged.get((row["run_id"], row["test_set_name"]))),
            "tuned_here": is_tuned(row, decodings),
        }
        for row in found
    ]


async def _logged(read: Reading, sight: Seen, rows: Sequence[Any]) -> dict[tuple[UUID, str], float]:
    """(run, test set) → the rate that the run logged itself, of those that are scored."""
    metric = METRIC_OF.get(sight.profile)
    scored = [row for row in rows if row["scored_on"] is not None]
    if metric is None or not scored:
        return {}
    await read.world.runs(list({row["run_id"] for row in scored}))
    pairs = {(row["run_id"], f"{row['test_set_name']}_{metric}"): row["test_set_name"] for row in scored}
    runs, keys = zip(*pairs, strict=True)
    sql = (
        f"select s.run_id, s.key, s.last_value from {read.tables.metrics}.summaries s "
        "join unnest($1::uuid[], $2::text[]) n (run_id, key) on s.run_id = n.run_id and s.key = n.key "
        "where s.rank = 0"
    )
    found = await read.fetch(sql, list(runs), list(keys))
    return {(row["run_id"], pairs[row["run_id"], row["key"]]): row["last_value"] for row in found}


def _row(row: dict[str, Any], logged: float | None) -> dict[str, Any]:
    json = msgspec.json.decode
    scored = row["scored_on"] is not None
    return {
        "id": row["id"],
        "run_id": row["run_id"],
        "run": row["run"],
        "test_set": row["test_set_name"],
        "name": row["name"],
        "registered": not row["own"],
        "state": "complete" if row["whole"] else "incomplete" if row["ended"] else "open",
        "revision": row["scored_on"] or None,
        "references": row["digest"],
        "language": row["language"],
        "decoding": json(row["decoding"]),
        "checkpoint": row["checkpoint"],
        "timing": json(row["timing"]),
        "tags": json(row["tags"]),
        "hypotheses": row["rows"] if row["whole"] else None,
        "started_at": row["started_at"],
        "finished_at": row["finished_at"] if row["ended"] else None,
        "score": {**measures(row), "flags": json(row["flags"]), **_said(row, logged)} if scored else None,
    }


def _said(row: dict[str, Any], logged: float | None) -> dict[str, Any]:
    """What the run said of itself, beside what is scored."""
    mean = msgspec.json.decode(row["tags"]).get("mean_wer") if row["profile_name"] == DEFAULT else None
    differs = [
        abs(said - scored) > _ROUNDING and abs(said / 100 - scored) > _ROUNDING / 10
        for said, scored in ((logged, row["rate"]), (mean, row["mean_of_utterances"]))
        if isinstance(said, int | float) and scored is not None
    ]
    return {"logged": finite(logged), "logged_mean": finite(mean), "logged_differs": any(differs)}


def finite(value: Any) -> float | None:
    """The number, if it is one that JSON knows."""
    return value if isinstance(value, int | float) and math.isfinite(value) else None


async def scored_rows(read: Reading, sight: Seen, bind: Binder, conditions: str) -> list[Any]:
    """Rows as evaluation_at gives them, of evaluations that meet the conditions (on e), the newest first."""
    await read.world.fields(Needs())
    sql = (
        f"select e.id, e.run_id, e.test_set, e.test_set_name, e.own, e.name, e.decoding_text, e.language, r.name as run, "
        f"s.number, s.base, s.refused, s.digest from {read.tables.metadata}.runs r, {scores(read, bind, sight)} "
        f"and r.id = e.run_id and {conditions} and {visible(read.tables, bind, read.scope)} "
        "order by e.started_at desc, e.id desc"
    )
    return await read.fetch(sql, *bind.values)


async def evaluation_at(read: Reading, wanted: UUID, sight: Seen) -> Any:
    """The row of an evaluation that is scored at the vector: e.*, and base and number of its score.

    Raises Problem 404 for one that there is not, 409 for one without a score.
    """
    bind = Binder()
    found = await scored_rows(read, sight, bind, f"e.id = {bind(wanted, 'uuid')}")
    if found:
        return with_score(found[0])
    raise Problem(
        404,
        "not_found",
        f"the evaluation {wanted} does not exist in this workspace, or has no score by the profile {sight.profile!r} "
        "there: it is not complete, or its test set has no utterances",
    )


def with_score(row: Any) -> Any:
    """A row of scored_rows; Problem 409 for one whose score the profile forbids."""
    if row["refused"]:
        raise Problem(409, "not_scored", row["refused"], field="profile")
    return row
