"""Results of every task in one form: what is logged, stored, compared and shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any, NamedTuple

from speech_experiment_schemas.measurements import Bounds

from .definitions import Definition
from .diarization import Components, Diarization
from .intelligibility import Intelligibility
from .intervals import DRAWS, LEVEL, Interval
from .listening import Listening, Opinion
from .meetings import MeetingCounts, Meetings
from .spotting import Rates, Spotting
from .synthesis import Distortion, Synthesis
from .verification import Cost, Verification

Result = Diarization | Meetings | Verification | Spotting | Listening | Synthesis | Intelligibility
Numbers = dict[str, float | None]


class Facts(NamedTuple):
    """Of one result.

    values     headline numbers, the first the one that systems are compared by
    intervals  of some of them
    item       what the rows of `items` are: recording, session, keyword, system, utterance
    """

    definition: Definition
    values: Numbers
    intervals: dict[str, Bounds]
    item: str
    items: dict[str, Numbers]


_COMPARED, _SHOWN = 30, 500
"""Systems of a listening test with headline numbers of their differences, and of their own."""


def facts(result: Result, *, draws: int = DRAWS) -> Facts:
    """The facts of a result; intervals by so many draws."""
    match result:
        case Diarization():
            return _diarization(result, draws)
        case Meetings():
            return _meetings(result, draws)
        case Verification():
            return _verification(result)
        case Spotting():
            return _spotting(result)
        case Listening():
            return _listening(result)
        case Synthesis():
            return _synthesis(result, draws)
        case Intelligibility():
            return _intelligibility(result, draws)


def _diarization(result: Diarization, draws: int) -> Facts:
    pooled = result.pooled
    bounds = _drawn(
        "der", pooled.der, len(result.recordings), lambda: result.interval(draws=draws), "recordings"
    )
    values = {
        "der": pooled.der,
        "jer": pooled.jer,
        **_numbers(pooled),
        "recordings": float(len(result.recordings)),
        "recordings_missing": float(len(result.missing)),
    }
    items = {
        name: {"der": each.der, "jer": each.jer, **_numbers(each)} for name, each in result.recordings.items()
    }
    return Facts(result.definition, values, bounds, "recording", items)


def _meetings(result: Meetings, draws: int) -> Facts:
    measure = str(result.definition.settings["measure"])
    bounds = _drawn(
        measure, result.pooled.rate, len(result.sessions), lambda: result.interval(draws=draws), "sessions"
    )

    def row(each: MeetingCounts) -> Numbers:
        return {measure: each.rate, **_numbers(each)}

    values = {
        **row(result.pooled),
        "sessions": float(len(result.sessions)),
        "sessions_missing": float(len(result.missing)),
    }
    return Facts(
        result.definition,
        values,
        bounds,
        "session",
        {name: row(each) for name, each in result.sessions.items()},
    )


def _verification(result: Verification) -> Facts:
    values: Numbers = {
        "eer": result.eer,
        "eer_threshold": result.eer_threshold,
        **_cost("min_dcf", result.min_dcf),
    }
    if result.actual_dcf is not None:
        values |= {**_cost("actual_dcf", result.actual_dcf), "cllr": result.cllr}
    values |= {"targets": float(result.targets), "nontargets": float(result.nontargets)}
    bounds = {}
    for name, each in (("eer", result.eer_bounds), ("min_dcf_normalised", result.min_dcf_bounds)):
        if each is not None:
            bounds[name] = Bounds(each.low, each.high, result.level, f"bootstrap of {result.drawn}")
    return Facts(result.definition, values, bounds, "none", {})


def _cost(name: str, cost: Cost) -> Numbers:
    return {
        f"{name}_normalised": cost.normalised,
        f"{name}_unnormalised": cost.unnormalised,
        f"{name}_threshold": cost.threshold,
    }


def _spotting(result: Spotting) -> Facts:
    rates = result.rates
    values: Numbers = {"frr": rates.frr, "false_alarms_per_hour": rates.false_alarms_per_hour}
    if rates.frr is None:  # a set on which nothing is said: systems are compared by their false alarms
        del values["frr"]
    if result.twv is not None:
        values |= result.twv._asdict()
    values |= {**_numbers(rates), "seconds": result.seconds}
    items = {name: _numbers(each) for name, each in result.keywords.items()}
    return Facts(result.definition, values, {}, "keyword", items)


def _listening(result: Listening) -> Facts:
    """Differences are headline numbers of up to so many systems; the scores of all are among the items."""
    kind = str(result.definition.settings["kind"])
    values: Numbers = {}
    bounds: dict[str, Bounds] = {}
    for name, opinion in list(result.systems.items())[:_SHOWN]:
        key = kind if len(result.systems) == 1 else f"{kind}.{name}"
        values[key] = opinion.mean
        bounds |= _opinion_bounds(key, opinion, result)
    for each in result.preferences if len(result.systems) <= _COMPARED else ():
        key = f"difference.{each.first}-{each.second}"
        values[key] = each.difference.mean
        bounds |= _opinion_bounds(key, each.difference, result)
    items = {
        name: {kind: each.mean, "low": _known(each.low), "high": _known(each.high), **_sizes(each)}
        for name, each in result.systems.items()
    }
    return Facts(result.definition, values, bounds, "system", items)


def _opinion_bounds(name: str, opinion: Opinion, result: Listening) -> dict[str, Bounds]:
    level = result.definition.settings["level"]
    if isnan(opinion.low) or not isinstance(level, float):
        return {}
    method = "two-way bootstrap of listeners and items" if opinion.method == "two-way" else opinion.method
    return {name: Bounds(opinion.low, opinion.high, level, method)}


def _sizes(opinion: Opinion) -> Numbers:
    return {
        "ratings": float(opinion.ratings),
        "listeners": float(opinion.listeners),
        "items": float(opinion.items),
    }


def _synthesis(result: Synthesis, draws: int) -> Facts:
    bounds = _drawn(
        "mcd", result.mean.mcd, len(result.utterances), lambda: result.interval(draws=draws), "utterances"
    )
    items = {name: _numbers(each) for name, each in result.utterances.items()}
    values = {**_numbers(result.mean), "utterances": float(len(items))}
    return Facts(result.definition, values, bounds, "utterance", items)


def _intelligibility(result: Intelligibility, draws: int) -> Facts:
    pooled = result.pooled
    bounds = _drawn(
        "rate", pooled.rate, len(result.utterances), lambda: result.interval(draws=draws), "utterances"
    )
    values = {
        "rate": pooled.rate,
        **_numbers(pooled),
        "utterances": float(len(result.utterances)),
        "missing": float(len(result.missing)),
    }
    items = {name: {"rate": each.rate, **_numbers(each)} for name, each in result.utterances.items()}
    return Facts(result.definition, values, bounds, "utterance", items)


def _numbers(row: Components | MeetingCounts | Rates | Distortion | Sequence[Any]) -> Numbers:
    named: Mapping[str, float | None] = row._asdict()  # type: ignore[union-attr]
    return {name: None if value is None else float(value) for name, value in named.items()}


def _known(value: float) -> float | None:
    return None if isnan(value) else value


def _drawn(name: str, value: float | None, parts: int, make: Any, what: str) -> dict[str, Bounds]:
    """The interval by drawing parts; none of a single part, nor where there is no number."""
    if value is None or parts < 2:
        return {}
    interval: Interval = make()
    return {name: Bounds(interval.low, interval.high, LEVEL, f"bootstrap of {what}")}
