"""GET /latency: how fast systems decode, on what, and how late a streaming one is, part by part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response

from speech_experiment_schemas.metrics import unpack

from ..params import plain
from ..routing import Param, Routes
from .evaluations import evaluation_at, evaluation_ids
from .packed import Scored, scored_utterances
from .reading import AS_OF, Reading, reading
from .scored import PROFILE, Seen, rate, seen, speed

routes = Routes("latency")
MAX_EVALUATIONS = 20
Floats = NDArray[np.float64]
_PARTS = ("first_partial", "final", "emission")


class _Times(msgspec.Struct):
    """Of Hypotheses: what is said of times."""

    ids: list[str]
    durations: bytes = b""
    decode_seconds: bytes = b""
    first_partial: bytes = b""
    final: bytes = b""
    emission: bytes = b""


_times = msgspec.msgpack.Decoder(_Times)


class Spread(msgspec.Struct, kw_only=True):
    """Over the utterances of which it was logged; quantiles by linear interpolation."""

    utterances: int
    mean: float
    p50: float
    p90: float
    p95: float
    p99: float
    max: float


class SystemLatency(msgspec.Struct, kw_only=True):
    """timing: how times were taken, as the run says it: device, batch_size, includes_io, …

    covered         utterances of the set with a hypothesis
    rtf             decoding time per audio time, of sums over the `timed` utterances of which both are known; rtfx: its
                    inverse
    utterance_rtf   of single utterances
    decode          seconds of computing
    first_partial   from the start of speech to the first partial result; final: from its end to the final result
    emission        mean delay of a token behind its end in the audio
    """

    evaluation: UUID
    run_id: UUID
    run: str
    test_set: str | None
    decoding: str
    timing: dict[str, Any]
    utterances: int
    covered: int
    coverage: float | None
    timed: int
    audio_seconds: float
    decode_seconds: float
    rtf: float | None
    rtfx: float | None
    utterance_rtf: Spread | None
    decode: Spread | None
    first_partial: Spread | None
    final: Spread | None
    emission: Spread | None


class Latency(msgspec.Struct, kw_only=True):
    """differs: keys of `timing` that are not the same for all, which makes their speeds incomparable."""

    systems: list[SystemLatency]
    differs: list[str]
    vector: str


@routes.get(
    "/api/v1/latency",
    access="viewer",
    response=Latency,
    params=[
        Param("evaluation", f"may be given several times, up to {MAX_EVALUATIONS}", required=True, many=True),
        PROFILE,
        AS_OF,
    ],
)
async def latency(request: Request) -> Response:
    """Decoding speed with the hardware, batch size and I/O it was measured with, and streaming latency by its parts."""
    async with reading(request) as read:
        return read.not_modified() if read.unchanged else read.answer(await _latency(read))


async def _latency(read: Reading) -> dict[str, Any]:
    given = map(plain, read.request.query_params.getlist("evaluation"))
    ids = evaluation_ids(list(dict.fromkeys(given)), MAX_EVALUATIONS)
    sight = await seen(read)
    systems = [await _system(read, each, sight) for each in ids]
    return {"systems": systems, "differs": _differing([each["timing"] for each in systems])}


def _differing(timings: Sequence[dict[str, Any]]) -> list[str]:
    names = sorted({name for timing in timings for name in timing})
    return [name for name in names if any(each.get(name) != timings[0].get(name) for each in timings)]


async def _system(read: Reading, wanted: UUID, sight: Seen) -> dict[str, Any]:
    row = await evaluation_at(read, wanted, sight)
    scored = await scored_utterances(read, row, sight)
    schema = read.tables.scores
    said = await read.fetch(f"select timing from {schema}.evaluations where id = $1", wanted)
    packed = await read.fetch(
        f"select data from {schema}.hypothesis_batches where evaluation = $1 "
        'order by first, partition, "offset"',
        wanted,
    )
    given = scored.columns.rows >= 0
    times = _of_list(scored, [_times.decode(each["data"]) for each in packed])
    decode, audio = times["decode_seconds"], times["audio"]
    both = ~np.isnan(decode) & ~np.isnan(audio)
    sums = float(decode[both].sum()), float(audio[both].sum())
    covered = int(given.sum())
    return {
        "evaluation": row["id"],
        "run_id": row["run_id"],
        "run": row["run"],
        "test_set": row["test_set_name"],
        "decoding": row["decoding_text"],
        "timing": msgspec.json.decode(said[0]["timing"]),
        "utterances": len(given),
        "covered": covered,
        "coverage": rate(covered, len(given)),
        "timed": int(both.sum()),
        "decode_seconds": sums[0],
        "audio_seconds": sums[1],
        **speed(*sums),
        "utterance_rtf": _spread(decode[both & (audio > 0)] / audio[both & (audio > 0)]),
        "decode": _spread(decode),
        **{name: _spread(times[name]) for name in _PARTS},
    }


def _of_list(scored: Scored, batches: Sequence[_Times]) -> dict[str, Floats]:
    """The times of the utterances that have a hypothesis, NaN where unknown; audio: the list's duration, or the logged."""
    rows = scored.columns.rows
    chosen = rows[rows >= 0]
    names = ("durations", "decode_seconds", *_PARTS)
    times = {name: _column(batches, name)[chosen] for name in names}
    listed = scored.durations[rows >= 0]
    return {**times, "audio": np.where(np.isnan(listed), times["durations"], listed)}


def _column(batches: Sequence[_Times], name: str) -> Floats:
    parts = [
        np.asarray(unpack("d", packed)) if (packed := getattr(each, name)) else np.full(len(each.ids), np.nan)
        for each in batches
    ]
    return np.concatenate(parts) if parts else np.zeros(0)


def _spread(values: Floats) -> dict[str, Any] | None:
    known = values[~np.isnan(values)]
    if not len(known):
        return None
    p50, p90, p95, p99 = np.quantile(known, (0.5, 0.9, 0.95, 0.99)).tolist()
    return {
        "utterances": len(known),
        "mean": float(known.mean()),
        "p50": p50,
        "p90": p90,
        "p95": p95,
        "p99": p99,
        "max": float(known.max()),
    }
