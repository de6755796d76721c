"""What a profile's identity covers beside its own fields: tools, the Unicode data, and golden outputs."""

from __future__ import annotations

import hashlib
import unicodedata
from functools import lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import msgspec

from . import alignment, normalisers

if TYPE_CHECKING:
    from .normalisers import Name
    from .profiles import Profile

_SCORER_TOOLS = {"jiwer": "rapidfuzz", "kaldi": "kaldialign", "sclite": "kaldialign"}
"""What aligns for whom. jiwer 4 itself only calls rapidfuzz, as we do."""
_NORMALISER_TOOLS: dict[Name, tuple[str, ...]] = {
    "cjk": ("regex",),
    "english": ("whisper-normalizer", "regex"),
    "whisper-basic": ("whisper-normalizer", "regex"),
    "whisper-marks": ("whisper-normalizer", "regex"),
}
GOLDEN = (
    "Mr. O'Neill won't pay $20.50, or 20% of it -- he's been to the theatre twenty-one times!",
    "DON'T  ‘quote’ the dogs’ [noise] (laughs) <unk> e-mail, co-operate; rock'n'roll",
    "two and a half million, oh one oh, the 1960s, 1st of May, £3 and ¢5, double seven",
    "Ça coûte 3,50 €, naïve façade, œuvre, Straße, ŁÓDŹ, İstanbul, ﬁn, Ⅷ, x²",
    "Ёлка, съешь ещё этих мягких французских булок",
    "Γειά σου Κόσμε, ὀρθῶς",
    "नमस्ते, दुनिया! क्षत्रिय क़लम",
    "தமிழ் மொழி, తెలుగు భాష, ಕನ್ನಡ",
    "สวัสดีครับ ภาษาไทย ๑๒๓",
    "السَّلامُ عَلَيْكُم، كيف حالك؟",
    "می‌روم به خانه",
    "今天 天气，很好。我 用 Python 写 代码 3.14",
    "ｶﾀｶﾅ テスト　です。東京タワーへ 行く",
    "안녕 하세요! 대한민국 ㈜",
    "zero\u200bwidth soft\u00adhyphen \ufeffmark \u202bbidi\u202c 👩‍🚀 ok",
    "{ gonna / going to / @ } th- uh",
    "",
)
"""Texts of many scripts in which a changed normaliser, or changed Unicode data, would show."""


def statement_of(profile: Profile) -> bytes:
    """Canonical JSON: sorted keys, no spaces, every field of the profile whether set or not."""
    return msgspec.json.encode(
        {
            "profile": msgspec.to_builtins(profile),
            "tools": tools_of(profile),
            "scorer": alignment.VERSIONS[profile.scorer],
            "unicode": unicodedata.unidata_version,
            "normalisers": {name: _stated(name) for name in _used(profile)},
        },
        order="deterministic",
    )


def tools_of(profile: Profile) -> dict[str, str]:
    """Package → version of all that a score under the profile comes from."""
    names = {_SCORER_TOOLS[profile.scorer]}
    for name in _used(profile):
        names.update(_NORMALISER_TOOLS.get(name, ()))
    if profile.unit not in ("word", "phone"):
        names.add("regex")
    if profile.script != "as_written":
        names.add("opencc")
    return {name: version(name) for name in sorted(names)}


def _used(profile: Profile) -> list[Name]:
    return sorted({profile.normaliser, *profile.normalisers.values()})


@lru_cache
def _stated(name: Name) -> dict[str, Any]:
    normalise = normalisers.normaliser(name)
    outputs = "\n".join(map(normalise, GOLDEN))
    return {
        "version": normalisers.VERSIONS[name],
        "outputs": hashlib.sha256(outputs.encode()).hexdigest(),
    }
