"""Settings of the API process: the server's, and the gateway's limits."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from speech_experiment_infra.settings import Settings


class ApiSettings(Settings, frozen=True, kw_only=True):
    """All of them may be set as SPEECH_TRACKER_SERVER_…; rates are per key and process."""

    ingest_requests_per_second: Annotated[float, Meta(gt=0)] = 5_000
    ingest_bytes_per_second: Annotated[float, Meta(gt=0)] = 250e6
    """Decompressed bytes."""
    ingest_in_flight_bytes: Annotated[int, Meta(ge=8_000_000)] = 32_000_000
    """Bytes handed to the broker and not acknowledged; beyond them callers wait, then see 429."""
    ingest_bodies_bytes: Annotated[int, Meta(ge=8_000_000)] = 256_000_000
    """Bodies of ingest requests held in memory at a time; beyond them callers see 429."""
    ingest_body_timeout: Annotated[float, Meta(gt=0)] = 60.0
    """Seconds that a body may take to come in."""
    ingest_ack_timeout: Annotated[float, Meta(gt=0)] = 30.0
    """Seconds that the broker may take to acknowledge before the caller sees 503."""
    blob_limit_bytes: Annotated[int, Meta(gt=0)] = 200_000_000_000
    projection_timeout: Annotated[float, Meta(gt=0)] = 10.0
    """Seconds that a control change may take to reach its projection before the caller sees 503."""
