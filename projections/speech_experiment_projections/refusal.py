"""The one deliberate error of a fold."""

from __future__ import annotations


class Refused(Exception):  # noqa: N818 - named for what it says
    """An event that may not change what it is about; it is parked under `reason`.

    reason  forbidden (another workspace's subject), collision (two names with one 64-bit hash)
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def same_workspace(kind: str, subject: object, owner: str, workspace: str) -> None:
    """Raises Refused unless the subject's workspace is that of the event's key."""
    if owner != workspace:
        raise Refused(
            "forbidden", f"{kind} {subject} belongs to another workspace than the key ({workspace})"
        )
