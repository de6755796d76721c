"""Nothing raises into a training loop unless asked: problems are counted, and the first few different ones said."""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from .config import OnError
from .errors import SpoolFull, TrackerError

P = ParamSpec("P")
G = TypeVar("G", bound="Guarded")
_SAID = 10
"""Different texts of one kind that are said: a loop may have another one each time."""


class Guarded(Protocol):
    """An object whose methods are guarded."""

    _problems: Problems


class Problems:
    """Counts what was swallowed.

    count  where the counts are kept so that a kill cannot lose them
    """

    def __init__(self, on_error: OnError) -> None:
        self.on_error: OnError = on_error
        self.counts: dict[str, int] = {}
        self.count: Callable[[str], None] = lambda kind: None
        self._said: dict[str, set[str]] = {}

    def swallow(self, error: BaseException, kind: str | None = None) -> None:
        """Counts the error and says it; raises it when the client was asked to."""
        if isinstance(error, SpoolFull) or not isinstance(error, Exception):
            raise error
        if self.on_error == "raise":
            raise error if isinstance(error, TrackerError) else TrackerError(str(error)) from error
        kind = kind or ("invalid_call" if isinstance(error, TrackerError | TypeError) else "internal")
        self.note(kind, f"{error}" if isinstance(error, TrackerError) else f"{type(error).__name__}: {error}")

    def note(self, kind: str, text: str) -> None:
        """Counts a problem that is no exception; says a text once, and no more than a few of a kind."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        self.count(kind)
        said = self._said.setdefault(kind, set())
        if text not in said and len(said) < _SAID:
            said.add(text)
            say(f"{text} [{kind}{'; further ones are only counted' if len(said) == _SAID else ''}]")


def say(text: str) -> None:
    """One line on stderr; never an error."""
    with contextlib.suppress(Exception):  # stderr may be closed, or be anything
        sys.stderr.write(f"speech-tracker: {text}\n")


def guarded(method: Callable[Concatenate[G, P], None]) -> Callable[Concatenate[G, P], None]:
    """Makes a method swallow its errors as its object's policy says."""

    @functools.wraps(method)
    def call(self: G, /, *arguments: P.args, **named: P.kwargs) -> None:
        try:
            method(self, *arguments, **named)
        except Exception as error:  # noqa: BLE001 - that is what it is for
            stay_if_dying()
            self._problems.swallow(error)

    return call


_dying: list[threading.Thread] = []
"""The thread that ends this process, once there is one."""


def die() -> None:
    """From now on the calling thread ends the process: what others could not log any more never returns."""
    _dying.append(threading.current_thread())


def stay_if_dying() -> None:
    """Keeps a call that was not kept from returning as if it were, in the moments before the process ends.

    To be called without any lock: the thread that ends the process may need it.
    """
    if _dying and threading.current_thread() not in _dying:
        threading.Event().wait()


def quietly(action: Callable[[], Any]) -> None:
    """Runs something whose failure must not matter."""
    with contextlib.suppress(Exception):
        action()
