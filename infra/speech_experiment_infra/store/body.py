"""A body that arrives in pieces, of which the beginning can be looked at before it is consumed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


class Body:
    """Pieces of a request body, in order; iterating consumes it."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._ahead = b""

    def peek(self, size: int) -> bytes:
        """At least the first ``size`` bytes, fewer when the body is shorter."""
        while len(self._ahead) < size:
            piece = next(self._pieces, None)
            if piece is None:
                break
            self._ahead += piece
        return self._ahead

    def take(self, size: int) -> bytes:
        """The first ``size`` bytes, consumed; call `peek` for them first."""
        head, self._ahead = self._ahead[:size], self._ahead[size:]
        return head

    def __iter__(self) -> Iterator[bytes]:
        """What is left."""
        if self._ahead:
            ahead, self._ahead = self._ahead, b""
            yield ahead
        yield from self._pieces
