from __future__ import annotations

import logging

from speech_experiment_consumers.logs import Seldom


def record(message: str, line: int = 1) -> logging.LogRecord:
    return logging.LogRecord("aiokafka", logging.ERROR, "client.py", line, message, ("node",), None)


def test_a_message_is_written_once_in_a_while_and_others_are_not_hidden_by_it() -> None:
    seldom = Seldom()
    kept = [seldom.filter(record("Unable to connect to %s")) for _ in range(100)]
    assert kept == [True] + [False] * 99
    assert seldom.filter(record("Unable to update metadata from %s"))
    assert seldom.filter(record("Unable to connect to %s", line=2))
