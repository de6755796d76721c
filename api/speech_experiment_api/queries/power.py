"""GET /power: how many utterances and speakers would show a difference, judged by two systems on one test set."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from speech_experiment_projections.scoring.pilot import needed_by_pilot

from ..params import flag, number
from ..problems import Problem, bad_request
from ..routing import Param, Routes
from .calculators import answered
from .certainties import ALPHA_PARAM, alpha_of
from .packed import Scored
from .reading import AS_OF, Reading
from .scored import PROFILE, seen
from .together import Places, places_in, scores_of, systems_of

routes = Routes("power")
POWER = 0.8


class PowerAnswer(msgspec.Struct, kw_only=True):
    """delta is a fraction, 0.002 for 0.2 points.

    utterances_needed  like those of the pilot; speakers_needed: likewise, null where fewer than two are known
    alpha, power       chance of a false claim, and to see a difference that is there
    """

    profile: str
    unit: str | None
    delta: float
    alpha: float
    power: float
    utterances_needed: int
    speakers_needed: int | None
    pilot_utterances: int
    pilot_speakers: int
    vector: str


@routes.get(
    "/api/v1/power",
    access="viewer",
    response=PowerAnswer,
    params=[
        Param(
            "system",
            "given twice: an evaluation, or a run, which stands for its newest evaluation on `test_set`",
            required=True,
            many=True,
        ),
        Param("test_set", "that both are on; needed where a run is named"),
        Param("delta", "the difference of rates to be seen, a fraction (0.002)", float, required=True),
        Param("power", f"chance to see it, between 0 and 1 (default {POWER})", float),
        Param("common", "only the utterances that both have recognised, on the same reference", bool),
        ALPHA_PARAM,
        PROFILE,
        AS_OF,
    ],
)
async def power(request: Request) -> Response:
    """How much data like a test set's would show a difference of rates, by the spread between two systems on it."""
    return await answered(request, _question)


async def _question(read: Reading) -> partial[dict[str, Any]]:
    head = {"delta": _delta(read), "alpha": alpha_of(read), "power": _chance(read)}
    sight = await seen(read)
    parts = await systems_of(read, sight, 2)
    places = await places_in(read, parts, common=flag(read.request, "common"))
    return partial(_answered, {"profile": sight.profile, "unit": sight.unit, **head}, parts, places)


def _delta(read: Reading) -> float:
    delta = number(read.request, "delta")
    if delta is None or not 0 < abs(delta) < 1:
        raise bad_request("give the difference of rates as a fraction that is not zero, e.g. 0.002", "delta")
    return delta


def _chance(read: Reading) -> float:
    chance = number(read.request, "power")
    if chance is not None and not 0 < chance < 1:
        raise bad_request(f"must lie between 0 and 1, got {chance:g}", "power")
    return POWER if chance is None else chance


def _answered(head: dict[str, Any], parts: Sequence[Scored], places: Sequence[Places]) -> dict[str, Any]:
    one, other = scores_of(parts, places)
    try:
        found = needed_by_pilot(one, other, head["delta"], alpha=head["alpha"], power=head["power"])
    except ValueError as error:
        raise Problem(409, "not_comparable", f"the pilot {error}", field="system") from None
    return head | found._asdict()
