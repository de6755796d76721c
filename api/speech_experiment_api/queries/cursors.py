"""Cursors: where a page ended. Opaque to clients, sealed against tampering and mix-ups."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b
from hmac import compare_digest
from typing import Any
from uuid import UUID

import msgspec

from ..problems import Problem, bad_request

_SEAL_BYTES = 12


class Cursor(msgspec.Struct, array_like=True, frozen=True):
    """The last row of a page.

    lines      of the projections' versions that it was read from
    question   digest of what was asked: filter, order, workspace …
    values     of the sort keys: None, numbers, texts, moments in UTC
    last       id of the row
    vector     that the page was read at; asked for with as_of, the next one is read there too
    """

    lines: tuple[int, ...]
    question: bytes
    values: tuple[Any, ...]
    last: bytes
    vector: str = ""

    @property
    def last_id(self) -> UUID:
        return UUID(bytes=self.last)


def question_digest(*parts: object) -> bytes:
    """Two questions have the same digest only when all their parts are equal."""
    return blake2b(msgspec.msgpack.encode(parts), digest_size=8).digest()


def seal_cursor(cursor: Cursor, secret: bytes) -> str:
    body = msgspec.msgpack.encode(cursor)
    return urlsafe_b64encode(_seal(body, secret) + body).decode().rstrip("=")


def open_cursor(text: str, secret: bytes, lines: tuple[int, ...], question: bytes) -> Cursor:
    """The cursor, if this server made it for this question and versions that hold the same.

    Raises:
        Problem: 400 for a foreign or damaged one, 410 when a projection was rebuilt to hold something else.
    """
    cursor = _opened(text, secret)
    if cursor.question != question:
        raise bad_request(
            "the cursor belongs to another filter or order; repeat those it was given for", "cursor"
        )
    if cursor.lines != lines:
        detail = "the data was rebuilt to hold something else since this cursor was given; start again from the first page"
        raise Problem(410, "cursor_expired", detail, field="cursor")
    return cursor


def vector_of_cursor(text: str, secret: bytes) -> str:
    """The vector that a cursor's page was read at. Raises Problem for a foreign cursor."""
    return _opened(text, secret).vector


def _opened(text: str, secret: bytes) -> Cursor:
    try:
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise _foreign() from None
    sealed, body = data[:_SEAL_BYTES], data[_SEAL_BYTES:]
    if not compare_digest(sealed, _seal(body, secret)):
        raise _foreign()
    return msgspec.msgpack.decode(body, type=Cursor)


def _seal(body: bytes, secret: bytes) -> bytes:
    return blake2b(body, key=secret, digest_size=_SEAL_BYTES).digest()


def _foreign() -> Problem:
    return bad_request("the cursor was not made by this server; use next_cursor as it was given", "cursor")
