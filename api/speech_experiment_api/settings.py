"""Settings of the API process: the server's, and the gateway's limits."""

from __future__ import annotations

from pydantic import Field

from speech_experiment_infra.settings import Settings


class ApiSettings(Settings):
    """All of them may be set as SPEECH_TRACKER_SERVER_…; rates are per key and process."""

    ingest_requests_per_second: float = Field(default=5_000, gt=0)
    ingest_bytes_per_second: float = Field(default=250e6, gt=0)
    """Decompressed bytes."""
    ingest_in_flight_bytes: int = Field(default=32_000_000, ge=8_000_000)
    """Bytes handed to the broker and not acknowledged; beyond them callers wait, then see 429."""
    ingest_bodies_bytes: int = Field(default=256_000_000, ge=8_000_000)
    """Bodies of ingest requests held in memory at a time; beyond them callers see 429."""
    ingest_body_timeout: float = Field(default=60.0, gt=0)
    """Seconds that a body may take to come in."""
    ingest_ack_timeout: float = Field(default=30.0, gt=0)
    """Seconds that the broker may take to acknowledge before the caller sees 503."""
    blob_limit_bytes: int = Field(default=200_000_000_000, gt=0)
    projection_timeout: float = Field(default=10.0, gt=0)
    """Seconds that a control change may take to reach its projection before the caller sees 503."""
