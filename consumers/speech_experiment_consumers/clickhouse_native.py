"""Blocks in ClickHouse's Native format: a column is its name, its type, and its bytes as numpy holds them.

Nothing is converted on either side, which Arrow costs a third of an insert.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def encode_block(columns: Mapping[str, NDArray[Any]], types: Mapping[str, str]) -> list[memoryview]:
    """The parts of one block, to be sent one after the other; columns of fixed width, equally long."""
    lengths = {len(column) for column in columns.values()}
    if len(lengths) != 1:
        raise ValueError(f"columns of a block must be equally long, got lengths {sorted(lengths)}")
    parts = [memoryview(_number(len(columns)) + _number(lengths.pop()))]
    for name, column in columns.items():
        parts.append(memoryview(_text(name) + _text(types[name])))
        parts.append(np.ascontiguousarray(column).data.cast("B"))
    return parts


def _text(text: str) -> bytes:
    data = text.encode()
    return _number(len(data)) + data


def _number(number: int) -> bytes:
    """LEB128."""
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)
