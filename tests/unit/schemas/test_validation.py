"""What may enter the log, and what a client is told when it may not."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_experiment_schemas import InvalidEvent, Sealer, Unknown, decode, decode_payload, encode, validate
from speech_experiment_schemas.control import KeyRevoked
from speech_experiment_schemas.envelope import encode_payload
from speech_experiment_schemas.ids import murmur2, uuid7
from speech_experiment_schemas.metrics import Call, MetricsLogged, pack, pack_calls, unpack_calls
from speech_experiment_schemas.runs import RunNoted, RunRenamed

RUN = ("run", uuid7())

calls = st.lists(
    st.tuples(
        st.none() | st.integers(-(2**63) + 1, 2**63 - 1),
        st.integers(0, 2**62),
        st.none() | st.floats(0, 1e6),
        st.dictionaries(st.text(min_size=1, max_size=20), st.floats(), min_size=1, max_size=5),
    ),
    min_size=1,
    max_size=20,
)


def record_of(payload: msgspec.Struct, *, stream: str = "runs", count: int = 1) -> bytes:
    return Sealer(uuid7(), stream).seal(payload, RUN, count=count)


def changed(record: bytes, **fields: Any) -> bytes:
    return encode(msgspec.structs.replace(decode(record), **fields))


def refused(record: bytes, field: str, code: str = "malformed") -> str:
    with pytest.raises(InvalidEvent) as caught:
        validate(record)
    assert (caught.value.field, caught.value.code) == (field, code)
    return caught.value.message


@given(calls)
def test_metric_columns_carry_every_call_back(made: list[Call]) -> None:
    envelope = validate(record_of(pack_calls(made), stream="metrics", count=len(made)))
    payload = decode_payload(envelope)
    assert isinstance(payload, MetricsLogged)
    assert repr(unpack_calls(payload)) == repr(made)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("calls", b"123"),
        ("calls", pack("I", [1, 1])),
        ("steps", b""),
        ("times", pack("q", [1, 2])),
        ("epochs", pack("d", [1.0, 2.0])),
        ("key_index", pack("H", [0])),
        ("key_index", pack("H", [0, 9])),
        ("values", pack("d", [1.0])),
        ("keys", ["a", "a"]),
    ],
)
def test_columns_that_do_not_fit_each_other_are_refused_by_name(field: str, value: Any) -> None:
    good = pack_calls([(1, 2, None, {"a": 1.0, "b": 2.0})])
    bad = msgspec.structs.replace(good, **{field: value})
    with pytest.raises(InvalidEvent) as caught:
        validate(record_of(bad, stream="metrics"))
    assert caught.value.field.startswith("data.")


def test_a_count_that_the_columns_do_not_have_is_refused() -> None:
    payload = pack_calls([(1, 2, None, {"a": 1.0})])
    assert "expected 2" in refused(record_of(payload, stream="metrics", count=2), "data.calls")


def test_the_field_of_a_bad_payload_is_named() -> None:
    assert "length >= 1" in refused(record_of(RunRenamed(name="")), "data.name")


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"stream": "gossip"}, "stream"),
        ({"stream": "metrics"}, "stream"),
        ({"subject": ("experiment", uuid7())}, "subject"),
        ({"seq": -1}, "seq"),
        ({"count": 0}, "seq"),
        ({"count": 2}, "count"),
        ({"ts": -1}, "ts"),
        ({"salt": b"short"}, "salt"),
        ({"prev": b"short"}, "prev"),
        ({"type": "Nonsense!", "v": 1}, "type"),
    ],
)
def test_a_wrong_envelope_is_refused_by_field(fields: dict[str, Any], named: str) -> None:
    refused(changed(record_of(RunNoted(notes="x")), **fields), named)


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_with_a_reason(garbage: bytes) -> None:
    with pytest.raises(InvalidEvent):
        validate(garbage)


def test_control_events_pass_only_from_the_server() -> None:
    record = Sealer(uuid7(), "control").seal(KeyRevoked(), ("key", uuid7()))
    refused(record, "stream", "forbidden")
    assert validate(record, control=True).type == "key.revoked"


def test_unknown_types_of_newer_clients_pass_and_decode_as_unknown() -> None:
    record = changed(record_of(RunNoted(notes="x")), type="run.teleported", v=3)
    assert isinstance(decode_payload(validate(record)), Unknown)


def test_a_record_beyond_the_limit_is_refused_at_sealing_and_at_the_gate() -> None:
    sealer = Sealer(uuid7(), "runs")
    with pytest.raises(InvalidEvent):
        sealer.seal_raw("run.noted", 1, encode_payload({"notes": "x" * 900_000}), RUN)
    assert sealer.seq == 0
    refused(b"x" * 900_001, "record", "too_large")


def test_a_sealer_numbers_and_chains_its_records() -> None:
    from speech_experiment_schemas import digest

    sealer = Sealer(uuid7(), "runs")
    records = [decode(sealer.seal(RunNoted(notes=str(i)), RUN)) for i in range(3)]
    assert [r.seq for r in records] == [0, 1, 2]
    assert [r.prev for r in records] == [b"", digest(records[0]), digest(records[1])]


@given(st.binary(max_size=40))
def test_murmur2_is_kafkas(data: bytes) -> None:
    from aiokafka.partitioner import murmur2 as reference

    assert murmur2(data) == reference(data) & 0xFFFFFFFF
