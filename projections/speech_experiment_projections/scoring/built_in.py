"""Profiles that need no definition: those of common practice, and those named after the tools they agree with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from .profiles import DEFAULT, Profile

_AS_WRITTEN = Profile(
    name="as-written", normaliser="none", form="as_written", case="as_written", punctuation="as_written"
)
"""Words as they stand: what jiwer's `wer` and most scripts count."""


def _written(name: str, **changes: Any) -> Profile:
    return msgspec.structs.replace(_AS_WRITTEN, name=name, **changes)


PROFILES: Mapping[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile(name=DEFAULT),
        Profile(name="basic-cer", unit="character"),
        Profile(name="basic-cer-spaces", unit="character_with_spaces"),
        Profile(
            name="whisper-english", normaliser="whisper-basic", normalisers={"en": "english", "": "english"}
        ),
        Profile(name="whisper-basic", normaliser="whisper-basic"),
        _AS_WRITTEN,
        _written("as-written-cer", unit="codepoint_with_spaces"),
        Profile(name="zh-cer", normaliser="cjk", unit="character"),
        Profile(name="zh-cer-simplified", normaliser="cjk", unit="character", script="simplified"),
        Profile(name="ja-cer", normaliser="cjk", unit="character"),
        Profile(name="ko-cer", normaliser="cjk", unit="character"),
        Profile(name="mixed-mer", normaliser="cjk", unit="mixed"),
        _written("phone-per", unit="phone"),
        _written("kaldi-wer", scorer="kaldi"),
        _written("kaldi-wer-present", scorer="kaldi", missing="present_only"),
        _written("sclite-wer", scorer="sclite", case="lower", missing="strict", alternations=True),
    )
}
