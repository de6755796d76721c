"""What every format is read into, and what is wrong with a file that is not what it should be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal

import msgspec

from ..errors import TrackerError

Role = Literal["reference", "hypothesis"]
"""Whose words a format's text is; formats that hold both say so themselves."""


class FormatError(TrackerError):
    """A file that cannot be read as it stands.

    The message begins with file:line and names the field, the hint is the fix.
    """


class Utterance(msgspec.Struct, frozen=True, kw_only=True):
    """One stretch of speech, as far as a file tells of it.

    reference       what was said; None when the file does not say, which is not the same as "" (nothing was said)
    hypothesis      what a system recognised; likewise
    audio           path or URI as it stands in the file, or a command that ends with `|`; never opened here
    start           of the stretch in the audio, and its duration, in seconds
    decode_seconds  that the system took
    conditions      anything else that is known: noise, gender, domain, …
    place           file:line that it was read from
    """

    id: str
    reference: str | None = None
    hypothesis: str | None = None
    speaker: str | None = None
    audio: str | None = None
    start: float | None = None
    duration: float | None = None
    language: str | None = None
    decode_seconds: float | None = None
    conditions: dict[str, str] = {}
    place: str = ""

    def row(self) -> dict[str, Any]:
        """As Client.register_test_set takes it: without what is unknown, and without the hypothesis."""
        fields = {name: getattr(self, name) for name in _ROW}
        return {name: value for name, value in fields.items() if value not in (None, {})}


_ROW = ("id", "reference", "speaker", "audio", "start", "duration", "language", "conditions")


def words(role: Role, text: str) -> dict[str, Any]:
    """The field of an utterance that holds a text."""
    return {role: text}


def once(utterances: Iterable[Utterance]) -> Iterator[Utterance]:
    """The utterances; raises FormatError where an id comes again."""
    seen: dict[str, str] = {}
    for utterance in utterances:
        if utterance.id in seen:
            raise FormatError(
                f"{utterance.place}: utterance {utterance.id!r} stands there twice, first at {seen[utterance.id]}",
                "keep one of the lines, or give the utterances different ids",
            )
        seen[utterance.id] = utterance.place
        yield utterance


def seconds(value: Any, field: str, place: str, *, least: float | None = 0.0) -> float:
    """A time; raises FormatError that names field and place."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        raise FormatError(
            f"{place}: {field}: {str(value)[:40]!r} is not a number", "write seconds, e.g. 12.5"
        ) from None
    if found != found or abs(found) == float("inf"):
        raise FormatError(f"{place}: {field}: {value} is not a finite number", "write seconds, e.g. 12.5")
    if least is not None and found < least:
        raise FormatError(
            f"{place}: {field}: {value} is negative", "times are seconds ≥ 0; is the end before the start?"
        )
    return found
