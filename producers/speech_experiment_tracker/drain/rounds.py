"""A courier's thread: rounds over the lanes that it was given."""

from __future__ import annotations

import threading
import time
import traceback

from ..transports.base import Transport
from .couriers import Courier
from .lanes import Lane
from .own import Voice
from .pace import Pace
from .producers import SpooledProducer
from .stores import Contents

PAUSE_AFTER_FAILURE = 1.0
POLL = 0.025
"""Seconds between looks at the streams of runs, which are written without a ring."""
QUIET_POLL, LIVELY = 0.25, 2.0
"""Where nothing but a process's own producer is left, that often, once so long nothing has come."""
TOGETHER, BURST = 0.02, 8
"""A round costs the same for many records as for one: after a burst there is one in so many seconds."""


class Round(threading.Thread):
    """A courier's thread and the lanes it carries: contents have one of their own, they may take long."""

    def __init__(self, transport: Transport | None, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.courier = Courier(transport) if transport else None
        self.store = Contents(transport) if transport else None
        self.wake = threading.Event()
        self._lanes: dict[Lane, SpooledProducer] = {}
        self._stopped = False
        self._pace = Pace(TOGETHER, BURST)
        self._stirred = time.monotonic()
        self.failure = ""

    def add(self, lane: Lane, producer: SpooledProducer) -> None:
        self._lanes[lane] = producer
        self.wake.set()

    @property
    def problem(self) -> str:
        return (self.courier.problem if self.courier else "") or self.failure

    def sent(self) -> int:
        return self.courier.delivered if self.courier else 0

    def waiting(self) -> int:
        return sum(len(lane.journal.waiting) for lane in list(self._lanes))

    def run(self) -> None:
        while not self._stopped:
            try:
                self._once()
            except Exception as error:  # noqa: BLE001 - what one stream does must not stop the others for good
                self.failure = f"the courier failed: {type(error).__name__}: {error}"
                traceback.print_exc()
                self.wake.wait(PAUSE_AFTER_FAILURE)

    def _once(self) -> None:
        lanes = [(lane, producer.dead) for lane, producer in list(self._lanes.items())]
        busy = self.courier.round(lanes) if self.courier else self._keep(lanes)
        for lane, _ in lanes:
            if lane.done or (lane.closed and self.courier is None):
                self._lanes.pop(lane, None)
                lane.close()
        if busy:
            self._stirred = time.monotonic()
            time.sleep(self._pace.turn())
        elif self.wake.wait(max(self._poll(), self.courier.resting if self.courier else 0)):
            self._stirred = time.monotonic()
            self.wake.clear()

    def _poll(self) -> float:
        lively = time.monotonic() - self._stirred < LIVELY
        return POLL if lively or any(lane.run for lane in list(self._lanes)) else QUIET_POLL

    @staticmethod
    def _keep(lanes: list[tuple[Lane, bool]]) -> bool:
        """Without a server only the drain's own words are noted."""
        for lane, dead in lanes:
            if isinstance(lane, Voice) and lane.advance(dead=dead):
                lane.sync()
        return False

    def use(self, transport: Transport) -> None:
        """Goes on with another connection, at once."""
        if self.courier is not None and self.store is not None:
            self.store.transport = transport
            self.courier.use(transport)
            self.wake.set()

    def stop(self) -> None:
        self._stopped = True
        self.wake.set()
