"""Intelligibility of synthetic speech: the error rate of a recogniser's transcripts against the texts that were spoken.

The number depends on the recogniser as much as on the speech: it is named, with its version, and rates of two
recognisers never stand side by side.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from .counts import Counts, total
from .definitions import OURS, Definition, define
from .intervals import Interval, rate_interval
from .profiles import Profile


class Intelligibility(msgspec.Struct, frozen=True, kw_only=True):
    """The result over a set of utterances; `missing` have no transcript, which counts as the profile says."""

    definition: Definition
    utterances: dict[str, Counts]
    missing: list[str]

    @property
    def pooled(self) -> Counts:
        """Of all utterances."""
        return total(self.utterances.values())

    def interval(self, **options: Any) -> Interval:
        """Of the pooled rate, utterances drawn with replacement; options as of intervals.rate_interval."""
        rows = list(self.utterances.values())
        return rate_interval([each.errors for each in rows], [each.reference for each in rows], **options)


def intelligibility(
    spoken: Mapping[str, str],
    recognised: Mapping[str, str],
    *,
    profile: Profile,
    recogniser: str,
    language: str | None = None,
) -> Intelligibility:
    """Scores transcripts.

    spoken      {utterance: text given to the synthesis}
    recognised  {utterance: transcript}
    recogniser  its name and version, e.g. `whisper-large-v3`

    Raises ValueError for transcripts of utterances that were not spoken, without an utterance, and as the profile does.
    """
    unknown = sorted(set(recognised) - set(spoken))
    if unknown:
        raise ValueError(f"utterance {unknown[0]!r} was recognised, but not spoken")
    if not spoken:
        raise ValueError("there is no utterance")
    if not recogniser.strip():
        raise ValueError("recogniser is empty: name it, with its version")
    references = [profile.prepare(text, language) for text in spoken.values()]
    hypotheses = [
        profile.prepare(recognised[name], language) if name in recognised else None for name in spoken
    ]
    counts = profile.count(references, hypotheses)
    definition = define(
        "intelligibility",
        OURS,
        recogniser=recogniser,
        profile=f"{profile.name}-{profile.version}",
        profile_identity=profile.identity.hex(),
        language=language,
    )
    return Intelligibility(
        definition=definition,
        utterances={name: Counts(*row) for name, row in zip(spoken, counts.tolist(), strict=True)},
        missing=[name for name in spoken if name not in recognised],
    )
