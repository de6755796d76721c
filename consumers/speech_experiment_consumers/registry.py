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
    "scores": "scores_sink",
}
"""projection → module here with `create(settings, version) -> Sink`."""


def known(name: str) -> str:
    """The name again; raises LookupError when it is no projection."""
    if name not in FACTORIES:
        raise LookupError(f"{name!r} is no projection; there are {', '.join(FACTORIES)}")
    return name


def create_sink(settings: Settings, version: str) -> Sink:
    """The sink of NAME:VERSION."""
    name, _, number = version.partition(":")
    module = import_module(f".{FACTORIES[known(name)]}", __package__)
    create: Callable[[Settings, int], Sink] = module.create
    return create(settings, int(number))
