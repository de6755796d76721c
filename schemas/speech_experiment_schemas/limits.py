"""String and number types with the limits that the validator enforces."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

Name = Annotated[str, Meta(min_length=1, max_length=500)]
Word = Annotated[str, Meta(min_length=1, max_length=100)]
Line = Annotated[str, Meta(max_length=2_000)]
Text = Annotated[str, Meta(max_length=200_000)]
MetricKey = Annotated[str, Meta(min_length=1, max_length=250)]
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Tags = Annotated[dict[Word, Line], Meta(max_length=500)]
Tree = dict[str, Any]
"""A nested dict of msgpack values: None, bool, int, float, str, list, dict with string keys."""
