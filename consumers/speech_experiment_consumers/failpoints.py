"""Places where a test makes this process end, stop or fail, to see that nothing is lost or doubled.

SPEECH_TRACKER_FAILPOINTS="NAME:ACTION[@CHANCE],…" arms them; without it they do nothing. Actions:
exit (at once, with code 85), raise (an error that nobody expects), stop (frozen until SIGCONT).
"""

from __future__ import annotations

import os
import random
import signal
from typing import NamedTuple

VARIABLE = "SPEECH_TRACKER_FAILPOINTS"
EXIT_CODE = 85


class Failpoint(RuntimeError):  # noqa: N818
    """Raised where a test asked for it."""


class Armed(NamedTuple):
    """What happens at a failpoint, and how likely."""

    action: str
    chance: float


def parse(text: str) -> dict[str, Armed]:
    """name → what happens there; raises ValueError for an action that does not exist."""
    armed = {}
    for entry in filter(None, text.split(",")):
        name, _, what = entry.partition(":")
        action, _, chance = what.partition("@")
        if action not in ("exit", "raise", "stop"):
            raise ValueError(f"{VARIABLE}: {entry!r} is not NAME:exit, NAME:raise or NAME:stop[@CHANCE]")
        armed[name] = Armed(action, float(chance or 1))
    return armed


_armed = parse(os.environ.get(VARIABLE, ""))


def failpoint(name: str) -> None:
    """Does what the environment asks for at this place, which is nothing in operation."""
    if not _armed or name not in _armed:
        return
    action, chance = _armed[name]
    if random.random() >= chance:  # noqa: S311
        return
    if action == "raise":
        raise Failpoint(name)
    if action == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    else:
        os._exit(EXIT_CODE)
