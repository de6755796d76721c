"""How a worker ends: its exit codes, and the way out."""

from __future__ import annotations

import logging
import os
import sys

from .sink import PoisonLimit, PositionGap, WrongLog

UNEXPECTED, GAP, WRONG_LOG, POISONED = 70, 76, 78, 79


def exit_code(error: BaseException) -> int:
    """The exit code of an error, or of the first that counts within a group."""
    if isinstance(error, BaseExceptionGroup):
        return max(exit_code(each) for each in error.exceptions)
    if isinstance(error, WrongLog):
        return WRONG_LOG
    if isinstance(error, PoisonLimit):
        return POISONED
    return GAP if isinstance(error, PositionGap) else UNEXPECTED


def leave(code: int) -> None:
    """Leaves without waiting for Faust's threads."""
    logging.shutdown()
    sys.stderr.flush()
    os._exit(code)
