"""Folders of the embedded stack: data per user or chosen, downloads shared between stacks."""

from __future__ import annotations

import os
from pathlib import Path

_NAME = "speech-experiment-tracker"


def default_data_dir() -> Path:
    """``$SPEECH_TRACKER_DATA_DIR``, or a folder in the user's data home."""
    chosen = os.environ.get("SPEECH_TRACKER_DATA_DIR")
    return Path(chosen) if chosen else _xdg("XDG_DATA_HOME", ".local/share") / _NAME


def cache_dir() -> Path:
    """Where downloaded jars are kept; safe to delete."""
    return _xdg("XDG_CACHE_HOME", ".cache") / _NAME


def client_config_file() -> Path:
    """The file from which SDK and CLI on this machine learn URL and key."""
    return _xdg("XDG_CONFIG_HOME", ".config") / _NAME / "config.json"


def _xdg(variable: str, below_home: str) -> Path:
    chosen = os.environ.get(variable)
    return Path(chosen) if chosen else Path.home() / below_home
