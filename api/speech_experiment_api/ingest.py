"""POST /api/v1/ingest: the one way of events into the log over HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from speech_experiment_schemas import InvalidEvent, record_key, validate, wire
from speech_experiment_schemas.stamps import stamp

from .actors import Actor
from .auth import actor_of
from .compression import decompress
from .log_writer import Outgoing
from .problems import Problem, bad_request
from .responses import msgpack_response
from .routing import Routes, too_large
from .services import Services, services_of

routes = Routes("ingest")
_REPLY_TYPE = "application/msgpack"
_WORTH_A_THREAD = 200_000


@routes.post(
    "/api/v1/ingest",
    access="editor",
    request=wire.IngestBatch,
    response=wire.IngestReply,
    consumes=wire.CONTENT_TYPE,
    produces=_REPLY_TYPE,
    body_limit=wire.MAX_BATCH_BYTES,
)
async def ingest(request: Request) -> Response:
    """Writes a batch of sealed records to the log and answers once all replicas have it.

    422 when some are refused for good: the others are in the log all the same.
    """
    telemetry = services_of(request).telemetry
    started = time.perf_counter()
    status = 500
    try:
        reply = await _ingest(request)
        status = 422 if reply.refused else 200
    except Problem as problem:
        status = problem.status
        raise
    finally:
        telemetry.requests.labels(str(status)).inc()
        telemetry.ingest_seconds.observe(time.perf_counter() - started)
    return msgpack_response(reply, _REPLY_TYPE, status)


async def _ingest(request: Request) -> wire.IngestReply:
    services, actor = services_of(request), actor_of(request)
    services.rate.admit(actor.key_id)
    with services.room.taken(_claimed(request)):
        return await _write(services, actor, _decode(await _body(request)))


async def _write(services: Services, actor: Actor, batch: wire.IngestBatch) -> wire.IngestReply:
    size = sum(map(len, batch.records))
    services.rate.spend(actor.key_id, size)
    services.state.ingested_bytes += size
    good, refused = sift(batch.records)
    foreign = await services.owners.foreign({record.key for record in good if record.key}, actor.workspace)
    if foreign:
        good, refused = turn_away(good, refused, foreign)
    positions = await services.writer.append(good, stamp(actor.name, actor.workspace)) if good else []
    services.telemetry.records.labels("accepted").inc(len(good))
    services.telemetry.records.labels("refused").inc(len(refused))
    services.telemetry.bytes.inc(sum(len(record.value) for record in good))
    return wire.IngestReply(len(good), refused, positions)


def _claimed(request: Request) -> int:
    """Bytes that the body says it has; a chunked one may have any number up to the limit."""
    return int(request.headers.get("content-length", wire.MAX_BATCH_BYTES))


async def _body(request: Request) -> bytes:
    try:
        async with asyncio.timeout(services_of(request).settings.ingest_body_timeout):
            body = await request.body()
    except TimeoutError:
        raise Problem(408, "body_timeout", "the body took too long; send smaller batches") from None
    encoding = request.headers.get("content-encoding", "")
    if encoding and len(body) > _WORTH_A_THREAD:
        return await asyncio.to_thread(decompress, body, encoding, wire.MAX_BATCH_BYTES)
    return decompress(body, encoding, wire.MAX_BATCH_BYTES)


def _decode(body: bytes) -> wire.IngestBatch:
    try:
        batch = wire.decode_batch(body)
    except msgspec.DecodeError as error:
        raise bad_request(f"the body is no batch of records: {error}", code="malformed") from None
    if len(batch.records) > wire.MAX_BATCH_RECORDS:
        problem = too_large(wire.MAX_BATCH_RECORDS)
        problem.detail = (
            f"a batch may have {wire.MAX_BATCH_RECORDS:,} records, this has {len(batch.records):,}"
        )
        raise problem
    return batch


def sift(records: Sequence[bytes]) -> tuple[list[Outgoing], list[wire.Refusal]]:
    """Records that may enter the log, in order, and those that never will, by index."""
    good: list[Outgoing] = []
    refused: list[wire.Refusal] = []
    for index, record in enumerate(records):
        try:
            envelope = validate(record)
        except InvalidEvent as error:
            refused.append(wire.Refusal(index, error.code, error.field, error.message))
        else:
            good.append(Outgoing(envelope.stream, record_key(envelope), record))
    return good, refused


def turn_away(
    good: Sequence[Outgoing], refused: Sequence[wire.Refusal], foreign: Collection[bytes]
) -> tuple[list[Outgoing], list[wire.Refusal]]:
    """As sift's answer, without the records whose keys are another workspace's."""
    sifted = {refusal.index for refusal in refused}
    indices = [index for index in range(len(good) + len(refused)) if index not in sifted]
    strange = [
        wire.Refusal(index, "forbidden", "subject", f"{UUID(bytes=key)} belongs to another workspace")
        for index, (_, key, _) in zip(indices, good, strict=True)
        if key in foreign
    ]
    kept = [record for record in good if record.key not in foreign]
    return kept, sorted([*refused, *strange], key=lambda refusal: refusal.index)
