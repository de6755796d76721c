"""The one error that the client raises, and only when it was asked to raise."""

from __future__ import annotations


class TrackerError(RuntimeError):
    """What went wrong, and what to do about it.

    message  one line that names the thing concerned
    hint     the next step for the user, may be empty
    status   the HTTP status behind it, if one was
    """

    def __init__(self, message: str, hint: str = "", *, status: int | None = None) -> None:
        super().__init__(f"{message} ({hint})" if hint else message)
        self.message = message
        self.hint = hint
        self.status = status


class SpoolFull(TrackerError):  # noqa: N818 - named for what it says
    """The spool has no room and the client was made with on_full="raise"."""
