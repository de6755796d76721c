"""What of the topic metrics the columns of Postgres can hold."""

from __future__ import annotations

from speech_experiment_schemas.metrics import MetricsLogged
from speech_experiment_schemas.producers import ProducerOpened
from speech_experiment_schemas.runs import RunResumed

from .recorded import Recorded
from .refusal import Refused

_INT32, _INT64 = 2**31 - 1, 2**63 - 1


def check_bounds(recorded: Recorded) -> None:
    """Raises Refused for numbers and names that the columns of Postgres cannot hold."""
    payload = recorded.payload
    if recorded.envelope.last >= _INT64:
        raise Refused("malformed", "seq: must end below 2**63 - 1")
    match payload:
        case ProducerOpened():
            _check_number("rank", payload.rank, _INT32)
            _check_number("world_size", payload.world_size, _INT32)
            _check_number("attempt", payload.attempt, _INT32)
        case RunResumed():
            _check_number("attempt", payload.attempt, _INT32)
            _check_number("from_step", payload.from_step or 0, _INT64)
        case MetricsLogged():
            if any("\0" in key for key in payload.keys):
                raise Refused("malformed", "data.keys: a name of a metric must not contain NUL")


def _check_number(field: str, value: int, limit: int) -> None:
    if not -limit <= value <= limit:
        raise Refused("malformed", f"data.{field}: must be at most {limit:,}, got {value:,}")
