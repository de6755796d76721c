"""Digests of metric points that numpy and ClickHouse compute alike: equal for equal sets of points.

A point's digest mixes everything that was logged of it, but for run and producer: sequence number,
step, time, epoch, key and the bits of its value. Digests of many points are added, modulo 2**64.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech_experiment_schemas.ids import key_hash
from speech_experiment_schemas.metrics import NO_STEP, MetricsLogged

Array = NDArray[Any]
Part = tuple[int, MetricsLogged]
"""(sequence number of the first call, columns of consecutive calls)"""

# Odd numbers of 64 random bits; what they are does not matter, only that both sides have the same.
_SEQ, _HAS_STEP, _TIME, _EPOCH, _KEY, _MIX = (
    0x9E3779B97F4A7C15,
    0xC2B2AE3D27D4EB4F,
    0x165667B19E3779F9,
    0x27D4EB2F165667C5,
    0xD6E8FEB86659FD93,
    0xFF51AFD7ED558CCD,
)


def _mixed(sql: str, name: str) -> str:
    """SQL aliases: `name` is the mixed form of the expression."""
    return (
        f"{sql} as {name}_0, bitXor({name}_0, bitShiftRight({name}_0, 32)) * {_MIX} as {name}_1, "
        f"bitXor({name}_1, bitShiftRight({name}_1, 29)) as {name}"
    )


POINT_SQL = ", ".join(
    [
        _mixed(f"seq * {_SEQ} + reinterpretAsUInt64(step) + has_step * {_HAS_STEP}", "of_step"),
        _mixed(
            f"of_step + reinterpretAsUInt64(toUnixTimestamp64Micro(time)) * {_TIME}"
            f" + if(isNaN(epoch), 0, reinterpretAsUInt64(epoch)) * {_EPOCH}",
            "of_call",
        ),
        _mixed(f"of_call + key * {_KEY}", "of_key"),
        _mixed("bitXor(of_key, reinterpretAsUInt64(value))", "point"),
    ]
)
"""Aliases for a WITH clause over the table of points; `point` is the digest, add with sum(point)."""


def point_digests(parts: Sequence[Part]) -> tuple[Array, Array]:
    """(digest of every point, points of every part), of parts in the order given."""
    columns = [part for _, part in parts]
    calls = np.frombuffer(b"".join([each.calls for each in columns]), "<u4")
    calls_of_part = np.array([len(each.steps) // 8 for each in columns], np.int64)
    points_of_part = np.array([len(each.values) // 8 for each in columns], np.int64)
    keys = np.repeat(_of_calls(parts, columns, calls_of_part), calls) + _keys(columns, points_of_part) * _u(
        _KEY
    )
    values = np.frombuffer(b"".join([each.values for each in columns]), "<u8")
    return _mix(_mix(keys) ^ values), points_of_part


def _of_calls(parts: Sequence[Part], columns: Sequence[MetricsLogged], calls_of_part: Array) -> Array:
    """What the points of a call share, one item for each call."""
    step = np.frombuffer(b"".join([each.steps for each in columns]), "<i8")
    has_step = step != NO_STEP
    first = np.cumsum(calls_of_part) - calls_of_part
    base = np.array([seq for seq, _ in parts], np.int64) - first
    seq = (np.repeat(base, calls_of_part) + np.arange(len(step))).view(np.uint64)
    steps = np.where(has_step, step, 0).view(np.uint64) + has_step.astype(np.uint64) * _u(_HAS_STEP)
    of_step = _mix(seq * _u(_SEQ) + steps)
    time = np.frombuffer(b"".join([each.times for each in columns]), "<u8") * _u(_TIME)
    return _mix(of_step + time + _epochs(columns) * _u(_EPOCH))


def _epochs(columns: Sequence[MetricsLogged]) -> Array:
    unknown = bytes(8)
    epoch = np.frombuffer(
        b"".join([each.epochs or unknown * (len(each.steps) // 8) for each in columns]), "<f8"
    )
    known: Array = np.where(np.isnan(epoch), 0.0, epoch)
    return known.view(np.uint64)


def _keys(columns: Sequence[MetricsLogged], points_of_part: Array) -> Array:
    """The hash of every point's key."""
    begins: dict[tuple[str, ...], int] = {}
    lookup: list[int] = []
    bases = []
    for each in columns:
        names = tuple(each.keys)
        if names not in begins:
            begins[names] = len(lookup)
            lookup += map(key_hash, names)
        bases.append(begins[names])
    index = np.frombuffer(b"".join([each.key_index for each in columns]), "<u2")
    place = np.repeat(np.array(bases, np.int64), points_of_part) + index
    found: Array = np.array(lookup or [0], np.uint64)[place]
    return found


def _mix(x: Array) -> Array:
    x = (x ^ (x >> _u(32))) * _u(_MIX)
    x ^= x >> _u(29)
    return x


def _u(number: int) -> np.uint64:
    return np.uint64(number)
