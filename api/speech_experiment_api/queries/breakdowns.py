"""GET /breakdown: error rates of speakers, conditions, languages, domains, lengths, or of their combinations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response

from speech_experiment_projections.scores import DELETIONS, HITS, INSERTIONS, SUBSTITUTIONS
from speech_experiment_projections.scoring.intervals import rate_interval

from ..params import flag, integer, plain
from ..problems import bad_request
from ..routing import Param, Routes
from .evaluations import evaluation_at, evaluation_ids
from .packed import Scored, scored_utterances
from .reading import AS_OF, Reading, reading
from .scored import PROFILE, descriptions, rate, seen
from .sql import Binder

routes = Routes("breakdowns")
MAX_EVALUATIONS, MAX_FACTORS, MAX_GROUPS = 50, 4, 10_000
_INTERVAL_DRAWS, _MOST_INTERVALS = 1_000, 200
_LENGTHS = (0, 1, 3, 6, 11, 16, 21, 31, 51)
_OF_EVALUATIONS = ("test_set", "run", "evaluation", "domain", "corpus")
_FACTORS = "speaker, language, condition.NAME, length, test_set, domain, corpus, run, evaluation"


class BreakdownInterval(msgspec.Struct):
    """Of the rate, 95 %, by the bootstrap over utterances."""

    low: float
    high: float


class BreakdownGroup(msgspec.Struct, kw_only=True):
    """by: the group's value of each factor, "" where it is unknown; length: reference tokens, as `6-10`."""

    by: dict[str, str]
    rate: float | None
    errors: int
    tokens: int
    hits: int
    substitutions: int
    deletions: int
    insertions: int
    utterances: int
    covered: int
    counted: int
    coverage: float | None
    wrong: int
    interval: BreakdownInterval | None


class Breakdown(msgspec.Struct, kw_only=True):
    """groups: in the order asked for; rate: of all together; macro_average: mean of the groups' rates.

    factors  what these utterances can be grouped by, and how many values each has; only what is known of some
    """

    profile: str
    unit: str | None
    by: list[str]
    factors: dict[str, int]
    groups: list[BreakdownGroup]
    total: int
    rate: float | None
    macro_average: float | None
    vector: str


@routes.get(
    "/api/v1/breakdown",
    access="viewer",
    response=Breakdown,
    params=[
        Param("evaluation", f"may be given several times, up to {MAX_EVALUATIONS}", required=True, many=True),
        Param("by", f"factor, up to {MAX_FACTORS}: {_FACTORS}", required=True, many=True),
        Param("order", "worst (rate, the highest first), words (most tokens first) or name (default)"),
        Param("min_tokens", "only groups with so many reference tokens (default 0)", int),
        Param(
            "intervals",
            f"with how sure each rate is, of up to {_MOST_INTERVALS} groups (default false)",
            bool,
        ),
        Param("limit", f"groups, up to {MAX_GROUPS} (default 1000)", int),
        PROFILE,
        AS_OF,
    ],
)
async def breakdown(request: Request) -> Response:
    """Error rates by what utterances and test sets have in common."""
    async with reading(request) as read:
        return read.not_modified() if read.unchanged else read.answer(await _breakdown(read))


async def _breakdown(read: Reading) -> dict[str, Any]:
    parameters = read.request.query_params
    by = _factors(parameters.getlist("by"))
    ids = evaluation_ids(parameters.getlist("evaluation"), MAX_EVALUATIONS)
    limit = integer(read.request, "limit", 1_000, 1, MAX_GROUPS)
    least = integer(read.request, "min_tokens", 0, 0, 2**31)
    intervals = flag(read.request, "intervals")
    sight = await seen(read)
    parts = [
        await scored_utterances(read, await evaluation_at(read, each, sight), sight)
        for each in dict.fromkeys(ids)
    ]
    sets = await _sets(read, [part.row["test_set"] for part in parts])
    groups = Groups(parts, by, sets)
    order = groups.order(parameters.get("order", "name"), least)
    shown = order[:limit]
    exact = set(shown[:_MOST_INTERVALS]) if intervals else set()
    rates = groups.rates[order]
    return {
        "profile": sight.profile,
        "unit": sight.unit,
        "by": by,
        "factors": _values_of(parts, sets),
        "groups": [groups.shown(number, interval=number in exact) for number in shown],
        "total": len(order),
        "rate": rate(int(groups.errors.sum()), int(groups.tokens.sum())),
        "macro_average": float(np.nanmean(rates)) if np.isfinite(rates).any() else None,
    }


def _factors(asked: Sequence[str]) -> list[str]:
    by = [plain(name) for name in dict.fromkeys(asked)]
    known = {"speaker", "language", "length", *_OF_EVALUATIONS}
    for name in by:
        if name not in known and not name.startswith("condition."):
            raise bad_request(f"{name[:100]!r} is no factor; there are {_FACTORS}", "by")
    if not 1 <= len(by) <= MAX_FACTORS:
        raise bad_request(f"name 1 to {MAX_FACTORS} factors, got {len(by)}", "by")
    return by


def _values_of(parts: Sequence[Scored], sets: dict[UUID, Any]) -> dict[str, int]:
    """Factor → how many values it has among these utterances, unknown ones aside."""
    of_utterances = dict.fromkeys(factor for part in parts for factor in part.factors)
    known: dict[str, int] = {}
    for factor in (*of_utterances, "length", *_OF_EVALUATIONS):
        values: set[str] = set()
        for part in parts:
            names, codes = codes_of(part, factor, sets)
            there = np.zeros(len(names), np.bool_)
            there[codes] = True
            values.update(name for name, seen in zip(names, there.tolist(), strict=True) if seen)
        if values := values - {""}:
            known[factor] = len(values)
    return known


async def _sets(read: Reading, ids: Sequence[UUID]) -> dict[UUID, Any]:
    bind = Binder()
    sql = f"select * from {descriptions(read, bind)} d where d.test_set = any({bind(list(ids), 'uuid[]')})"
    return {row["test_set"]: row for row in await read.fetch(sql, *bind.values)}


class Groups:
    """Utterances of several evaluations, grouped; arrays have an item for each group."""

    def __init__(self, parts: Sequence[Scored], by: Sequence[str], sets: dict[UUID, Any]) -> None:
        self._by = by
        labels = [[codes_of(part, factor, sets) for factor in by] for part in parts]
        numbers: dict[tuple[str, ...], int] = {}
        codes = [_numbered(factors, numbers) for factors in labels]
        self._names = list(numbers)
        self._codes = np.concatenate(codes)
        self._counts = np.concatenate([part.columns.counts for part in parts])
        self._counted = np.concatenate([part.columns.counted for part in parts])
        self._given = np.concatenate([part.columns.rows >= 0 for part in parts])
        kept = np.where(self._counted[:, None], self._counts, 0)
        self._sums = np.stack([self._sum(kept[:, column]) for column in range(4)], axis=1)
        self.errors = self._sums[:, [SUBSTITUTIONS, DELETIONS, INSERTIONS]].sum(axis=1)
        self.tokens = self._sums[:, [HITS, SUBSTITUTIONS, DELETIONS]].sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            self.rates = np.where(self.tokens > 0, self.errors / self.tokens, np.nan)
        self._wrong_utterances = self._sum(kept[:, [SUBSTITUTIONS, DELETIONS, INSERTIONS]].sum(axis=1) > 0)
        self._sizes = [self._sum(each) for each in (np.ones(len(kept)), self._given, self._counted)]

    def _sum(self, weights: NDArray[Any]) -> NDArray[np.int64]:
        return np.bincount(self._codes, weights, len(self._names)).astype(np.int64)

    def order(self, how: str, least: int) -> list[int]:
        """Numbers of the groups with so many tokens, ordered."""
        numbers = [number for number in range(len(self._names)) if self.tokens[number] >= least]
        match how:
            case "name":
                return sorted(numbers, key=lambda number: [_natural(name) for name in self._names[number]])
            case "worst":
                rates = np.nan_to_num(self.rates, nan=-1.0)
                return sorted(numbers, key=lambda number: (-rates[number], self._names[number]))
            case "words":
                return sorted(numbers, key=lambda number: (-self.tokens[number], self._names[number]))
        raise bad_request(f"{how[:100]!r} is no order; there are worst, words and name", "order")

    def shown(self, number: int, *, interval: bool) -> dict[str, Any]:
        sums = self._sums[number].tolist()
        utterances, covered, counted = (int(each[number]) for each in self._sizes)
        errors, tokens = int(self.errors[number]), int(self.tokens[number])
        return {
            "by": dict(zip(self._by, self._names[number], strict=True)),
            "rate": rate(errors, tokens),
            "errors": errors,
            "tokens": tokens,
            "hits": sums[HITS],
            "substitutions": sums[SUBSTITUTIONS],
            "deletions": sums[DELETIONS],
            "insertions": sums[INSERTIONS],
            "utterances": utterances,
            "covered": covered,
            "counted": counted,
            "coverage": rate(covered, utterances),
            "wrong": int(self._wrong_utterances[number]),
            "interval": self._interval(number) if interval and tokens else None,
        }

    def _interval(self, number: int) -> dict[str, float]:
        mine = self._counts[(self._codes == number) & self._counted]
        errors = mine[:, [SUBSTITUTIONS, DELETIONS, INSERTIONS]].sum(axis=1)
        found = rate_interval(errors, mine[:, :INSERTIONS].sum(axis=1), draws=_INTERVAL_DRAWS)
        return {"low": found.low, "high": found.high}


def codes_of(part: Scored, factor: str, sets: dict[UUID, Any]) -> tuple[list[str], NDArray[np.int32]]:
    """Names, and a number for each utterance."""
    size = len(part.columns.rows)
    if factor == "length":
        edges = np.searchsorted(_LENGTHS, part.tokens, side="right") - 1
        return [_range(number) for number in range(len(_LENGTHS))], edges.astype(np.int32)
    if factor in _OF_EVALUATIONS:
        return [_of_evaluation(part, factor, sets)], np.zeros(size, np.int32)
    found = part.factors.get(factor)
    return (found.names, found.codes) if found is not None else ([""], np.zeros(size, np.int32))


def _of_evaluation(part: Scored, factor: str, sets: dict[UUID, Any]) -> str:
    row, known = part.row, sets.get(part.row["test_set"])
    match factor:
        case "test_set":
            return row["test_set_name"] or ""
        case "run":
            return f"{row['run']} {row['run_id']}"
        case "evaluation":
            return str(row["id"])
    name = (known[factor] if known is not None else None) or ""
    return name or (row["test_set_name"] if factor == "corpus" else "")


def _range(number: int) -> str:
    if number == len(_LENGTHS) - 1:
        return f"{_LENGTHS[number]}+"
    first, last = _LENGTHS[number], _LENGTHS[number + 1] - 1
    return str(first) if first == last else f"{first}-{last}"


def _numbered(
    factors: Sequence[tuple[list[str], NDArray[np.int32]]], numbers: dict[tuple[str, ...], int]
) -> NDArray[np.int64]:
    """One number for each combination of names that occurs."""
    combined = np.zeros(len(factors[0][1]), np.int64)
    for names, codes in factors:
        combined = combined * len(names) + codes
    occurring, inverse = np.unique(combined, return_inverse=True)
    found = np.empty(len(occurring), np.int64)
    for place, each in enumerate(occurring.tolist()):
        label: list[str] = []
        for names, _ in reversed(factors):
            each, code = divmod(each, len(names))
            label.insert(0, names[code])
        found[place] = numbers.setdefault(tuple(label), len(numbers))
    return found[inverse]


def _natural(name: str) -> tuple[int, float, str]:
    """Numbers by their value, before other names; a range by its beginning."""
    try:
        return 0, float(name.rstrip("+").split("-")[0] or name), name
    except ValueError:
        return 1, 0.0, name
