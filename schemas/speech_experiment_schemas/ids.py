"""Identifiers, 64-bit hashes and the record key: frozen by what has been written to logs."""

from __future__ import annotations

import os
import time
import unicodedata
from hashlib import blake2b
from uuid import UUID, uuid5

DEFAULT_WORKSPACE = "default"
EXPERIMENT_NAMESPACE = UUID("5be7f6a6-7a38-5c51-9d0c-9c2f3c8f7e11")


_noise: list[bytes] = []
os.register_at_fork(after_in_child=_noise.clear)


def random_bytes() -> bytes:
    """16 random bytes of the system's. Many are fetched at once: each call of the system lets other threads in."""
    try:
        return _noise.pop()
    except IndexError:
        fresh = os.urandom(4096)
        _noise.extend(fresh[start : start + 16] for start in range(16, 4096, 16))
        return fresh[:16]


def uuid7() -> UUID:
    """A time-ordered UUID (RFC 9562, version 7): 48 bits of milliseconds, then 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    noise = int.from_bytes(random_bytes()[:10], "big")
    high, low = noise >> 68, noise & ((1 << 62) - 1)
    return UUID(int=(milliseconds << 80) | (0x7 << 76) | (high << 64) | (0b10 << 62) | low)


def birth_name(name: str) -> str:
    """The form of a name that identifies an experiment: NFC, trimmed."""
    return unicodedata.normalize("NFC", name).strip()


def experiment_id(workspace: str, name: str) -> UUID:
    """The id of the experiment born under `name`: the same on every machine, online or offline."""
    return uuid5(EXPERIMENT_NAMESPACE, f"{workspace}\0{birth_name(name)}")


def test_set_id(workspace: str, name: str) -> UUID:
    """The id of the test set of that name: the same on every machine, online or offline."""
    return uuid5(EXPERIMENT_NAMESPACE, f"{workspace}\0test_set\0{birth_name(name)}")


def profile_id(workspace: str, name: str) -> UUID:
    """The subject of what is said about a scoring profile in a workspace."""
    return uuid5(EXPERIMENT_NAMESPACE, f"{workspace}\0profile\0{name}")


def hash64(value: bytes) -> int:
    """An unsigned 64-bit hash (blake2b, little-endian), the id of runs, keys and producers in columns."""
    return int.from_bytes(blake2b(value, digest_size=8).digest(), "little")


def run_hash(run: UUID) -> int:
    return hash64(run.bytes)


def producer_hash(producer: UUID) -> int:
    return hash64(producer.bytes)


def key_hash(key: str) -> int:
    return hash64(key.encode())


def murmur2(data: bytes) -> int:
    """Kafka's murmur2, as its Java client computes it, as an unsigned 32-bit number."""
    m, mask, length = 0x5BD1E995, 0xFFFFFFFF, len(data)
    h = 0x9747B28C ^ length
    body = length & ~3
    for i in range(0, body, 4):
        k = int.from_bytes(data[i : i + 4], "little") * m & mask
        k = (k ^ (k >> 24)) * m & mask
        h = (h * m & mask) ^ k
    tail = data[body:]
    if tail:
        h = (h ^ int.from_bytes(tail, "little")) * m & mask
    h = (h ^ (h >> 13)) * m & mask
    return h ^ (h >> 15)


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a record key, as every Kafka client's default partitioner chooses it."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
