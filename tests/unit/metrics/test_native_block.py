"""Blocks in ClickHouse's Native format."""

from __future__ import annotations

import numpy as np
import pytest

from speech_experiment_consumers.clickhouse_native import encode_block
from speech_experiment_consumers.clickhouse_points import Span, token


def test_a_block_is_counts_then_name_type_and_bytes_of_each_column() -> None:
    columns = {"a": np.array([1, 2], np.uint8), "b": np.array([1.5, np.nan])}
    block = b"".join(encode_block(columns, {"a": "UInt8", "b": "Float64"}))
    assert block == b"\x02\x02\x01a\x05UInt8\x01\x02\x01b\x07Float64" + columns["b"].tobytes()


def test_long_blocks_and_strided_columns() -> None:
    wide = np.arange(600, dtype=np.int64).reshape(300, 2)
    block = b"".join(encode_block({"a": wide[:, 1]}, {"a": "Int64"}))
    assert block[:3] == b"\x01\xac\x02"
    assert block.endswith(wide[:, 1].tobytes())


def test_columns_must_be_equally_long() -> None:
    with pytest.raises(ValueError, match="equally long"):
        encode_block({"a": np.zeros(1), "b": np.zeros(2)}, {"a": "Float64", "b": "Float64"})


def test_a_token_names_version_range_and_generation() -> None:
    one = {0: Span(0, 9, 0)}
    assert token(1, one) == token(1, {0: Span(0, 9, 0)})
    others = [
        (1, {0: Span(0, 10, 0)}),
        (1, {0: Span(0, 9, 1)}),
        (2, one),
        (1, {1: Span(0, 9, 0)}),
        (1, one | {1: Span(0, 0)}),
    ]
    assert len({token(*each) for each in [(1, one), *others]}) == 6
