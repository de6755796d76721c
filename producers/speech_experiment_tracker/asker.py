"""What every question of a client needs: the server, and ids of what it is about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .errors import TrackerError

if TYPE_CHECKING:
    from .config import Config
    from .http import ApiClient


class Asker:
    """What Client is built on, with RunQuestions and ScoreQuestions: it knows its server."""

    config: Config

    def api(self) -> ApiClient:
        """A connection to the server; raises TrackerError when none is known."""
        if self.config.url is None:
            raise TrackerError(
                "no server is known", "set SPEECH_TRACKER_URL, or start one: speech-tracker up"
            )
        from .http import ApiClient

        return ApiClient(self.config.url, self.config.api_key)


def identity(subject: Any) -> str:
    """The id of a run or experiment, or what is one already."""
    return str(getattr(subject, "id", subject))


def identities(subjects: Any) -> list[str]:
    """The ids of one or several."""
    several = isinstance(subjects, Sequence) and not isinstance(subjects, str)
    return [identity(each) for each in (subjects if several else [subjects])]
