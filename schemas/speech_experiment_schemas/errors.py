"""The one error that validation raises."""

from __future__ import annotations


class InvalidEvent(ValueError):  # noqa: N818 - named for what it says to a client
    """An event that may not enter the log.

    code     a stable word for programs: too_large, malformed, forbidden, …
    field    the place in the record, as a path (`data.keys[3]`)
    message  what is wrong and what to do about it
    """

    def __init__(self, code: str, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.code = code
        self.field = field
        self.message = message
