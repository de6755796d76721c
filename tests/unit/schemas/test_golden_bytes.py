"""Bytes that logs hold: they decode to the same events, and today's code still writes them."""

from __future__ import annotations

import msgspec
import pytest

from speech_experiment_schemas import decode, decode_payload, digest, event_types, validate
from speech_experiment_schemas.catalogue import EventType, type_of
from speech_experiment_schemas.envelope import encode, leaf_hash, record_key
from speech_experiment_schemas.ids import experiment_id, hash64, partition_of, uuid7

from .examples import EXAMPLES, RUN, example_record, golden_path

by_name = pytest.mark.parametrize("entry", event_types(), ids=lambda entry: f"{entry.name}.v{entry.version}")


@by_name
def test_every_version_ever_written_has_golden_bytes_that_still_validate(entry: EventType) -> None:
    record = golden_path(entry.name, entry.version).read_bytes()
    envelope = validate(record, control=True)
    assert encode(envelope) == record
    assert type_of(decode_payload(envelope)).name == entry.name  # type: ignore[arg-type]


@pytest.mark.parametrize("payload", EXAMPLES, ids=lambda payload: type(payload).__name__)
def test_todays_code_writes_the_golden_bytes(payload: msgspec.Struct) -> None:
    entry = type_of(payload)
    assert example_record(payload) == golden_path(entry.name, entry.version).read_bytes()


def test_digests_and_hashes_are_frozen() -> None:
    envelope = decode(golden_path("run.started", 1).read_bytes())
    headers = [("workspace", b"default"), ("actor", b"key:1")]
    assert digest(envelope).hex() == "caa606c8690f354e20a5f44b28981d916bb4f75d053dfac2f31abf7b02ea435d"
    assert (
        leaf_hash(envelope, headers).hex()
        == "ec254e89368803f16f6e3766e8eb7d3210ae2251a05c0dfa9de451be203de9c2"
    )
    assert leaf_hash(envelope, headers[::-1]) == leaf_hash(envelope, headers)
    assert record_key(envelope) == RUN.bytes
    assert partition_of(RUN.bytes, 24) == 2
    assert hash64(b"train_loss") == 10059432601583298053
    assert str(experiment_id("default", " Conformer ASR ")) == "a34c0750-ac4a-5dcc-adf3-ce8a8082ef9b"


def test_a_chain_survives_the_erasure_of_a_payload() -> None:
    envelope = decode(golden_path("run.noted", 1).read_bytes())
    other = msgspec.structs.replace(envelope, salt=bytes(16))
    assert digest(envelope) != digest(other)


def test_uuid7_is_ordered_by_time_and_marked_as_version_7() -> None:
    ids = [uuid7() for _ in range(100)]
    assert all(i.version == 7 and i.variant == "specified in RFC 4122" for i in ids)
    assert [i.int >> 80 for i in ids] == sorted(i.int >> 80 for i in ids)
    assert len(set(ids)) == 100
