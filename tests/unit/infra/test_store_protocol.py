"""The store's reading of requests: statements and rows told apart, codings, forms, settings."""

from __future__ import annotations

import gzip

import lz4.frame
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from speech_experiment_infra.store import codings
from speech_experiment_infra.store.body import Body
from speech_experiment_infra.store.engine import EngineError, _setting_changes
from speech_experiment_infra.store.forms import form_fields
from speech_experiment_infra.store.http import ProtocolError
from speech_experiment_infra.store.protocol import _split_insert, _statement

ROWS = b"\x00\x01 FORMAT Native\nSELECT rows"


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@given(st.integers(1, 60))
def test_rows_behind_an_insert_are_split_off_wherever_the_pieces_end(size: int) -> None:
    body = Body(pieces(b"INSERT INTO t (`values`, select_) \n FORMAT Native\n" + ROWS, size))
    found = _split_insert("", body)
    assert found is not None
    sql, input_format, rows = found
    assert (sql.split(), input_format) == (["INSERT", "INTO", "t", "(`values`,", "select_)"], "Native")
    assert b"".join(rows) == ROWS


def test_an_insert_in_the_url_takes_the_whole_body_as_rows() -> None:
    found = _split_insert("INSERT INTO t FORMAT Arrow", Body([ROWS]))
    assert found is not None
    assert (found[0], found[1], b"".join(found[2])) == ("INSERT INTO t", "Arrow", ROWS)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 FORMAT Native\n",
        "insert into t select * from u format Null\n",
        "INSERT INTO t VALUES (1, 'FORMAT CSV\n')",
        "INSERT INTO t (a) FROM INFILE 'x' FORMAT Arrow\n",
        "CREATE TABLE t (a UInt8) ENGINE = Memory",
        "",
    ],
)
def test_other_statements_are_left_whole(sql: str) -> None:
    body = Body(pieces(sql.encode(), 7))
    assert _split_insert("", body) is None
    assert b"".join(body).decode() == sql


def test_parameters_and_settings_are_told_from_the_interface() -> None:
    fields = {"query": "", "database": "d", "param_run": "7", "max_threads": "1", "wait_end_of_query": "1"}
    statement = _statement("select {run:UInt64}", fields)
    assert statement.parameters == {"run": "7"}
    assert statement.settings == {"max_threads": "1"}
    assert statement.database == "d"


def test_only_changes_of_settings_are_sent_and_leftovers_are_reset() -> None:
    changes = _setting_changes({"a": "1", "b": "2"}, {"a": "1", "c": "it's"})
    assert changes == ["c = 'it\\'s'", "b = DEFAULT"]
    with pytest.raises(EngineError, match="not a setting name"):
        _setting_changes({}, {"a = 1, b": "2"})


@pytest.mark.parametrize(
    ("coding", "encode"),
    [
        ("lz4", lz4.frame.compress),
        ("zstd", zstandard.ZstdCompressor().compress),
        ("gzip", gzip.compress),
        ("", bytes),
    ],
)
def test_codings_decode_frames_that_follow_each_other(coding: str, encode: object) -> None:
    assert callable(encode)
    data = encode(b"first " * 1000) + encode(b"second " * 1000)
    decoded = b"".join(codings.decode(coding, pieces(data, 11)))
    assert decoded == b"first " * 1000 + b"second " * 1000


@pytest.mark.parametrize("coding", codings.SUPPORTED)
def test_what_is_encoded_decodes(coding: str) -> None:
    assert b"".join(codings.decode(coding, [codings.encode(coding, memoryview(b"x" * 5000))])) == b"x" * 5000


def test_unknown_and_damaged_codings_are_refused() -> None:
    assert codings.choose("br, deflate") is None
    assert codings.choose("br;q=1, zstd;q=0.5") == "zstd"
    with pytest.raises(ProtocolError, match="not served"):
        b"".join(codings.decode("br", [b"x"]))
    with pytest.raises(ProtocolError, match="not valid gzip"):
        b"".join(codings.decode("gzip", [b"xxxxxxxxxxxx"]))


def test_forms_carry_text_and_no_files() -> None:
    form = (
        b'--b\r\nContent-Disposition: form-data; name="query"\r\n\r\nselect {s:String}\r\n'
        b'--b\r\nContent-Disposition: form-data; name="param_s"\r\n\r\n\xc3\xa9\r\n--b--\r\n'
    )
    assert form_fields("multipart/form-data; boundary=b", form) == {
        "query": "select {s:String}",
        "param_s": "é",
    }
    file = b'--b\r\nContent-Disposition: form-data; name="t"; filename="t.csv"\r\n\r\n1\r\n--b--\r\n'
    with pytest.raises(EngineError, match="External table"):
        form_fields("multipart/form-data; boundary=b", file)
