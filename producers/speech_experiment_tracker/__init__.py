"""The client of the speech experiment tracker.

import speech_experiment_tracker as tracker

with tracker.Client().create_experiment("Conformer ASR", task="asr").start_run("conformer_12l") as run:
    run.log_config(vars(args))
    run.log_metrics({"train_loss": 1.2, "val_wer": 0.1}, step=1)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .client import Client
    from .errors import TrackerError
    from .experiment import Experiment
    from .run import Run

__all__ = ["Client", "Experiment", "Run", "TrackerError"]
__version__ = "0.1.0"

_PLACES = {"Client": "client", "Experiment": "experiment", "Run": "run", "TrackerError": "errors"}


def __getattr__(name: str) -> Any:
    """Loads the public names when they are first used: importing the package costs nothing."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f".{_PLACES[name]}", __name__), name)
    globals()[name] = value
    return value
