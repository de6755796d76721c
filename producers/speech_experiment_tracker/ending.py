"""How runs end when nobody ends them: exit, uncaught exceptions, SIGTERM."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from .guard import die, quietly
from .spool.keeper import keeper

if TYPE_CHECKING:
    from .lifecycle import Lifecycle

MAX_TRACEBACK = 100_000
_runs: dict[int, Lifecycle] = {}
_state: dict[str, Any] = {"installed": False, "error": None, "sigterm": None}


def end_with_process(run: Lifecycle, *, child: bool = False) -> None:
    """Sees to it that a run ends when its process does; child: the process was forked."""
    _runs[id(run)] = run
    if child and "multiprocessing.util" in sys.modules:
        _end_with_worker()
    if _state["installed"]:
        return
    _state["installed"] = True
    atexit.register(_at_exit)
    _chain_excepthook()
    _chain_sigterm()


def forget(run: Lifecycle) -> None:
    """The run has ended by itself."""
    _runs.pop(id(run), None)


def _at_exit() -> None:
    for run in list(_runs.values()):
        if run._pid == os.getpid():
            quietly(lambda run=run: _end(run))  # type: ignore[misc]
    quietly(keeper.flush)


def _end(run: Lifecycle) -> None:
    error = _state["error"]
    if _state["sigterm"]:
        run._end("terminated by SIGTERM", 0.0, "cancelled")
    elif isinstance(error, KeyboardInterrupt):
        run._end(error, 0.0, "cancelled")
    else:
        run._end(error, 0.0)


def _end_with_worker() -> None:
    """Workers of multiprocessing leave by os._exit after running their own finalizers."""
    from multiprocessing import util

    util.Finalize(None, _at_exit, exitpriority=-100)


def _chain_excepthook() -> None:
    previous = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        _state["error"] = error
        previous(kind, error, trace)

    sys.excepthook = hook


def _chain_sigterm() -> None:
    if threading.current_thread() is not threading.main_thread():
        return
    previous = signal.getsignal(signal.SIGTERM)
    if previous is None or previous == signal.SIG_IGN:
        return

    def handler(number: int, frame: FrameType | None) -> None:
        _state["sigterm"] = True
        if callable(previous):
            previous(number, frame)
        else:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            # Locks may be held by the very code that was interrupted: another thread does the work.
            threading.Thread(target=_die_by_sigterm, daemon=True).start()

    quietly(lambda: signal.signal(signal.SIGTERM, handler))


def _die_by_sigterm() -> None:
    die()
    _at_exit()
    os.kill(os.getpid(), signal.SIGTERM)


def traceback_of(error: BaseException | str) -> tuple[str, str]:
    """(one line, the whole text cut at its front) of an error."""
    if isinstance(error, str):
        return error[:2000].replace("\n", " "), ""
    import traceback

    line = f"{type(error).__name__}: {error}".replace("\n", " ")
    text = "".join(traceback.format_exception(error))
    return line[:2000], text[-MAX_TRACEBACK:]
