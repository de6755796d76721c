"""Tables in memory: pandas and polars frames, by the names of their columns; and CSV or TSV files."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from os import PathLike
from typing import Any

from .fields import utterance_of
from .lines import read_lines
from .utterance import FormatError, Role, Utterance, once

_LONGEST = 2**31 - 1
"""Characters of a cell; the csv module stops at 131,072 by itself."""


def read_frame(frame: Any, role: Role = "reference") -> list[Utterance]:
    """An utterance a row; see `fields` for the names of columns. Missing values are unknown fields.

    Raises FormatError that names row and column.
    """
    rows = ((f"row {number}", row) for number, row in enumerate(_rows(frame)))
    return [*once(utterance_of(row, place, role) for place, row in rows)]


def _rows(frame: Any) -> Iterator[Mapping[str, Any]]:
    if hasattr(frame, "iter_rows"):
        yield from frame.iter_rows(named=True)
    elif hasattr(frame, "to_dict") and hasattr(frame, "columns"):
        for row in frame.to_dict("records"):
            yield {str(name): value for name, value in row.items() if not _is_missing(value)}
    else:
        raise FormatError(f"{type(frame).__name__} is no pandas or polars frame", "give a DataFrame")


def _is_missing(value: Any) -> bool:
    return (
        value is None
        or (isinstance(value, float) and value != value)
        or type(value).__name__ in ("NAType", "NaTType")
    )


def read_table(
    path: str | PathLike[str], role: Role = "reference", *, encoding: str = "utf-8"
) -> list[Utterance]:
    """A CSV or TSV file with a header; see `fields` for the names of columns. An empty text is an empty text.

    Raises FormatError with file and line.
    """
    name = str(path).removesuffix(".gz")
    lines = [line for _, line in read_lines(path, encoding)]
    reader = csv.DictReader(lines, delimiter="\t" if name.endswith(".tsv") else ",", strict=True)
    limit = csv.field_size_limit(_LONGEST)
    try:
        found = [*once(_of_table(reader, path, role))]
    finally:
        csv.field_size_limit(limit)
    if not found:
        raise FormatError(f"{path}: has no row", "write a header and a row for each utterance")
    return found


def _of_table(reader: csv.DictReader[str], path: str | PathLike[str], role: Role) -> Iterator[Utterance]:
    try:
        for row in reader:
            place = f"{path}:{reader.line_num}"
            if None in row or None in row.values():
                raise FormatError(
                    f"{place}: not as many fields as the header has", "quote fields that hold the separator"
                )
            yield utterance_of(_known(row), place, role)
    except csv.Error as error:
        raise FormatError(
            f"{path}:{reader.line_num}: {error}", "quote fields that hold the separator"
        ) from None


def _known(row: Mapping[str, str]) -> dict[str, str]:
    """Empty cells are unknown, but for texts."""
    texts = {
        "reference",
        "ref",
        "text",
        "transcript",
        "transcription",
        "sentence",
        "hypothesis",
        "hyp",
        "pred_text",
        "prediction",
    }
    return {name: value for name, value in row.items() if value or name in texts}
