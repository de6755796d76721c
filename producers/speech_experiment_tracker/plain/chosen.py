"""The profile that a command was asked for: built in, or out of files."""

from __future__ import annotations

from pathlib import Path

import msgspec

from speech_experiment_projections.scoring import glm, rules
from speech_experiment_projections.scoring.built_in import PROFILES
from speech_experiment_projections.scoring.profiles import Profile

from ..errors import TrackerError
from ..formats.lines import read_lines


def profile_of(name: str, rule_file: Path | None = None) -> Profile:
    """A profile by its name, or out of a JSON file; with the rules of a file.

    Raises TrackerError that names file and field.
    """
    profile = PROFILES.get(name) or _from_file(name)
    if rule_file is None:
        return profile
    lines = [line for _, line in read_lines(rule_file)]
    try:
        if rule_file.suffix == ".glm":
            found = glm.read(lines, str(rule_file))
        else:
            found = rules.from_toml("\n".join(lines), str(rule_file))
        return msgspec.structs.replace(profile, name=f"{profile.name}+{found.name}", rules=found)
    except ValueError as error:
        raise TrackerError(str(error), "see speech-tracker profiles --help") from None


def _from_file(name: str) -> Profile:
    path = Path(name)
    if not path.is_file():
        raise TrackerError(
            f"there is no profile {name!r}, and no such file", f"there are {', '.join(PROFILES)}"
        )
    text = "\n".join(line for _, line in read_lines(path))
    try:
        return msgspec.json.decode(text, type=Profile)
    except (msgspec.DecodeError, ValueError) as error:
        raise TrackerError(
            f"{path}: {error}", "start from speech-tracker profiles show basic-wer --json"
        ) from None
