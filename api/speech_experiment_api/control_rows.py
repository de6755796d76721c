"""What tables of the projection `control` share that came with later releases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from asyncpg import UndefinedTableError

from .problems import Problem


@contextmanager
def kept_by_newer(what: str) -> Iterator[None]:
    """Turns the lack of a table, in a projection that an older release made, into a 503 that says what to do."""
    try:
        yield
    except UndefinedTableError:
        detail = (
            f"{what} are kept by a newer version of the projection control: `speech-tracker rebuild control`"
        )
        raise Problem(503, "unavailable", detail) from None
