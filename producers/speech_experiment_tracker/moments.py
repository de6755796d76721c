"""Moments as people say them: `last tuesday`, `yesterday 18:00`, `3 days ago`, `2026-11-17`.

They are understood on the clock of whoever asks, and sent with the offset from UTC. A day means its
end, so that the whole of it is included; nothing is later than now.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from .errors import TrackerError

AsOf = str | datetime | date | None
"""A vector of an earlier answer, a moment, a day, or a phrase for one; None: now."""

ACCEPTED = "2026-11-17, 2026-11-17T18:00, 'last tuesday', 'yesterday 18:00', '3 days ago', or the vector of an answer"
_VECTOR = re.compile(r"[A-Za-z0-9_.~=-]{16,}\Z")
_ELAPSED = re.compile(r"\b(hours?|h|minutes?|mins?|m|seconds?|secs?|s)\s+ago\b")
_RELATIVE = re.compile(r"\b(ago|last)\b")
_AMBIGUOUS = re.compile(r"\b\d{1,2}[./]\d{1,2}[./]\d{2,4}\b|\A\d+\Z")
"""Dates that one half of the world reads otherwise than the other, and bare numbers."""
_WHOLE = ("day", "week", "month", "year")
_CLOCKS_DIFFER = timedelta(minutes=1)


def as_of(given: AsOf, now: datetime | None = None) -> str | None:
    """What the API takes for `as_of`: a vector as it is, a moment in ISO 8601 with its offset.

    now  aware, in the zone of whoever asks; this machine's if left out

    Raises TrackerError for a text that is no moment, and for a moment that has not been yet.
    """
    if given is None:
        return None
    if isinstance(given, str) and is_vector(given):
        return given
    return moment(given, now).isoformat()


def is_vector(text: str) -> bool:
    """Whether a text looks like the vector of an answer, and like no date."""
    return _VECTOR.match(text) is not None and _iso(text) is None


def moment(given: str | datetime | date, now: datetime | None = None) -> datetime:
    """The aware moment that is meant; of a day its last microsecond, or now when it has not ended.

    Raises TrackerError as as_of does.
    """
    return _span(given, now)[1]


def beginning(given: str | datetime | date, now: datetime | None = None) -> datetime:
    """The same for what something is to begin with: of a day its first moment."""
    return _span(given, now)[0]


def _span(given: str | datetime | date, now: datetime | None) -> tuple[datetime, datetime]:
    """The first and the last moment of what is meant."""
    zone = None if now is None else now.tzinfo
    now = datetime.now(UTC).astimezone() if now is None else now
    found, whole_day = _read(given, now)
    walls = [datetime.combine(found, each) for each in (time.min, time.max)] if whole_day else [found] * 2
    first, last = (_aware(wall, zone) for wall in walls)
    if first > now + _CLOCKS_DIFFER:
        raise TrackerError(f"{str(given)!r} has not been yet", f"write {ACCEPTED}")
    return first, min(last, now)


def _read(given: str | datetime | date, now: datetime) -> tuple[datetime, bool]:
    """The moment, on the wall clock unless it says its offset, and whether its whole day is meant."""
    if isinstance(given, datetime):
        return given, False
    if isinstance(given, date):
        return datetime.combine(given, time.min), True
    text = given.strip()
    found = _iso(text) or _phrase(text.lower(), now)
    if found is None:
        raise TrackerError(f"{given!r} is no moment", f"write {ACCEPTED}")
    return found


def _iso(text: str) -> tuple[datetime, bool] | None:
    try:
        return datetime.fromisoformat(text), len(text) <= 10
    except ValueError:
        return None


def _phrase(text: str, now: datetime) -> tuple[datetime, bool] | None:
    if _AMBIGUOUS.search(text):
        return None
    from dateparser.date import DateDataParser

    elapsed = _ELAPSED.search(text) is not None  # hours go by evenly, also when clocks are changed
    base = (now.astimezone(UTC) if elapsed else now).replace(tzinfo=None)
    settings = {"RELATIVE_BASE": base, "PREFER_DATES_FROM": "past", "RETURN_TIME_AS_PERIOD": True}
    data = DateDataParser(languages=["en"], settings=settings).get_date_data(text)
    found: datetime | None = data.date_obj
    if found is None or (data.period in ("month", "year") and not _RELATIVE.search(text)):
        return None
    return (found.replace(tzinfo=UTC) if elapsed else found), data.period in _WHOLE


def _aware(moment: datetime, zone: tzinfo | None) -> datetime:
    """In a zone; None: this machine's, whose offset depends on the date."""
    if moment.tzinfo is None and zone is not None:
        return moment.replace(tzinfo=zone)
    return moment.astimezone(zone)
