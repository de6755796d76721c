"""Readers of the files that speech people keep transcripts and results in.

Each returns utterances that Client.register_test_set and the scoring commands take:

    from speech_experiment_tracker import formats

    client.register_test_set("dev", [each.row() for each in formats.read("data/dev")])

Every error names file, line and field, and says what to do.
"""

from __future__ import annotations

from .detect import Format, detect, read, read_plain
from .frames import read_frame, read_table
from .kaldi import read_data_dir, read_text
from .manifests import read_lhotse, read_manifest
from .nist import TimedWord, read_ctm, read_stm, read_trn
from .utterance import FormatError, Role, Utterance

__all__ = [
    "Format",
    "FormatError",
    "Role",
    "TimedWord",
    "Utterance",
    "detect",
    "read",
    "read_ctm",
    "read_data_dir",
    "read_frame",
    "read_lhotse",
    "read_manifest",
    "read_plain",
    "read_stm",
    "read_table",
    "read_text",
    "read_trn",
]
