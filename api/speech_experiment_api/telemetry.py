"""Counters of this process, in Prometheus' terms."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_LATENCIES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Telemetry:
    """What the gateway counts; one per application, so that tests do not share."""

    def __init__(self) -> None:
        self.started = time.time()
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "speech_tracker_ingest_requests",
            "Ingest requests by status",
            ["status"],
            registry=self.registry,
        )
        self.records = Counter(
            "speech_tracker_ingest_records",
            "Records by outcome: accepted, refused",
            ["outcome"],
            registry=self.registry,
        )
        self.bytes = Counter(
            "speech_tracker_ingest_bytes", "Bytes of accepted records", registry=self.registry
        )
        self.ingest_seconds = self._histogram(
            "speech_tracker_ingest_seconds", "Ingest requests, from the first byte to the answer"
        )
        self.ack_seconds = self._histogram(
            "speech_tracker_ack_seconds", "From handing records to the broker to their acknowledgement"
        )
        self.in_flight = Gauge(
            "speech_tracker_in_flight_bytes", "Bytes handed over, not acknowledged", registry=self.registry
        )

    def _histogram(self, name: str, meaning: str) -> Histogram:
        return Histogram(name, meaning, buckets=_LATENCIES, registry=self.registry)

    def text(self) -> bytes:
        """The counters in the Prometheus text format."""
        return generate_latest(self.registry)

    def snapshot(self) -> dict[str, float]:
        """The samples that `speech-tracker status` shows, without the histograms' buckets."""
        return {
            sample.name + "".join(f"_{value}" for value in sample.labels.values()): sample.value
            for metric in self.registry.collect()
            for sample in metric.samples
            if not sample.name.endswith(("_bucket", "_created"))
        }
