"""GET /significance: systems on one test set, how sure their error rates are, and which of them really differ."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from speech_experiment_projections.scoring.comparing import Alignments, Compared, compare
from speech_experiment_projections.scoring.intervals import DRAWS, LEVEL, Interval
from speech_experiment_projections.scoring.replicates import compare_seeds, replicates
from speech_experiment_projections.scoring.report import Difference
from speech_experiment_projections.scoring.significance import Outcome

from ..params import flag
from ..problems import bad_request
from ..routing import Param, Routes
from .calculators import answered
from .certainties import ALPHA_PARAM, alpha_of
from .configurations import Seeds, seeds_of
from .decodings import warnings_of
from .packed import Scored
from .reading import AS_OF, Reading
from .scored import PROFILE, rate, seen
from .segments import segments_of
from .together import COMMON_ONLY, Places, places_in, scores_of, systems_of

routes = Routes("significance")
MAX_SYSTEMS = 20
SEED = 0
"""Of every draw, so that an answer at a vector is always the same."""


class SureBetween(msgspec.Struct):
    low: float
    high: float


class TestOutcome(msgspec.Struct):
    """p: null when there is nothing to tell the systems apart by; units: segments, speakers or utterances."""

    p: float | None
    statistic: float
    units: int


class SystemDifference(msgspec.Struct, kw_only=True):
    """To the system `against`, over the utterances that both are scored on; negative: fewer errors.

    improvement  probability that this system has fewer errors (Bisani & Ney 2004)
    p            two-sided, of the paired bootstrap; p_adjusted: by Holm over the systems
    reduction    by how much of the other's rate this one is lower
    wilcoxon     over the speakers' rates, null when speakers are not known; mcnemar: exact, over utterances
    mapsswe      matched pairs, segments between two good words, sclite's alignment; null when there is too much to align
    welch        of the configurations, over the rates of their seeds; null with a single seed of one of them
    """

    difference: float
    interval: SureBetween
    improvement: float
    p: float
    p_adjusted: float | None
    reduction: float | None
    mcnemar: TestOutcome
    wilcoxon: TestOutcome | None
    mapsswe: TestOutcome | None
    welch: TestOutcome | None


class AcrossSeeds(msgspec.Struct, kw_only=True):
    """Rates of a system's configuration on the whole set, by the same decoding, one for each seed that was evaluated.

    config       null where its run says no seed; sd: n - 1, null with one seed
    single_seed  what is said of it holds for this model, and not for the configuration
    """

    config: str | None
    seeds: int
    mean: float
    sd: float | None
    single_seed: bool


class ComparedSystem(msgspec.Struct, kw_only=True):
    """Rates are fractions, over the utterances that are compared.

    interval  of the rate; null without a token of reference
    tied      not shown to be different from the best at alpha
    differs   what makes the number incomparable with the others': coverage (it misses utterances that others have)
    """

    evaluation: UUID
    run_id: UUID
    run: str
    decoding: str
    revision: int | None
    rate: float | None
    interval: SureBetween | None
    errors: int
    tokens: int
    scored: int
    covered: int
    coverage: float | None
    mean_of_speakers: float | None
    best: bool
    tied: bool
    differs: list[str]
    difference: SystemDifference | None
    across_seeds: AcrossSeeds | None


class SignificanceAnswer(msgspec.Struct, kw_only=True):
    """systems: in the order given.

    against     the evaluation that the others are compared with
    drawn       what the bootstrap draws: speakers, or utterances where not all speakers are known
    utterances  that are compared, of those listed for the first; common: only those that all have recognised, on the
                same reference
    level       of the intervals; alpha: of the ties; draws and seed: of the bootstrap
    """

    profile: str
    unit: str | None
    test_set: str | None
    against: UUID | None
    alpha: float
    level: float
    draws: int
    seed: int
    drawn: str | None
    utterances: int
    listed: int
    speakers: int
    common: bool
    warnings: list[str]
    systems: list[ComparedSystem]
    vector: str


@routes.get(
    "/api/v1/significance",
    access="viewer",
    response=SignificanceAnswer,
    params=[
        Param(
            "system",
            f"an evaluation, or a run, which stands for its newest evaluation on `test_set`; 2 to {MAX_SYSTEMS}",
            required=True,
            many=True,
        ),
        Param("test_set", "that all are on; needed where a run is named"),
        Param("against", "what the others are compared with: best (default) or first"),
        Param(
            "common",
            "only the utterances that all have recognised, on the same reference (default false)",
            bool,
        ),
        ALPHA_PARAM,
        PROFILE,
        AS_OF,
    ],
)
async def significance(request: Request) -> Response:
    """Systems on one test set: intervals, differences with their tests, and ties with the best."""
    return await answered(request, _question)


async def _question(read: Reading) -> partial[dict[str, Any]]:
    """All that is to be read; what is left computes."""
    against = read.request.query_params.get("against", "best")
    if against not in ("best", "first"):
        raise bad_request(f"{against[:100]!r} is neither best nor first", "against")
    common, alpha = flag(read.request, "common"), alpha_of(read)
    sight = await seen(read)
    parts = await systems_of(read, sight, MAX_SYSTEMS)
    places = await places_in(read, parts, common=common)
    segments = await segments_of(read, sight, parts, places)
    seeds = await seeds_of(read, sight, parts)
    said = [
        *await warnings_of(read, [part.row for part in parts]),
        *segments.warnings,
        *_of_seeds(parts, seeds),
    ]
    head = {"profile": sight.profile, "unit": sight.unit, "common": common, "alpha": alpha}
    base = 0 if against == "first" else None
    return partial(_answered, head, parts, places, seeds, segments.alignments, base, said)


def _answered(
    head: dict[str, Any],
    parts: Sequence[Scored],
    places: Sequence[Places],
    seeds: Sequence[Seeds],
    alignments: Alignments | None,
    against: int | None,
    said: Sequence[str],
) -> dict[str, Any]:
    found = compare(
        scores_of(parts, places),
        against=against,
        alignments=alignments,
        alpha=head["alpha"],
        seed=SEED,
    )
    base = next((at for at, each in enumerate(found) if each.best), None) if against is None else against
    covered = [int((part.columns.rows[each] >= 0).sum()) for part, each in zip(parts, places, strict=True)]
    names = list(dict.fromkeys(part.row["test_set_name"] for part in parts))
    return {
        **head,
        "test_set": names[0] if len(names) == 1 else None,
        "against": None if base is None else parts[base].row["id"],
        "level": LEVEL,
        "draws": DRAWS,
        "seed": SEED,
        "drawn": next((each.certainty.drawn for each in found if each.certainty), None),
        "utterances": len(places[0]),
        "listed": len(parts[0].columns.rows),
        "speakers": found[0].totals.speakers,
        "warnings": [*_warnings(found, covered, len(places[0])), *said],
        "systems": [
            _system(part, each, given, max(covered), own, None if base is None else seeds[base])
            for part, each, given, own in zip(parts, found, covered, seeds, strict=True)
        ],
    }


def _of_seeds(parts: Sequence[Scored], seeds: Sequence[Seeds]) -> list[str]:
    """What is to be said of systems with one seed, and of those that are seeds of one configuration."""
    single = [part.row["run"] for part, own in zip(parts, seeds, strict=True) if len(own.rates) < 2]
    known = [own.configuration for own in seeds if own.configuration]
    said = []
    if single:
        told = f"single seed: {', '.join(single)}; what is shown holds for these models, not for ways of training"
        said.append(f"{told}: evaluate runs of the same config with other seeds")
    if len(set(known)) < len(known):
        said.append(
            "some of the systems are one configuration with other seeds: their differences are its spread"
        )
    return said


def _warnings(found: Sequence[Compared], covered: Sequence[int], utterances: int) -> list[str]:
    said = [warning for each in found if each.certainty for warning in each.certainty.warnings]
    if min(covered) < utterances and len(set(covered)) > 1:
        said.append(f"systems miss utterances that others have; {COMMON_ONLY}")
    return list(dict.fromkeys(said))


def _system(
    part: Scored, found: Compared, covered: int, most: int, own: Seeds, base: Seeds | None
) -> dict[str, Any]:
    row, totals = part.row, found.totals
    return {
        "evaluation": row["id"],
        "run_id": row["run_id"],
        "run": row["run"],
        "decoding": row["decoding_text"],
        "revision": row["number"] or None,
        "rate": totals.rate,
        "interval": between(found.certainty.interval) if found.certainty else None,
        "errors": totals.counts.errors,
        "tokens": totals.counts.reference,
        "scored": totals.scored,
        "covered": covered,
        "coverage": rate(covered, totals.utterances),
        "mean_of_speakers": totals.mean_of_speakers,
        "best": found.best,
        "tied": found.tied,
        "differs": ["coverage"] if covered < most else [],
        "difference": found.difference and _difference(found.difference, found, own, base),
        "across_seeds": _across(own),
    }


def _across(own: Seeds) -> dict[str, Any] | None:
    if not own.rates:
        return None
    found = replicates(own.rates)
    name = own.configuration.name if own.configuration else None
    return {"config": name, **found._asdict(), "single_seed": found.single_seed}


def between(interval: Interval) -> dict[str, float]:
    return {"low": interval.low, "high": interval.high}


def _difference(difference: Difference, found: Compared, own: Seeds, base: Seeds | None) -> dict[str, Any]:
    return {
        "difference": difference.difference.value,
        "interval": between(difference.difference),
        "improvement": difference.improvement,
        "p": difference.p,
        "p_adjusted": found.p,
        "reduction": found.reduction,
        "mcnemar": _outcome(difference.mcnemar),
        "wilcoxon": _outcome(difference.wilcoxon),
        "mapsswe": _outcome(difference.mapsswe),
        "welch": _outcome(_welch(own, base)),
    }


def _welch(own: Seeds, base: Seeds | None) -> Outcome | None:
    if base is None or min(len(own.rates), len(base.rates)) < 2 or own.configuration == base.configuration:
        return None
    return compare_seeds(own.rates, base.rates)


def _outcome(outcome: Outcome | None) -> dict[str, Any] | None:
    """A statistic that is no finite number says nothing more than its p."""
    if outcome is None:
        return None
    statistic = outcome.statistic if np.isfinite(outcome.statistic) else 0.0
    return {"p": outcome.p, "statistic": float(statistic), "units": outcome.units}
