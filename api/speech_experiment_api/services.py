"""What handlers work with, made once by the composition root."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.requests import Request

from .control import EventWriter
from .limits import RateLimit, Room
from .live_tail import LiveTail
from .log_ends import LogEnds
from .log_reader import LogReader
from .log_writer import LogWriter
from .owners import Owners, owners
from .positions import Positions
from .settings import ApiSettings
from .stores import Stores
from .telemetry import Telemetry
from .vectors import Vectors

_UPLOADS = 4
_VERIFICATIONS = 2


@dataclass(slots=True)
class State:
    """What changes while the server runs.

    bootstrapped    whether there is a key to log in with, as far as that is ours to see to
    ingested_bytes  of batches so far
    """

    bootstrapped: bool
    ingested_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Services:
    """stopping: set when the server was asked to end, so that long answers end too."""

    settings: ApiSettings
    stores: Stores
    telemetry: Telemetry
    rate: RateLimit
    room: Room
    owners: Owners
    writer: LogWriter
    positions: Positions
    ends: LogEnds
    vectors: Vectors
    log_reader: LogReader
    control: EventWriter
    test_sets: EventWriter
    tail: LiveTail
    stopping: asyncio.Event
    uploads: asyncio.Semaphore
    verifications: asyncio.Semaphore
    state: State


def build(settings: ApiSettings, stores: Stores) -> Services:
    telemetry = Telemetry()
    writer = LogWriter(
        stores.kafka,
        telemetry,
        partitions=settings.partitions,
        limit=settings.ingest_in_flight_bytes,
        timeout=settings.ingest_ack_timeout,
    )
    positions = Positions(stores)
    ends = LogEnds(stores.reader, settings.partitions)
    return Services(
        settings=settings,
        stores=stores,
        telemetry=telemetry,
        rate=RateLimit(settings.ingest_requests_per_second, settings.ingest_bytes_per_second),
        room=Room(settings.ingest_bodies_bytes),
        owners=owners(stores),
        writer=writer,
        positions=positions,
        ends=ends,
        vectors=Vectors(ends, positions, settings.partitions),
        log_reader=LogReader(stores.reader),
        control=EventWriter(writer, positions, settings.workspace, settings.projection_timeout),
        test_sets=EventWriter(
            writer, positions, settings.workspace, settings.projection_timeout, "evaluations"
        ),
        tail=LiveTail(settings),
        stopping=asyncio.Event(),
        uploads=asyncio.Semaphore(_UPLOADS),
        verifications=asyncio.Semaphore(_VERIFICATIONS),
        state=State(bootstrapped=not settings.embedded),
    )


def services_of(request: Request) -> Services:
    services: Services = request.app.state.services
    return services
