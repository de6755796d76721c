"""python -m speech_experiment_tracker.drain SPOOL [--stay]: delivers a spool directory until all is done."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import traceback
from pathlib import Path

import msgspec

from ..spool.files import write_atomically
from .care import Carer
from .memory import Returner
from .pace import Pace
from .process import STATE, hold, open_bell, wait_for_ring

LINGER = 20.0
PAUSE = 0.05
IDLE_PAUSE = 0.25
TOGETHER, BURST = 0.02, 8
STATE_EVERY = 1.0


def main(arguments: list[str]) -> int:
    """Exit code 0; 2 for wrong arguments."""
    if len(arguments) not in (1, 2):
        sys.stderr.write(f"{__doc__}\n")
        return 2
    if "--stay" not in arguments and os.fork():
        os._exit(0)  # the trainer's child ends here, so that the drain is nobody's child
    spool = Path(arguments[0])
    os.chdir("/")
    os.umask(0o077)
    linger = float(os.environ.get("SPEECH_TRACKER_DRAIN_LINGER", LINGER))
    while spool.is_dir() and (lock := hold(spool)) is not None:
        bell = open_bell(spool)
        carer = Carer(spool)
        serve(carer, bell, linger)
        if bell is not None:
            os.close(bell)
        os.close(lock)
        # Whoever logged before the lock was free has seen a living drain: look once more.
        again = carer.visit()
        carer.close()
        if not again:
            break
    return 0


def serve(carer: Carer, bell: int | None, linger: float) -> None:
    """Delivers until nothing has been open for some seconds, or the spool was removed."""
    last_open = time.monotonic()
    state, memory = Reporter(carer), Returner()
    pace = Pace(TOGETHER, BURST)
    is_open = True
    while carer.spool.is_dir():
        try:
            is_open = carer.visit()
            carer.care()
            state.report()
            memory.give_back()
        except Exception:  # noqa: BLE001 - one folder's trouble must not end the delivery of the others
            traceback.print_exc()
            time.sleep(1.0)
        if is_open:
            last_open = time.monotonic()
        elif time.monotonic() - last_open > linger:
            return
        if wait_for_ring(bell, PAUSE if carer.expects() else IDLE_PAUSE):
            time.sleep(pace.turn())
            carer.wake()


class Reporter:
    """Keeps drain.json, which `speech-tracker status` reads."""

    def __init__(self, carer: Carer) -> None:
        self._carer = carer
        self._next = 0.0
        self._last: object = None

    def report(self) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + STATE_EVERY
        state = {
            "pid": os.getpid(),
            "open": len(self._carer.producers),
            "waiting": self._carer.waiting(),
            "problems": self._carer.problems(),
        }
        if state != self._last:
            self._last = state
            with contextlib.suppress(OSError):
                write_atomically(self._carer.spool / STATE, msgspec.json.encode({**state, "at": time.time()}))


if __name__ == "__main__":
    # What the trainer's process inherited, such as a scheduler's lock, must end with it and not with us.
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    sys.exit(main(sys.argv[1:]))
