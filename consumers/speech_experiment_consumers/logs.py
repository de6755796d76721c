"""What a worker writes to its log: little, also while a broker or a database is away."""

from __future__ import annotations

import logging
import sys
import time

_SECONDS = 10.0


class Seldom(logging.Filter):
    """Lets the same complaint of the same logger through once in ten seconds.

    While a broker is away, Kafka's client repeats itself some hundred times a second.
    """

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[tuple[str, int, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return True
        key = (record.name, record.lineno, str(record.msg))
        now = time.monotonic()
        if now - self._last.get(key, -_SECONDS) < _SECONDS:
            return False
        if len(self._last) > 1_000:
            self._last.clear()
        self._last[key] = now
        return True


def log_to_stderr() -> None:
    """Sets up logging for a worker process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    handler.addFilter(Seldom())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for noisy in ("faust", "mode", "speech_experiment_consumers.faust_app"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # It warns at each connection that SASL/PLAIN goes in the clear: on loopback it does.
    logging.getLogger("aiokafka").setLevel(logging.ERROR)
