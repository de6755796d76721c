"""GET /gate: may a candidate take the place of a reference, on each test set and each group of speakers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from speech_experiment_projections.scoring.gate import Check, Pair, check, document, passed

from ..params import flag, identity, number, plain, test_sets
from ..problems import Problem, bad_request, not_found
from ..routing import Param, Routes
from .calculators import answered
from .certainties import ALPHA_PARAM, alpha_of
from .decodings import warnings_of
from .evaluations import scored_rows
from .packed import Scored, scored_utterances
from .reading import AS_OF, Reading
from .scored import PROFILE, Seen, seen
from .sql import Binder
from .together import Places, labels_of, places_in, scores_of

routes = Routes("gate")
MAX_SETS, MAX_FACTORS, MAX_CHECKS = 50, 3, 500
_SIDES = ("candidate", "against")


class GateCheck(msgspec.Struct, kw_only=True):
    """One test set, or one group of its speakers. Rates are fractions.

    verdict     passed; regressed: more than `allowed` above the reference's rate, and shown to be worse; unsure: that much
                higher, but not shown to be; not compared: its warnings say why
    difference  candidate's rate less the reference's; interval: its ends
    p           two-sided, of the paired bootstrap, by Holm over all checks
    coverage    utterances scored for both / registered
    """

    set: str
    group: str | None
    verdict: str
    rate: float | None
    reference_rate: float | None
    allowed: float
    difference: float | None
    interval: list[float] | None
    p: float | None
    coverage: float
    warnings: list[str]


class GateAnswer(msgspec.Struct, kw_only=True):
    """notes: what else one should know, such as which of several decodings stands for a run."""

    passed: bool
    profile: str
    unit: str | None
    identity: str | None
    alpha: float
    checks: list[GateCheck]
    notes: list[str]
    vector: str


@routes.get(
    "/api/v1/gate",
    access="viewer",
    response=GateAnswer,
    params=[
        Param("candidate", "a run, which stands for its newest evaluation on each set; or an evaluation", required=True),
        Param("against", "the reference, likewise", required=True),
        Param("test_set", f"may be given several times, up to {MAX_SETS} (default: all of the reference)", many=True),
        Param("by", f"also each group by speaker, language or condition; up to {MAX_FACTORS}", many=True),
        Param("max_regress", "allowed rise of the rate, a fraction (default 0)", float),
        Param("relative", "max_regress is a share of the reference's rate (default false)", bool),
        Param("common", "only the utterances that both have recognised, on the same reference (default false)", bool),
        Param("strict", "not passed when anything is unsure (default false)", bool),
        ALPHA_PARAM,
        PROFILE,
        AS_OF,
    ],
)  # fmt: skip
async def gate(request: Request) -> Response:
    """A release gate: the candidate against the reference, by paired tests, per test set and group of speakers."""
    return await answered(request, _question)


class _Set(NamedTuple):
    """A test set that both are scored on: candidate and reference, and the places of the utterances compared."""

    name: str
    parts: list[Scored]
    places: list[Places]


class _Rules(NamedTuple):
    max_regress: float
    relative: bool
    alpha: float
    strict: bool


async def _question(read: Reading) -> partial[dict[str, Any]]:
    """All that is to be read; what is left computes."""
    rules, by, common = _rules(read), _factors(read), flag(read.request, "common")
    sight = await seen(read)
    sides = [await _evaluations(read, sight, side) for side in _SIDES]
    compared: list[_Set] = []
    without: list[Check] = []
    notes: list[str] = []
    named = test_sets(read.request, MAX_SETS)
    for name in named or _all_sets(read, sides):
        notes += _chosen(name, sides)
        try:
            compared.append(await _set(read, sight, name, sides, common=common))
        except Problem as problem:
            if problem.status != 409:
                raise
            why = (problem.detail,)
            without.append(
                Check(name, "", "not compared", None, None, rules.max_regress, None, None, 0.0, why)
            )
    if not named:
        only = sorted(set(sides[0]) - set(sides[1]))
        notes += [f"{name}: only the candidate is scored on it" for name in only]
    notes += await warnings_of(read, [part.row for each in compared for part in each.parts])
    notes += _unknown(compared, by)
    head = {
        "profile": sight.profile,
        "unit": sight.unit,
        "identity": sight.identity and sight.identity.hex(),
        "alpha": rules.alpha,
    }
    return partial(_answered, head, rules, by, compared, without, notes)


def _rules(read: Reading) -> _Rules:
    request = read.request
    allowed = number(request, "max_regress") or 0.0
    return _Rules(allowed, flag(request, "relative"), alpha_of(read), flag(request, "strict"))


def _factors(read: Reading) -> dict[str, str]:
    """What is asked for → the factor."""
    given = [plain(each) for each in dict.fromkeys(read.request.query_params.getlist("by"))]
    if len(given) > MAX_FACTORS:
        raise bad_request(f"name up to {MAX_FACTORS} factors, got {len(given)}", "by")
    as_they_are = ("speaker", "language")
    return {
        each: each if each in as_they_are or each.startswith("condition.") else f"condition.{each}"
        for each in given
    }


async def _evaluations(read: Reading, sight: Seen, side: str) -> dict[str, list[Any]]:
    """Test set → the side's scored evaluations, the newest first; Problem 404 where there are none."""
    wanted: UUID = identity(read.request.query_params.get(side, ""), side)
    bind = Binder()
    place = bind(wanted, "uuid")
    found: dict[str, list[Any]] = {}
    for row in await scored_rows(read, sight, bind, f"(e.id = {place} or e.run_id = {place})"):
        found.setdefault(row["test_set_name"] or "", []).append(row)
    if not found:
        raise not_found(
            f"a run or evaluation {wanted} with a score by the profile {sight.profile!r}, as {side},"
        )
    return found


def _all_sets(read: Reading, sides: Sequence[dict[str, list[Any]]]) -> list[str]:
    """Those of the reference; where an evaluation was named instead of a run, its own."""
    given = [read.request.query_params[side] for side in _SIDES]
    single = [
        name
        for found, wanted in zip(sides, given, strict=True)
        for name, rows in found.items()
        if rows[0]["id"] == UUID(wanted)
    ]
    names = sorted(set(single)) or sorted(sides[1])
    if len(names) > MAX_SETS:
        raise bad_request(f"the reference is on {len(names)} sets; name up to {MAX_SETS}", "test_set")
    return names


def _chosen(name: str, sides: Sequence[dict[str, list[Any]]]) -> Iterator[str]:
    """Says which decoding is taken where a run has several on the set."""
    for side, found in zip(("candidate", "reference"), sides, strict=True):
        decodings = list(dict.fromkeys(row["decoding_text"] for row in found.get(name, ())))
        if len(decodings) > 1:
            yield f"{name}: the {side} has {len(decodings)} decodings; the newest is taken: {decodings[0] or 'unnamed'}"


async def _set(
    read: Reading, sight: Seen, name: str, sides: Sequence[dict[str, list[Any]]], *, common: bool
) -> _Set:
    """Problem 409 where the two cannot be compared."""
    rows = [(found.get(name) or [None])[0] for found in sides]
    for side, row in zip(("candidate", "reference"), rows, strict=True):
        if row is None or row["refused"]:
            why = "is not scored on it" if row is None else f"has no score: {row['refused']}"
            raise Problem(409, "not_scored", f"the {side} {why}")
    parts = [await scored_utterances(read, row, sight) for row in rows]
    return _Set(name, parts, await places_in(read, parts, common=common))


def _unknown(compared: Sequence[_Set], by: dict[str, str]) -> Iterator[str]:
    """Says which sets do not have a factor; Problem 400 for one that none has."""
    for asked, factor in by.items():
        lacking = [each.name for each in compared if factor not in each.parts[0].factors]
        if len(lacking) == len(compared):
            known = sorted({name for each in compared for name in each.parts[0].factors})
            raise bad_request(
                f"no utterance has a {asked[:100]!r}; there are {', '.join(known) or 'none'}", "by"
            )
        yield from (f"{name}: no utterance has a {asked!r}" for name in lacking)


def _answered(
    head: dict[str, Any],
    rules: _Rules,
    by: dict[str, str],
    compared: Sequence[_Set],
    without: Sequence[Check],
    notes: Sequence[str],
) -> dict[str, Any]:
    pairs: dict[tuple[str, str], Pair] = {}
    for each in compared:
        pairs |= _pairs(each, by)
        if len(pairs) > MAX_CHECKS:
            raise bad_request(f"at most {MAX_CHECKS} groups are checked at once, of all test sets", "by")
    made = check(pairs, max_regress=rules.max_regress, relative=rules.relative, alpha=rules.alpha)
    checks = [*made, *without]
    return {
        "passed": passed(checks, strict=rules.strict),
        **head,
        "checks": [document(each) for each in checks],
        "notes": list(notes),
    }


def _pairs(compared: _Set, by: dict[str, str]) -> dict[tuple[str, str], Pair]:
    """The group "" is the whole set."""
    candidate, reference = scores_of(compared.parts, compared.places)
    pairs = {(compared.name, ""): (candidate, reference)}
    for asked, factor in by.items():
        labels = labels_of(compared.parts[0], factor, compared.places[0])
        names, codes = np.unique(np.asarray(labels, object), return_inverse=True)
        for code, group in enumerate(names.tolist()):
            if group:
                chosen = codes == code
                pairs[compared.name, f"{asked} {group}"] = candidate.only(chosen), reference.only(chosen)
    return pairs
