"""May a candidate take the place of a reference: on each set and each group of speakers, by a paired test.

regressed  its rate is more than the allowed difference above the reference's, and the paired bootstrap shows that it
           is worse (two-sided, Holm over all checks, so that many groups do not make a false alarm likely)
unsure     its rate is that much higher, but not shown to be: too few words, speakers or differences
passed     anything else
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from .intervals import DRAWS, Interval
from .report import ALPHA, Scores, difference, totals
from .significance import holm

Verdict = Literal["passed", "unsure", "regressed", "not compared"]


class Check(NamedTuple):
    """One set, or one group of speakers in it.

    allowed     difference of rates
    difference  candidate's rate less the reference's
    coverage    utterances scored for both / registered
    """

    test_set: str
    group: str
    verdict: Verdict
    rate: float | None
    reference_rate: float | None
    allowed: float
    difference: Interval | None
    p: float | None
    coverage: float
    warnings: tuple[str, ...]


Pair = tuple[Scores, Scores]
"""Of candidate and reference, on the same utterances."""


def check(
    pairs: Mapping[tuple[str, str], Pair],
    *,
    max_regress: float,
    relative: bool = False,
    alpha: float = ALPHA,
    draws: int = DRAWS,
) -> list[Check]:
    """A check for each (test set, group); the group "" is all of the set.

    max_regress  allowed rise of the rate; with `relative` as a share of the reference's rate
    """
    found = [
        _measure(name, group, pair, max_regress, relative, draws) for (name, group), pair in pairs.items()
    ]
    adjusted = holm({str(place): each.p for place, each in enumerate(found) if each.p is not None})
    return [_judge(each, adjusted.get(str(place)), alpha) for place, each in enumerate(found)]


def passed(checks: Iterable[Check], *, strict: bool = False) -> bool:
    """Whether nothing has regressed; with `strict` nothing may be unsure or without comparison either."""
    good = ("passed",) if strict else ("passed", "unsure")
    return all(each.verdict in good for each in checks)


def document(check: Check) -> dict[str, Any]:
    """A check as answers for programs show it; the group of a whole set is null."""
    interval = check.difference
    return {
        "set": check.test_set,
        "group": check.group or None,
        "verdict": check.verdict,
        "rate": check.rate,
        "reference_rate": check.reference_rate,
        "allowed": check.allowed,
        "difference": interval.value if interval else None,
        "interval": [interval.low, interval.high] if interval else None,
        "p": check.p,
        "coverage": check.coverage,
        "warnings": list(check.warnings),
    }


def _measure(test_set: str, group: str, pair: Pair, max_regress: float, relative: bool, draws: int) -> Check:
    candidate, reference = pair
    both = candidate.counted & reference.counted
    mine, yours = totals(candidate.only(both)), totals(reference.only(both))
    allowed = max_regress * (yours.rate or 0.0) if relative else max_regress
    coverage = mine.scored / len(both) if len(both) else 0.0
    if mine.rate is None or yours.rate is None:
        said = ("no utterance with a reference token is scored for both",)
        return Check(test_set, group, "not compared", None, None, allowed, None, None, coverage, said)
    found = difference(candidate, reference, draws=draws)
    return Check(
        test_set,
        group,
        "passed",
        mine.rate,
        yours.rate,
        allowed,
        found.difference,
        found.p,
        coverage,
        found.warnings,
    )


def _judge(check: Check, p: float | None, alpha: float) -> Check:
    if check.difference is None or p is None:
        return check
    verdict: Verdict = "passed"
    if check.difference.value > check.allowed:
        verdict = "regressed" if p < alpha else "unsure"
    return check._replace(verdict=verdict, p=p)
