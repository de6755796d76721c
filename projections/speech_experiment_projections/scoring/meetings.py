"""Words of several speakers: cpWER, ORC-WER and their time-constrained kin, by meeteval.

cpwer    each speaker's words in a row, speakers matched for the fewest errors (Watanabe et al., CHiME-6, 2020)
orcwer   each utterance of the reference put on the output stream that suits it best (Sklyar et al. 2022)
tcpwer   as cpwer, words matched only where their times meet within the collar (von Neumann et al. 2023)
tcorcwer as orcwer, with times

The collar, in seconds, widens every word of the hypothesis on both sides. Words of a segment get times by their
characters: `character_based` of the reference, `character_based_points` of the hypothesis, meeteval's defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, NamedTuple, get_args

import msgspec

from .counts import Counts
from .definitions import Definition, define
from .intervals import Interval, rate_interval
from .lines import BadLine, check_spans, split_lines

Measure = Literal["cpwer", "orcwer", "tcpwer", "tcorcwer"]
_TIMED = {"cpwer": "tcpwer", "orcwer": "tcorcwer"}
_TIMING = {"ref_pseudo_word_timing": "character_based", "hyp_pseudo_word_timing": "character_based_points"}


class Segment(NamedTuple):
    """Words that one speaker says, or one output stream holds, in seconds from the start of the session."""

    session: str
    speaker: str
    start: float
    end: float
    words: str


class MeetingCounts(NamedTuple):
    """Of one session, or of many added up.

    missed_speakers, extra_speakers, scored_speakers  of cpwer and tcpwer; 0 for the others
    """

    words: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    missed_speakers: int = 0
    extra_speakers: int = 0
    scored_speakers: int = 0

    @property
    def counts(self) -> Counts:
        """As of any alignment."""
        hits = self.words - self.substitutions - self.deletions
        return Counts(hits, self.substitutions, self.deletions, self.insertions)

    @property
    def rate(self) -> float | None:
        """Errors per word of the reference; None without a word."""
        return self.counts.rate


class Meetings(msgspec.Struct, frozen=True, kw_only=True):
    """The result over a set of sessions; `missing` are those that the hypothesis does not name (all deleted)."""

    definition: Definition
    sessions: dict[str, MeetingCounts]
    missing: list[str]

    @property
    def pooled(self) -> MeetingCounts:
        """Of all sessions: their rate is Σ errors / Σ words."""
        return MeetingCounts(*(sum(column) for column in zip(*self.sessions.values(), strict=True)))

    def interval(self, **options: Any) -> Interval:
        """Of the pooled rate, sessions drawn with replacement; options as of intervals.rate_interval."""
        rows = list(self.sessions.values())
        return rate_interval([each.counts.errors for each in rows], [each.words for each in rows], **options)


def meetings(
    reference: Sequence[Segment],
    hypothesis: Sequence[Segment],
    *,
    measure: Measure = "cpwer",
    collar: float | None = None,
    prepare: Callable[[str], str] | None = None,
    profile: str | None = None,
) -> Meetings:
    """Scores a hypothesis session by session.

    collar   seconds; needed by tcpwer and tcorcwer, 5 is usual, and refused by the others
    prepare  text → words with single spaces, both sides; None: as it is
    profile  names what `prepare` does, for the definition

    Raises ValueError for sessions that the reference does not have, times that are none, words that are no text, and an
    empty reference.
    """
    timed = _checked(measure, collar, prepare, profile)
    check_spans(reference, "reference segment")
    check_spans(hypothesis, "hypothesis segment")
    for what, segments in (("reference", reference), ("hypothesis", hypothesis)):
        for place, each in enumerate(segments):
            if not isinstance(each.words, str):
                raise ValueError(f"{what} segment {place} has the words {each.words!r:.60}; give a text")
    sessions = list(dict.fromkeys(each.session for each in reference))
    if not sessions:
        raise ValueError("the reference has no segment")
    unknown = sorted({each.session for each in hypothesis} - set(sessions))
    if unknown:
        raise ValueError(f"the hypothesis has session {unknown[0]!r}, which the reference does not have")
    import meeteval

    given = {each.session for each in hypothesis}
    missing = [name for name in sessions if name not in given]
    silent = [Segment(name, "", 0.0, 0.0, "") for name in missing]
    found = getattr(meeteval.wer, measure)(
        _seglst(reference, prepare), _seglst([*hypothesis, *silent], prepare), **timed
    )
    settings = {**timed, "profile": profile, "measure": measure}
    return Meetings(
        definition=define("meeting", "meeteval", **settings),
        sessions={name: _counts(found[name]) for name in sessions},
        missing=missing,
    )


def _checked(
    measure: Measure, collar: float | None, prepare: Callable[[str], str] | None, profile: str | None
) -> dict[str, Any]:
    """The settings of times, those of meeteval; raises ValueError for what does not go together."""
    if measure not in get_args(Measure):
        raise ValueError(f"measure is {measure!r}, expected one of {', '.join(get_args(Measure))}")
    if (prepare is None) != (profile is None):
        raise ValueError("prepare and profile go together: the profile names what prepare does")
    if measure in _TIMED:
        if collar is not None:
            raise ValueError(f"{measure} knows no times and takes no collar; use {_TIMED[measure]}")
        return {}
    if collar is None or not 0 <= collar < float("inf"):
        raise ValueError(f"{measure} needs a collar in seconds ≥ 0, for example 5")
    return {"collar": float(collar), **_TIMING}


def _seglst(segments: Iterable[Segment], prepare: Callable[[str], str] | None) -> Any:
    import meeteval

    return meeteval.io.SegLST(
        [
            {
                "session_id": each.session,
                "speaker": each.speaker,
                "start_time": each.start,
                "end_time": each.end,
                "words": each.words if prepare is None else prepare(each.words),
            }
            for each in segments
        ]
    )


def _counts(found: Any) -> MeetingCounts:
    return MeetingCounts(
        int(found.length),
        int(found.substitutions),
        int(found.deletions),
        int(found.insertions),
        getattr(found, "missed_speaker", 0),
        getattr(found, "falarm_speaker", 0),
        getattr(found, "scored_speaker", 0),
    )


def read_stm(lines: Iterable[str], source: str = "stm") -> list[Segment]:
    """The segments of an STM file without its labels `<…>`; ignored segments are refused: no measure here knows them.

    Raises BadLine with the place.
    """
    segments = []
    for line in split_lines(lines, source):
        line.expect(5, "recording channel speaker start end [<labels>] words…")
        recording, _, speaker, _, _, *words = line.fields
        start = line.number_of(3, "start", least=0)
        end = line.number_of(4, "end", least=start)
        if words and words[0].startswith("<") and words[0].endswith(">"):
            words = words[1:]
        if any(word.upper() == "IGNORE_TIME_SEGMENT_IN_SCORING" for word in words):
            line.fail("asks to ignore a stretch of time, which is not scored here: cut it from both files")
        segments.append(Segment(recording, speaker, start, end, " ".join(words)))
    return segments


class _Row(msgspec.Struct):
    session_id: str
    speaker: str | int
    words: str
    start_time: float | str = 0.0
    end_time: float | str = 0.0


def read_seglst(content: bytes | str, source: str = "seglst.json") -> list[Segment]:
    """The segments of a SegLST file (JSON list of session_id, speaker, start_time, end_time, words).

    Raises BadLine with file and segment.
    """
    try:
        rows = msgspec.json.decode(content, type=list[_Row])
        return [
            Segment(row.session_id, str(row.speaker), float(row.start_time), float(row.end_time), row.words)
            for row in rows
        ]
    except (msgspec.DecodeError, ValueError) as error:
        raise BadLine(f"{source}: {error}") from None
