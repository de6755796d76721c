"""Chinese written in simplified or traditional characters, brought into one of them by OpenCC."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Literal

Script = Literal["as_written", "simplified", "traditional"]
_CONVERSIONS = {"simplified": "t2s", "traditional": "s2t"}


@lru_cache
def converter(script: Script) -> Callable[[str], str]:
    """Characters, not words: `t2s` and `s2t` of OpenCC.

    Raises ValueError where OpenCC is not installed.
    """
    if script == "as_written":
        return str
    try:
        import opencc
    except ImportError as error:
        raise ValueError(
            f"script: {script!r} needs OpenCC: pip install 'speech-experiment-tracker[scoring]'"
        ) from error
    convert: Callable[[str], str] = opencc.OpenCC(_CONVERSIONS[script]).convert
    return convert
