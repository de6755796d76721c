"""Removing what is delivered: a disk may take its time for that, and nobody waits for it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from queue import Empty, SimpleQueue

from ..spool.places import Place
from .producers import SpooledProducer


class Clearer:
    """A thread that removes producers' files.

    leaving  whose files are being removed, until `gone` has told of it
    """

    def __init__(self) -> None:
        self.leaving: dict[Place, SpooledProducer] = {}
        self._queue: SimpleQueue[SpooledProducer] = SimpleQueue()
        self._gone: SimpleQueue[SpooledProducer] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def clear(self, producer: SpooledProducer) -> None:
        """Has its files removed."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="clearer", daemon=True)
            self._thread.start()
        self.leaving[producer.place] = producer
        self._queue.put(producer)

    def gone(self) -> Iterator[SpooledProducer]:
        """Those whose files were removed since the last call."""
        with contextlib.suppress(Empty):
            while True:
                producer = self._gone.get_nowait()
                del self.leaving[producer.place]
                yield producer

    def _run(self) -> None:
        while True:
            producer = self._queue.get()
            with contextlib.suppress(OSError):
                producer.remove()
            self._gone.put(producer)
