"""Where a word was said: keyword spotting and wake words by false alarms an hour and rejections, and by TWV.

A hit is correct when its midpoint lies within the tolerance of the midpoint of a reference of the same keyword and
recording that no better hit has taken; hits choose in the order of their scores, each the reference that it overlaps
best (as Kaldi's compute-atwv aligns hits that are sorted by score). So the hits above any threshold are aligned as if
there were no others, and one alignment serves all thresholds.

FRR(θ)    references without a correct hit that scores at least θ, per reference
FA/h(θ)   other hits that score at least θ, per hour of audio
TWV(θ)    1 - mean over keywords that have a reference of [P_miss + β · P_FA], with P_FA = false alarms / (T - references)
          and T trials, one a second of speech (NIST OpenKWS evaluation plan; β = 999.9 is C/V = 0.1 with a prior of 1e-4)
ATWV      TWV at the threshold that the system decided by
MTWV      TWV at the best single threshold, searched over all scores (Kaldi searches steps of 0.05)
OTWV      as MTWV with the best threshold for each keyword
STWV      1 - mean P_miss over all hits, false alarms not counted
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from math import isfinite, isnan
from typing import NamedTuple, NoReturn
from xml.parsers import expat

import msgspec
import numpy as np
from numpy.typing import NDArray

from .definitions import OURS, Definition, define
from .lines import BadLine, check_spans, split_lines

BETA = 999.9
TOLERANCE = 0.5
"""Seconds between midpoints."""
Floats = NDArray[np.float64]


class Occurrence(NamedTuple):
    """A keyword that was said, in seconds from the start of the recording."""

    keyword: str
    recording: str
    start: float
    end: float


class Hit(NamedTuple):
    """A keyword that a system claims to have heard; `accepted` is its own decision, where it made one."""

    keyword: str
    recording: str
    start: float
    end: float
    score: float
    accepted: bool | None = None


class Rates(NamedTuple):
    """At one threshold, or by the decisions of the system (None).

    frr                   share of references that are missed; None without a reference
    false_alarms_per_hour of audio
    """

    threshold: float | None
    references: int
    missed: int
    false_alarms: int
    frr: float | None
    false_alarms_per_hour: float


class TermWeighted(NamedTuple):
    """Term-weighted values; at most 1, without a lower end."""

    atwv: float
    mtwv: float
    mtwv_threshold: float
    otwv: float
    stwv: float


class Spotting(msgspec.Struct, frozen=True, kw_only=True):
    """The result over a set of recordings.

    det       (threshold, FRR, false alarms an hour), thresholds falling
    keywords  {keyword: rates at the threshold}
    twv       None where no keyword has a reference
    """

    definition: Definition
    seconds: float
    rates: Rates
    keywords: dict[str, Rates]
    twv: TermWeighted | None
    det: list[tuple[float, float, float]]


class Alignment(NamedTuple):
    """Hits by falling score, which are correct, and which the system accepted; of one keyword or of all."""

    scores: Floats
    correct: NDArray[np.bool_]
    accepted: NDArray[np.bool_]
    references: int

    def counted(self, threshold: float | None) -> NDArray[np.bool_]:
        """The hits that count: from a threshold on, or those that the system accepted."""
        return self.accepted if threshold is None else self.scores >= threshold


def spotting(
    references: Sequence[Occurrence],
    hits: Sequence[Hit],
    *,
    seconds: float,
    threshold: float | None,
    tuned_on: str | None = None,
    beta: float = BETA,
    trials: float | None = None,
    tolerance: float = TOLERANCE,
    points: int = 500,
) -> Spotting:
    """Scores hits.

    seconds    of audio that was searched
    threshold  that the system decides by: a hit counts when it scores at least that; None: by its own decisions,
               which all hits have then
    tuned_on   the set the threshold was chosen on; None: it was fixed beforehand
    trials     T of P_FA; None: one a second of `seconds`

    Raises ValueError for no audio, times or scores that are none, a threshold that is no number, a β below 0, and a
    keyword with as many references as trials.
    """
    _check_seconds(seconds)
    if threshold is not None and isnan(threshold):
        raise ValueError("threshold is nan; give a number")
    if not 0 <= beta < float("inf"):
        raise ValueError(f"beta is {beta}; give a number ≥ 0, 999.9 is usual")
    check_spans(references, "reference")
    check_spans(hits, "hit")
    for place, hit in enumerate(hits):
        if not isfinite(hit.score):
            raise ValueError(f"hit {place} has the score {hit.score}; give finite scores")
        if threshold is None and hit.accepted is None:
            raise ValueError(f"hit {place} has no decision, and no threshold is given")
    aligned = align_hits(references, hits, tolerance=tolerance)
    pooled = _pool(list(aligned.values()))
    total = float(seconds if trials is None else trials)
    definition = define(
        "spotting",
        OURS,
        tolerance=float(tolerance),
        matching="overlap, by falling score",
        beta=float(beta),
        trials="one a second of audio" if trials is None else float(trials),
        threshold_from=_origin(threshold, tuned_on),
    )
    return Spotting(
        definition=definition,
        seconds=float(seconds),
        rates=rates_at(pooled, threshold, seconds),
        keywords={name: rates_at(each, threshold, seconds) for name, each in sorted(aligned.items())},
        twv=term_weighted(aligned, threshold, beta=beta, trials=total),
        det=_det(pooled, seconds, points),
    )


def _check_seconds(seconds: float) -> None:
    if not 0 < seconds < float("inf"):
        raise ValueError(f"seconds is {seconds}; give the audio that was searched, > 0")


def _origin(threshold: float | None, tuned_on: str | None) -> str:
    if threshold is None:
        return "decisions of the system"
    return "fixed" if tuned_on is None else f"tuned on {tuned_on}"


def align_hits(
    references: Iterable[Occurrence], hits: Iterable[Hit], *, tolerance: float = TOLERANCE
) -> dict[str, Alignment]:
    """The alignment of each keyword that has a reference or a hit."""
    waiting: dict[tuple[str, str], list[Occurrence]] = defaultdict(list)
    counts: dict[str, int] = defaultdict(int)
    for each in references:
        waiting[each.keyword, each.recording].append(each)
        counts[each.keyword] += 1
    found: dict[str, list[tuple[float, bool, bool]]] = {keyword: [] for keyword in counts}
    for hit in sorted(hits, key=lambda hit: (-hit.score, hit.recording, hit.start, hit.end)):
        taken = _best(hit, waiting.get((hit.keyword, hit.recording), []), tolerance)
        if taken is not None:
            waiting[hit.keyword, hit.recording].remove(taken)
        found.setdefault(hit.keyword, []).append((hit.score, taken is not None, bool(hit.accepted)))
    return {
        keyword: Alignment(
            np.array([score for score, _, _ in rows], np.float64),
            np.array([correct for _, correct, _ in rows], np.bool_),
            np.array([accepted for _, _, accepted in rows], np.bool_),
            counts.get(keyword, 0),
        )
        for keyword, rows in found.items()
    }


def _best(hit: Hit, references: Sequence[Occurrence], tolerance: float) -> Occurrence | None:
    near = [each for each in references if abs(each.start + each.end - hit.start - hit.end) / 2 <= tolerance]
    return max(near, key=lambda each: _overlap(each, hit), default=None)


def _overlap(one: Occurrence, other: Hit) -> float:
    """Common time per covered time; negative for a gap."""
    covered = max(one.end, other.end) - min(one.start, other.start)
    common = min(one.end, other.end) - max(one.start, other.start)
    return common / covered if covered else 0.0


def rates_at(aligned: Alignment, threshold: float | None, seconds: float) -> Rates:
    """Counts and rates at one threshold, or by decisions."""
    accepted = aligned.counted(threshold)
    correct = int(np.sum(accepted & aligned.correct))
    alarms = int(np.sum(accepted & ~aligned.correct))
    missed = aligned.references - correct
    frr = missed / aligned.references if aligned.references else None
    return Rates(threshold, aligned.references, missed, alarms, frr, alarms * 3600 / seconds)


def threshold_at(
    references: Sequence[Occurrence],
    hits: Sequence[Hit],
    *,
    seconds: float,
    false_alarms_per_hour: float,
    tolerance: float = TOLERANCE,
) -> float:
    """The lowest threshold with at most so many false alarms an hour: chosen on a development set, for others.

    +∞ where no hit may be accepted. Raises ValueError for no audio, and a limit below 0.
    """
    _check_seconds(seconds)
    if not false_alarms_per_hour >= 0:
        raise ValueError(f"false_alarms_per_hour is {false_alarms_per_hour}; give a number ≥ 0")
    pooled = _pool(list(align_hits(references, hits, tolerance=tolerance).values()))
    scores, _, alarms = _steps(pooled)
    allowed = scores[alarms * 3600 <= false_alarms_per_hour * seconds]
    return float(allowed[-1]) if len(allowed) else float("inf")


def best_threshold(
    references: Sequence[Occurrence],
    hits: Sequence[Hit],
    *,
    seconds: float,
    beta: float = BETA,
    tolerance: float = TOLERANCE,
) -> float:
    """The threshold of the MTWV, with one trial a second: chosen on a development set, for others.

    +∞ where it is best to accept none. Raises ValueError for no audio, and where no keyword has a reference.
    """
    _check_seconds(seconds)
    aligned = align_hits(references, hits, tolerance=tolerance)
    found = term_weighted(aligned, float("inf"), beta=beta, trials=seconds)
    if found is None:
        raise ValueError("the development set has no reference: it has no term-weighted value")
    return found.mtwv_threshold


def term_weighted(
    aligned: dict[str, Alignment], threshold: float | None, *, beta: float = BETA, trials: float
) -> TermWeighted | None:
    """The values over keywords that have a reference; None where there is none.

    Raises ValueError where a keyword has as many references as there are trials.
    """
    spoken = {keyword: each for keyword, each in aligned.items() if each.references}
    for keyword, each in spoken.items():
        if each.references >= trials:
            raise ValueError(
                f"keyword {keyword!r} has {each.references} references, but there are {trials:g} trials"
            )
    if not spoken:
        return None
    gains = [_gains(each, beta, trials) for each in spoken.values()]
    scores = np.concatenate([each.scores for each in spoken.values()])
    order = np.argsort(-scores, kind="stable")
    walked = np.append(0.0, np.cumsum(np.concatenate(gains)[order])) / len(spoken)
    # A threshold accepts all hits of its score: only the last of equal scores is a place to stop.
    ends = np.append(True, np.append(np.diff(scores[order]) != 0, True)[: len(scores)])
    best = int(np.argmax(np.where(ends, walked, -np.inf)))
    best_threshold = float("inf") if best == 0 else float(scores[order][best - 1])
    accepted = [
        float(gain[each.counted(threshold)].sum()) for gain, each in zip(gains, spoken.values(), strict=True)
    ]
    return TermWeighted(
        atwv=sum(accepted) / len(spoken),
        mtwv=float(walked[best]),
        mtwv_threshold=best_threshold,
        otwv=float(
            np.mean([_best_gain(gain, each) for gain, each in zip(gains, spoken.values(), strict=True)])
        ),
        stwv=float(np.mean([each.correct.sum() / each.references for each in spoken.values()])),
    )


def _gains(aligned: Alignment, beta: float, trials: float) -> Floats:
    """What each hit, when accepted, adds to its keyword's value, which is 0 without a hit."""
    cost = beta / (trials - aligned.references)
    return np.where(aligned.correct, 1 / aligned.references, -cost)


def _best_gain(gains: Floats, aligned: Alignment) -> float:
    ends = np.append(np.diff(aligned.scores) != 0, True)[: len(gains)]
    return float(max(0.0, np.max(np.cumsum(gains)[ends], initial=0.0)))


def _pool(alignments: Sequence[Alignment]) -> Alignment:
    if not alignments:
        return Alignment(np.empty(0), np.empty(0, np.bool_), np.empty(0, np.bool_), 0)
    scores = np.concatenate([each.scores for each in alignments])
    correct = np.concatenate([each.correct for each in alignments])
    accepted = np.concatenate([each.accepted for each in alignments])
    order = np.argsort(-scores, kind="stable")
    return Alignment(
        scores[order], correct[order], accepted[order], sum(each.references for each in alignments)
    )


def _steps(aligned: Alignment) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
    """(distinct scores falling, correct hits, false alarms), both at that threshold."""
    ends = np.append(np.diff(aligned.scores) != 0, True)[: len(aligned.scores)]
    return aligned.scores[ends], np.cumsum(aligned.correct)[ends], np.cumsum(~aligned.correct)[ends]


def _det(aligned: Alignment, seconds: float, points: int) -> list[tuple[float, float, float]]:
    if not aligned.references or not len(aligned.scores):
        return []
    scores, correct, alarms = _steps(aligned)
    chosen = np.unique(np.linspace(0, len(scores) - 1, min(points, len(scores))).round().astype(int))
    frr = 1 - correct / aligned.references
    rows = zip(
        scores[chosen].tolist(), frr[chosen].tolist(), (alarms * 3600 / seconds)[chosen].tolist(), strict=True
    )
    return list(rows)


def read_occurrences(lines: Iterable[str], source: str = "references") -> list[Occurrence]:
    """`keyword recording start end` a line, in seconds; raises BadLine with the place."""
    found = []
    for line in split_lines(lines, source):
        line.expect(4, "keyword recording start end")
        start = line.number_of(2, "start", least=0)
        found.append(Occurrence(line.fields[0], line.fields[1], start, line.number_of(3, "end", least=start)))
    return found


def read_hits(lines: Iterable[str], source: str = "hits") -> list[Hit]:
    """`keyword recording start end score` a line; raises BadLine with the place."""
    found = []
    for line in split_lines(lines, source):
        line.expect(5, "keyword recording start end score")
        start = line.number_of(2, "start", least=0)
        end = line.number_of(3, "end", least=start)
        found.append(Hit(line.fields[0], line.fields[1], start, end, line.number_of(4, "score")))
    return found


def read_kwslist(content: bytes | str, source: str = "kwslist.xml") -> list[Hit]:
    """The hits of a kwslist file, as NIST defines it and Kaldi writes it, with their decisions.

    Raises BadLine with the place for what is no such file, and for a hit without its attributes.
    """
    found: list[Hit] = []
    keyword = ""
    parser = expat.ParserCreate()

    def fail(problem: str) -> NoReturn:
        raise BadLine(f"{source}:{parser.CurrentLineNumber}: {problem}")

    def begin(name: str, given: dict[str, str]) -> None:
        nonlocal keyword
        if not found and not keyword and name not in ("kwslist", "detected_kwlist"):
            fail(f"has the element {name!r}; a kwslist file begins with <kwslist>")
        if name == "detected_kwlist":
            keyword = given.get("kwid", "")
        elif name == "kw":
            try:
                start = float(given["tbeg"])
                place = (keyword, given["file"], start, start + float(given["dur"]), float(given["score"]))
            except KeyError as error:
                fail(f"a hit has no {error.args[0]}")
            except ValueError as error:
                fail(str(error))
            found.append(Hit(*place, given["decision"] == "YES" if "decision" in given else None))

    parser.StartElementHandler = begin
    parser.StartDoctypeDeclHandler = lambda *_: fail("has a document type, which is not read")
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise BadLine(f"{source}:{error.lineno}: is no XML: {expat.errors.messages[error.code]}") from None
    return found
