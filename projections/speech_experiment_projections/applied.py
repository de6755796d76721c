"""The profile that an event of the log names."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from speech_experiment_schemas.evaluations import ProfileApplied

from .refusal import Refused
from .scoring.built_in import PROFILES
from .scoring.profiles import Profile


def profile_of(applied: ProfileApplied) -> Profile:
    """Raises Refused for a name without a definition that is no built-in profile's, and for a wrong definition."""
    try:
        return defined(applied.profile, msgspec.json.encode(applied.definition, order="deterministic"))
    except (ValueError, KeyError) as error:
        raise Refused("malformed", f"profile {applied.profile!r}: {error}") from None


@lru_cache(maxsize=256)
def defined(name: str, definition: bytes) -> Profile:
    """A profile by name and definition, which is JSON; `{}` for a built-in one.

    Raises:
        KeyError: there is no built-in profile of that name.
        ValueError: the definition is none.
    """
    if definition == b"{}":
        return PROFILES[name]
    fields = msgspec.json.decode(definition, type=dict[str, object])
    return msgspec.convert({**fields, "name": name}, Profile)
