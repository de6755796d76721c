"""Tokens of each unit."""

from __future__ import annotations

import pytest

from speech_experiment_projections.scoring.units import TOKENISERS, Unit


@pytest.mark.parametrize(
    ("unit", "text", "tokens"),
    [
        ("word", " the  cat\tsat ", ["the", "cat", "sat"]),
        ("character", "ab c", ["a", "b", "c"]),
        ("character", "नमस्ते", ["न", "म", "स्ते"]),
        ("character_with_spaces", "ab  c", ["a", "b", "␣", "c"]),
        ("mixed", "我用python写代码 ok", ["我", "用", "python", "写", "代", "码", "ok"]),
        ("mixed", "ทดสอบ ok", ["ท", "ด", "ส", "อ", "บ", "ok"]),
        ("word", "", []),
        ("character", "  ", []),
    ],
)
def test_tokens(unit: Unit, text: str, tokens: list[str]) -> None:
    assert TOKENISERS[unit](text) == tokens
