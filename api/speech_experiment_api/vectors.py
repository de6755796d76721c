"""Vectors: where every partition of the log stood when an answer was given, as a text for links and papers.

What was answered at a vector is answered again, byte for byte, whatever was logged since. A vector is opaque
to clients: text of letters, digits, `-` and `_`. A moment in time becomes one by the broker's append times.
"""

from __future__ import annotations

import asyncio
import binascii
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from .positions import Place
from .problems import Problem, bad_request

if TYPE_CHECKING:
    from .log_ends import LogEnds
    from .positions import Positions

TOPICS = ("runs", "metrics", "evaluations", "artifacts", "control")
"""In the order that tokens have them."""
_MARK = "v"
_FORM = 1
_SUM_BYTES = 4
_LONGEST = 8_000
_WAIT_SECONDS = 5.0
_SETTLED = timedelta(milliseconds=200)
"""After a moment, until what the broker stamped with it is readable: the answer is to be the same from then on."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?P<zone>Z|[+-]\d{2}:?\d{2})?\Z")
_LOST_PLUS = re.compile(r"(?P<time>:\d{2}(?:\.\d+)?) (?=\d{2}:?\d{2}\Z)")
"""In a query string an unquoted + is a space."""
_HINT = "give the vector of an answer, a date (2026-11-17) or a time (2026-11-17T18:00:00+01:00)"


class Vector(NamedTuple):
    """A position of the log.

    log      names the Kafka log: 8 bytes, made of the id of its cluster
    moment   what `now` means, microseconds since 1970
    offsets  next offsets by partition, for each of TOPICS
    """

    log: bytes
    moment: int
    offsets: tuple[tuple[int, ...], ...]

    @property
    def now(self) -> datetime:
        return _EPOCH + timedelta(microseconds=self.moment)

    def below(self, topic: str) -> dict[int, int]:
        """{partition: next offset} of a topic."""
        return dict(enumerate(self.offsets[TOPICS.index(topic)]))

    def places(self) -> dict[Place, int]:
        return {
            (topic, partition): offset for topic in TOPICS for partition, offset in self.below(topic).items()
        }

    def token(self) -> str:
        """The text that stands for it."""
        body = msgspec.msgpack.encode((_FORM, self.log, self.moment, self.offsets))
        return _MARK + urlsafe_b64encode(_sum(body) + body).decode().rstrip("=")


def _sum(body: bytes) -> bytes:
    return blake2b(body, digest_size=_SUM_BYTES, person=b"vector").digest()


def vector_of(log: bytes, now: datetime, positions: Mapping[Place, int], partitions: int) -> Vector:
    """The vector of positions; a place without one has nothing applied."""
    offsets = tuple(
        tuple(positions.get((topic, partition), 0) for partition in range(partitions)) for topic in TOPICS
    )
    return Vector(log, (now - _EPOCH) // timedelta(microseconds=1), offsets)


def open_token(text: str, field: str = "as_of") -> Vector:
    """The inverse of Vector.token; raises a 400 for a damaged one."""
    try:
        if len(text) > _LONGEST:
            raise ValueError
        data = urlsafe_b64decode(text[1:] + "=" * (-len(text[1:]) % 4))
        total, body = data[:_SUM_BYTES], data[_SUM_BYTES:]
        form, log, moment, offsets = msgspec.msgpack.decode(
            body if total == _sum(body) else b"", type=tuple[int, bytes, int, tuple[tuple[int, ...], ...]]
        )
        if form != _FORM or len(offsets) != len(TOPICS):
            raise ValueError
        return Vector(log, moment, offsets)
    except (binascii.Error, ValueError, msgspec.DecodeError):
        detail = "the vector is damaged, or of a newer server; copy it whole from the answer that gave it"
        raise bad_request(detail, field, code="bad_vector") from None


def parse_as_of(text: str, now: datetime) -> Vector | datetime:
    """A vector, or the moment that a text names: a date is the end of its day, today's the whole second of `now`.

    Raises:
        Problem: 400 for anything else, and for a moment in the future.
    """
    text = text.strip()
    if text.startswith(_MARK) and not text[1:2].isspace():
        return open_token(text)
    if text == "now":
        return now.replace(microsecond=0)
    text = _LOST_PLUS.sub(r"\g<time>+", text)
    moment, begun = _moment(text)
    if begun > now:
        raise bad_request(f"{text} lies in the future; leave as_of out to read the newest data", "as_of")
    return moment if moment <= now else now.replace(microsecond=0)


def _moment(text: str) -> tuple[datetime, datetime]:
    """The moment, and when it is no longer in the future: of a day, when it begins."""
    try:
        date = _DATE.match(text)
        given = datetime.fromisoformat(f"{text[:10]}T00:00:00{date['zone'] or ''}" if date else text)
        moment = (given if given.tzinfo else given.replace(tzinfo=UTC)).astimezone(UTC)
        return (moment + timedelta(days=1, microseconds=-1) if date else moment), moment
    except (ValueError, OverflowError):
        raise bad_request(f"{text[:100]!r} is no moment and no vector; {_HINT}", "as_of") from None


class Vectors:
    """Turns what a client asked for into a vector that can be read at."""

    def __init__(self, ends: LogEnds, positions: Positions, partitions: int) -> None:
        self._ends = ends
        self._positions = positions
        self._partitions = partitions

    async def resolve(self, text: str) -> Vector:
        """The vector of a parameter as_of, once everything before it is projected.

        Raises:
            Problem: 400 for what is no vector of this log and no moment in the past, 503 with
                Retry-After while the projections are not that far.
        """
        found = parse_as_of(text, datetime.now(UTC))
        vector = found if isinstance(found, Vector) else await self._at(found)
        await self._check_log(vector)
        await self._wait(vector)
        return vector

    async def _at(self, moment: datetime) -> Vector:
        """All that the broker had taken by then, the moment included."""
        later = moment + timedelta(microseconds=1000 - moment.microsecond % 1000)
        await asyncio.sleep((later + _SETTLED - datetime.now(UTC)).total_seconds())
        places = [(topic, partition) for topic in TOPICS for partition in range(self._partitions)]
        offsets = await self._ends.at_time(places, later)
        return vector_of(await self._positions.log_name(), moment, offsets, self._partitions)

    async def _check_log(self, vector: Vector) -> None:
        log = await self._positions.log_name()
        alike = all(len(offsets) == self._partitions for offsets in vector.offsets)
        if not alike or (vector.log != log and any(map(any, vector.offsets))):
            detail = "the vector was taken in another log than this server reads; ask the server that gave it"
            raise bad_request(detail, "as_of", code="other_log")

    async def _wait(self, vector: Vector) -> None:
        last = {place: offset - 1 for place, offset in vector.places().items() if offset}
        if await self._positions.reached(last, _WAIT_SECONDS):
            return
        ends = await self._ends.at(last)
        if any(offset >= ends[place] for place, offset in last.items()):
            detail = "the vector is beyond the end of this server's log; it was taken in another one"
            raise bad_request(detail, "as_of", code="other_log")
        detail = "the projections have not come as far as this vector yet; try again"
        raise Problem(503, "not_projected", detail, field="as_of", headers={"Retry-After": "1"})
