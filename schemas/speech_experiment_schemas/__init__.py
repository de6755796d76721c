"""The events of the speech experiment tracker: envelope, payloads, catalogue, validator.

Importing the package registers every domain in the catalogue; a new domain is one module
and its line below.
"""

from . import (
    artifacts,
    control,
    evaluations,
    experiments,
    measurements,
    metrics,
    producers,
    runs,
    test_sets,
)
from .catalogue import Unknown, decode_payload, event_types
from .envelope import Envelope, decode, digest, encode, record_key
from .errors import InvalidEvent
from .sealing import Sealer
from .validate import validate

__all__ = [
    "Envelope",
    "InvalidEvent",
    "Sealer",
    "Unknown",
    "artifacts",
    "control",
    "decode",
    "decode_payload",
    "digest",
    "encode",
    "evaluations",
    "event_types",
    "experiments",
    "measurements",
    "metrics",
    "producers",
    "record_key",
    "runs",
    "test_sets",
    "validate",
]
