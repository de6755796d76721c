"""Which projections there are, and where their sinks live; imported only when asked for."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from speech_experiment_infra.settings import Settings

from .sink import Sink

FACTORIES = {
    "metadata": "metadata_sink",
    "artifacts": "artifacts_sink",
    "control": "control_sink",
    "metrics": "metrics_sink",
}
"""projection → module here with `VERSION` and `create(settings, version) -> Sink`."""


def create_sink(settings: Settings, name: str) -> Sink:
    """The sink of NAME, or of NAME:VERSION."""
    name, _, version = name.partition(":")
    if name not in FACTORIES:
        raise LookupError(f"{name!r} is no projection; there are {', '.join(FACTORIES)}")
    module = import_module(f".{FACTORIES[name]}", __package__)
    create: Callable[[Settings, int], Sink] = module.create
    return create(settings, int(version or module.VERSION))
