"""Who spoke when: diarization error rate (DER) and Jaccard error rate (JER), by pyannote.metrics.

DER = (missed + false alarm + confusion) / speech of the reference, all in seconds, pooled over recordings
(Fiscus et al. 2006; overlapped speech counts once for each speaker). JER = mean over the reference's speakers
of 1 - Jaccard index (Second DIHARD evaluation plan, 2019); of a corpus the mean over all speakers of all recordings.

The collar is pyannote's: the total width that is left out around each boundary of the reference. 0.5 s is
md-eval's `-c 0.25`.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from .definitions import Definition, define
from .intervals import Interval, rate_interval
from .lines import check_spans
from .turns import Region, Turn

if TYPE_CHECKING:
    from pyannote.core import Annotation, Timeline

_TICKS = 1_000_000
"""Seconds are drawn as whole microseconds."""


class Components(NamedTuple):
    """Of one recording, or of many added up.

    total, correct, missed, false_alarm, confusion   seconds
    speakers       of the reference
    speaker_error  Σ over them of 1 - Jaccard index
    """

    total: float = 0.0
    correct: float = 0.0
    missed: float = 0.0
    false_alarm: float = 0.0
    confusion: float = 0.0
    speakers: int = 0
    speaker_error: float = 0.0

    @property
    def errors(self) -> float:
        """Seconds."""
        return self.missed + self.false_alarm + self.confusion

    @property
    def der(self) -> float | None:
        """Errors per second of reference speech, may exceed 1; None without speech."""
        return self.errors / self.total if self.total else None

    @property
    def jer(self) -> float | None:
        """From 0 to 1; None without a speaker."""
        return self.speaker_error / self.speakers if self.speakers else None


class Diarization(msgspec.Struct, frozen=True, kw_only=True):
    """The result over a set of recordings.

    missing  recordings of the reference that the hypothesis does not name: all of their speech is missed
    """

    definition: Definition
    recordings: dict[str, Components]
    missing: list[str]

    @property
    def pooled(self) -> Components:
        """Of all recordings: DER and JER of the corpus."""
        return Components(*(sum(column) for column in zip(*self.recordings.values(), strict=True)))

    def interval(self, **options: Any) -> Interval:
        """Of the pooled DER, recordings drawn with replacement; options as of intervals.rate_interval."""
        rows = list(self.recordings.values())
        errors = [round(each.errors * _TICKS) for each in rows]
        return rate_interval(errors, [round(each.total * _TICKS) for each in rows], **options)


def diarization(
    reference: Sequence[Turn],
    hypothesis: Sequence[Turn],
    *,
    regions: Sequence[Region] | None = None,
    collar: float = 0.0,
    skip_overlap: bool = False,
) -> Diarization:
    """Scores a hypothesis recording by recording.

    regions       what is evaluated (UEM); a recording without a region is not. None: from the first start to the
                  last end of reference and hypothesis, as pyannote.metrics does where no UEM is given
    collar        seconds, total width around each boundary of the reference
    skip_overlap  leaves out where several speakers of the reference speak

    Raises ValueError for a hypothesis of recordings that the reference and the regions do not have, for times that
    are none, a negative collar, and where nothing is evaluated.
    """
    for what, spans in (("reference", reference), ("hypothesis", hypothesis), ("region", regions or ())):
        check_spans(spans, f"{what} turn" if what != "region" else what)
    if not 0 <= collar < float("inf"):
        raise ValueError(f"collar is {collar}; give seconds ≥ 0")
    wanted, given, areas = _by_recording(reference), _by_recording(hypothesis), _by_recording(regions or ())
    names = list(wanted if regions is None else areas)
    unknown = sorted(set(given) - set(wanted) - set(areas))
    if unknown:
        raise ValueError(f"the hypothesis has {_listed(unknown)}, which the reference does not have")
    if not names:
        raise ValueError("there is no recording to evaluate")
    definition = define(
        "diarization",
        "pyannote.metrics",
        collar=float(collar),
        skip_overlap=skip_overlap,
        uem="extent of reference and hypothesis" if regions is None else "given",
    )
    score = _Scorer(collar, skip_overlap)
    found = {
        name: score(wanted.get(name, []), given.get(name, []), None if regions is None else areas[name])
        for name in names
    }
    return Diarization(
        definition=definition, recordings=found, missing=[name for name in names if name not in given]
    )


class _Scorer:
    def __init__(self, collar: float, skip_overlap: bool) -> None:
        from pyannote.metrics.diarization import DiarizationErrorRate, JaccardErrorRate

        self._der = DiarizationErrorRate(collar=collar, skip_overlap=skip_overlap)
        self._jer = JaccardErrorRate(collar=collar, skip_overlap=skip_overlap)

    def __call__(
        self, reference: Sequence[Turn], hypothesis: Sequence[Turn], regions: Sequence[Region] | None
    ) -> Components:
        pair = _annotation(reference), _annotation(hypothesis)
        area = None if regions is None else _timeline(regions)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "'uem' was approximated", UserWarning)
            der = self._der.compute_components(*pair, uem=area)
            jer = self._jer.compute_components(*pair, uem=area)
        return Components(
            total=float(der["total"]),
            correct=float(der["correct"]),
            missed=float(der["missed detection"]),
            false_alarm=float(der["false alarm"]),
            confusion=float(der["confusion"]),
            speakers=int(jer["speaker count"]),
            speaker_error=float(jer["speaker error"]),
        )


def _annotation(turns: Iterable[Turn]) -> Annotation:
    from pyannote.core import Annotation, Segment

    made = Annotation()
    for track, turn in enumerate(turns):
        made[Segment(turn.start, turn.end), track] = turn.speaker
    return made


def _timeline(regions: Iterable[Region]) -> Timeline:
    from pyannote.core import Segment, Timeline

    return Timeline([Segment(each.start, each.end) for each in regions]).support()


def _by_recording(rows: Iterable[Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        found[row.recording].append(row)
    return found


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(map(repr, names[:3]))}{more}"
